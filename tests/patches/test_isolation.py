"""From what state a patch is rendered, and what an audit makes of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dspcore.errors import UserError
from dspcore.notes import Note
from dspcore.patches import FAUST24, NoteRange, Renderer, Sampler, audit, open_renderer
from dspcore.patches.auditing import recalled, remember

Open = Callable[..., Renderer]


@pytest.mark.parametrize(
    ("name", "chosen", "flagged"),
    [
        ("plain", "none", []),
        ("Ringing", {"reset", "instance", "zygote"}, ["none"]),
        ("counting", "zygote", ["none", "reset", "instance"]),
    ],
)
def test_the_audit_finds_what_is_left_from_before(
    opened: Open, name: str, chosen: Any, flagged: list[str]
) -> None:
    found = audit(opened(name), 5)
    assert found.chosen in chosen
    assert [level.isolation for level in found.levels if not level.clean] == flagged
    assert found.clean
    assert found.sounding == 5
    if flagged:
        assert found.levels[0].distance_db > 0.1


def test_more_patches_prove_the_choice_or_refute_it(opened: Open) -> None:
    found = audit(opened("late"), 2, ["none", "zygote"], more=5)
    none, zygote = found.levels
    assert none.equal_order == none.equal_fresh == 2  # two patches do not bring it out
    assert none.more_equal < none.more == 5
    assert (zygote.more_equal, found.chosen, found.clean) == (5, "zygote", True)


def test_an_audit_is_remembered_until_the_synth_changes(
    opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    renderer = opened("plain")
    assert recalled(renderer) is None
    found = audit(renderer, 2, ["none"])
    remember(renderer, found)
    assert recalled(renderer) == found
    assert opened("plain").isolation == "none"  # not the careful one that it would be without
    assert opened("plain", block=64).isolation == "zygote"


def test_silence_proves_nothing(opened: Open) -> None:
    with pytest.raises(UserError, match="none of 3 patches can be heard"):
        audit(opened("plain", fixed={"level": 0.0}), 3)


def test_what_cannot_be_reset_says_so(opened: Open) -> None:
    levels = audit(opened("counting"), 2, ["reset"])
    assert not levels.clean
    assert levels.chosen == "process"


@pytest.mark.parametrize("isolation", ["none", "zygote"])
def test_a_worker_has_one_thread_and_no_torch(opened: Open, isolation: Any) -> None:
    sound = opened("curious", isolation=isolation).render({})
    assert (sound[0, :3] * 16).tolist() == [1.0, 0.0, 1.0]


def test_the_package_imports_no_gpl_code_and_no_optional_one() -> None:
    code = (
        "import sys, dspcore.patches, dspcore.patches.engines\n"
        "sys.exit(str(sorted({'vita', 'dawdreamer', 'pedalboard', 'pyarrow', 'submitit'}"
        " & set(sys.modules))).replace('[]', '') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_faust_compiles_whatever_the_caller_did_to_denormals_and_plays_alike_in_any_order() -> None:
    before = torch.tensor([1e-310], dtype=torch.float64).mul(1.0).item() == 0.0
    torch.set_flush_denormal(True)
    try:
        with open_renderer(FAUST24, workers=2) as renderer:
            sampler = Sampler(renderer.space, 7, notes=NoteRange.of(renderer.note))
            encoded = sampler.patches(0, 24)
            sounds, good = renderer.batch(encoded)
            again, _ = renderer.batch(encoded[::-1])
    finally:
        torch.set_flush_denormal(before)
    assert good.all()
    assert sounds.shape == (24, 1, 33_075)
    np.testing.assert_array_equal(sounds, again[::-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("synth", "leaks"), [("vst2:amsynth", True), ("vst2:ZynAddSubFX", False), (FAUST24, False)]
)
def test_real_synths_are_flagged_or_pass(synth: str, leaks: bool) -> None:
    note = Note(0.0, 0.4, 60)  # a longer one would go on in the next sound
    with open_renderer(synth, seconds=0.7, note=note, workers=1) as renderer:
        found = audit(renderer, 3, ["none", "zygote"] if leaks else ["none"])
    assert found.sounding >= 2
    assert found.levels[0].clean is not leaks
    assert found.levels[-1].clean


@pytest.mark.slow
def test_vital_goes_on_drawing_random_phases_but_for_a_zygote() -> None:
    only = ["osc_1_random_phase", "osc_1_wave_frame", "chorus_on"]
    note = Note(0.0, 0.4, 60)
    with open_renderer("vital", seconds=0.7, note=note, workers=1, only=only) as renderer:
        one, other = Sampler(renderer.space).patches(0, 2)
        order = np.stack([one, other, one, other])
        zygote, good = renderer.with_setting(isolation="zygote").batch(order)
        none, _ = renderer.with_setting(isolation="none").batch(order)
    assert good.all()
    assert abs(zygote).max((1, 2)).min() > 1e-4
    np.testing.assert_array_equal(zygote[:2], zygote[2:])
    assert (none[:2] != none[2:]).any((1, 2)).all()
