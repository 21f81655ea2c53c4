"""The refiner that descends through dspcore's own instruments."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from dspcore import patches
from dspcore.errors import UserError
from dspcore.notes import Note

pytestmark = pytest.mark.usefixtures("native")

FREE = ["cutoff_hz", "resonance", "attack_ms", "release_ms"]


@pytest.fixture(scope="module")
def voice() -> patches.Renderer:
    with patches.open_renderer(
        "subtractive", sample_rate=8_000, seconds=0.3, note=Note(0.0, 0.2, 45), workers=1,
        only=FREE, fixed={"wave_1": "saw"},
    ) as renderer:  # fmt: skip
        return renderer


def test_a_descent_through_our_voice_comes_nearer(voice: patches.Renderer) -> None:
    player = patches.player_of(voice, "gradient")
    assert isinstance(player, patches.DifferentiablePlayer)
    u = torch.rand(24, 4, generator=torch.Generator().manual_seed(1))
    frontend = patches.LogMel(8_000, size=512, hop=256, bands=32)
    with torch.no_grad():
        sounds = player(u)
    layout = patches.layout_of(voice.space)
    mel = patches.log_mel(frontend, sounds[:, 0])
    known = patches.Examples(u[2:], mel[2:], layout, frontend)
    nearest = patches.make_estimator("nearest").fit(known, known)
    found = [
        patches.match(sound, player, nearest, renders=20, first=4, refiner="gradient", seed=i)
        for i, sound in enumerate(sounds[:2])
    ]
    before = sum(each.best_of(4) for each in found)
    after = sum(each.distance for each in found)
    assert after < 0.7 * before


def test_it_plays_what_the_worker_plays(voice: patches.Renderer) -> None:
    u = torch.tensor([[0.3, 0.6, 0.2, 0.4]])
    own = patches.player_of(voice, "gradient")(u)
    theirs = patches.player_of(voice)(u)
    voice.close()
    torch.testing.assert_close(own, theirs, rtol=0, atol=2e-4)


def test_other_synths_say_what_to_take(opened: Callable[..., patches.Renderer]) -> None:
    with pytest.raises(UserError, match="has no gradient; take one of dspcore's own instruments"):
        patches.player_of(opened("plain"), "gradient")
