"""The demo: its sound, what it hides, and the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from dspcore import audio, load_preset
from dspcore.chain import Chain
from dspcore.cli import main
from dspcore.cli import match as command
from dspcore.demo import SAMPLE_RATE, hidden_chain, loop
from dspcore.losses import residual_db
from dspcore.match import Match, Progress

pytestmark = pytest.mark.usefixtures("native")


def energy(sound: Tensor, low: float, high: float) -> float:
    """Share of the energy between two frequencies in Hz."""
    power = torch.fft.rfft(sound[0].double()).abs().square()
    hz = torch.arange(len(power)) * SAMPLE_RATE / sound.shape[1]
    return float(power[(hz >= low) & (hz < high)].sum() / power.sum())


def test_demo_loop_is_four_seconds_of_kick_and_hats_below_full_scale() -> None:
    dry = loop()
    assert dry.shape[0] == 1
    assert dry.shape[1] / SAMPLE_RATE == pytest.approx(12 * 60 / 174, abs=1e-3)
    assert 0.25 < float(dry.abs().max()) < 1
    assert energy(dry, 30, 120) > 0.2
    assert energy(dry, 6_000, 20_000) > 1e-3
    assert energy(dry, 0, 15) < 5e-3


def test_demo_is_the_same_for_a_seed_and_another_for_the_next() -> None:
    assert torch.equal(loop(3, bars=1), loop(3, bars=1))
    assert not torch.equal(loop(3, bars=1), loop(4, bars=1))
    dry = loop(3, bars=1)
    assert hidden_chain(dry, 3).values == hidden_chain(dry, 3).values
    assert hidden_chain(dry, 3).values != hidden_chain(dry, 4).values


@pytest.mark.parametrize("seed", range(4))
def test_demo_hides_what_is_heard_and_does_not_clip(seed: int) -> None:
    dry = loop(seed, bars=1)
    hidden = hidden_chain(dry, seed)
    reference = hidden(dry[None])
    assert float(reference.abs().max()) < 1
    assert float(residual_db(dry[None], reference)) > -10
    for name, neutral in (
        ("compressor.ratio", 1.0),
        ("delay.mix", 0.0),
        *((f"parametric_eq.peak_{i}_gain_db", 0.0) for i in (1, 2, 3, 4)),
    ):
        without = hidden.with_values({name: neutral})(dry[None])
        assert float(residual_db(without, reference)) > -40, name


def test_demo_writes_its_files_and_replaces_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_search(dry: Tensor, reference: Tensor, chain: Chain, **options: Any) -> Match:
        options["progress"](Progress("guess", 1, 1, 1.0, 0.0))
        result = chain(dry[None])[0].detach()
        return Match(chain, chain.values, result, dry, reference, [("guess", 1.0, 0.0)])

    monkeypatch.setattr(command, "match", no_search)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        done = CliRunner().invoke(main, ["demo", "--quick", "--seed", "1"])
        assert done.exit_code == 0, done.output
        assert "delay.time_ms" in done.output
    files = {str(p.relative_to("demo")) for p in Path("demo").rglob("*") if p.is_file()}
    own = {"dry.wav", "reference.wav", "hidden.toml", "chain.toml"}
    made = {"result.wav", "preset.toml", "report.html", "match.json"}
    assert files == own | {f"result/{name}" for name in made}
    dry, rate = audio.read("demo/dry.wav")
    rendered = load_preset("demo/hidden.toml", rate)(dry[None])[0]
    reference, _ = audio.read("demo/reference.wav")
    assert float(residual_db(rendered[None], reference[None])) < -100
