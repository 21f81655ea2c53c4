"""``dspcore synth train|estimate|evaluate|predictability`` on Faust-24, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from dspcore import audio, patches
from dspcore.cli import main
from dspcore.errors import UserError

pytestmark = pytest.mark.usefixtures("native")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data sets of our own subtractive voice, four parameters free, and a checkpoint."""
    home = tmp_path_factory.mktemp("patches")
    free = ["cutoff_hz", "resonance", "attack_ms", "drive_db"]
    with patches.open_renderer(
        "subtractive", sample_rate=8_000, seconds=0.3, workers=1, isolation="none"
    ) as whole:
        free = [name for name in free if name in whole.space.names] or list(whole.space.names[:4])
        renderer = whole.with_space(whole.space.only(free))
        patches.generate(renderer, home / "train", 60, seed=1)
        patches.generate(renderer, home / "test", 16, seed=1, split="test")
    run("train", home / "train", "-o", home / "a.safetensors", "--steps", 4, "--set", "proxy=true",
        "--set", "size=small", "--set", "kind=plain", "--set", "batch=16")  # fmt: skip
    return home


def run(*words: object) -> str:
    done = CliRunner().invoke(main, ["synth", *map(str, words)])
    assert done.exit_code == 0, done.output
    return done.output


def refused(*words: object) -> str:
    done = CliRunner().invoke(main, ["synth", *map(str, words)])
    assert done.exit_code != 0
    return done.output


@pytest.mark.slow
def test_a_recording_becomes_a_patch_with_its_page(folder: Path, data_folder: Path) -> None:
    vowel = data_folder / "fsdd" / "1_jackson_0.wav"
    out = folder / "match"
    words = ("estimate", folder / "a.safetensors", vowel, "-o", out, "--renders", 6)
    said = run(*words)
    assert "dB of log-mel after 6 renders" in said
    page = (out / "report.html").read_text()
    assert page.count("<audio") == 3
    sound, rate = audio.read(out / "match.wav")
    assert (rate, sound.shape) == (8_000, (1, 2_400))
    _, state = patches.load_estimator(folder / "a.safetensors")
    space = patches.ParamSpace.from_json(json.dumps(state["space"]))
    assert set(patches.read_patch(out / "patch.toml", space)) == {p.name for p in space.params}
    assert "exists already" in refused(*words)
    text = (out / "patch.toml").read_text()
    (folder / "other.toml").write_text(text.replace(space.fingerprint, "0" * 64))
    with pytest.raises(UserError, match="as it was described then"):
        patches.read_patch(folder / "other.toml", space)


@pytest.mark.slow
def test_tables_carry_the_floors_and_the_oracle(folder: Path) -> None:
    words = ("evaluate", folder / "a.safetensors", "--train", folder / "train", "--test")
    found = json.loads(
        run(*words, folder / "test", "--targets", 3, "--renders", 4, "--json", "--refiner", "proxy")
    )
    names = [row["name"] for row in found["audio"]]
    assert names[:4] == ["oracle", "mean", "nearest", "random, best of 4"]
    assert names[-1].endswith("+ proxy")
    assert all(d["mean"] in (0.0, None) for d in found["audio"][0]["distances"].values())
    assert set(found["parameters"]) >= {"mean", "random", "nearest"}
    assert "are in the training set" in refused(*words, folder / "train")


@pytest.mark.slow
def test_predictability_gives_every_parameter_a_verdict(folder: Path) -> None:
    page = folder / "report.html"
    said = run(
        "predictability", folder / "train", "--test", folder / "test", "-o", page, "--steps", 4,
        "--probes", 3, "--seeds", 2, "--set", "size=small", "--set", "kind=plain",
    )  # fmt: skip
    found = json.loads(page.with_suffix(".json").read_text())
    alike = [len(set(p["by_seed"])) == 1 for p in found["parameters"]]
    assert found["agreement"] == sum(alike) / len(alike)
    assert "of the verdicts are the same for all 2 seeds" in said
    assert {p["verdict"] for p in found["parameters"]} <= set(patches.VERDICTS)
    assert all(p["why"] for p in found["parameters"])
    assert "Worth estimating" in page.read_text()


@pytest.mark.slow
def test_bad_targets_and_options_are_said(folder: Path) -> None:
    model = folder / "a.safetensors"
    audio.write(folder / "silent.wav", torch.zeros(1, 4_000), 8_000)
    words = ("estimate", model, folder / "silent.wav", "-o", folder / "x")
    assert "the target is silent" in refused(*words)
    assert "has no option 'sise'" in refused(
        "train", folder / "train", "-o", folder / "b.safetensors", "--set", "sise=small"
    )


def test_a_clipped_target_is_matched_with_a_warning() -> None:
    sine = (torch.arange(8_000) * 0.05).sin()[None] * 3
    assert "clipped" in patches.check_target(sine.clamp(-1, 1), "x")[0]
    assert patches.check_target(0.9 * sine / 3, "x") == []


VERDICT = {
    "twin": ("b", 0.9), "audible": 0.9, "sensitivity_db": 4.0, "heard_r2": 0.1, "slope": 0.0,
    "swap_db": float("nan"), "entropy_bits": 4.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("merit", "changes", "verdict"),
    [
        (0.7, {}, "predictable"),
        (0.2, {}, "confounded"),
        (0.2, {"slope": 0.1}, "data-limited"),
        (0.2, {"audible": 0.5, "heard_r2": 0.6}, "gated"),
        (0.2, {"swap_db": 0.01}, "symmetric"),
        (0.0, {"audible": 0.05}, "inaudible"),
        (0.0, {"entropy_bits": 0.0}, "inaudible"),
    ],
)
def test_verdicts(merit: float, changes: dict[str, float], verdict: str) -> None:
    found, why = patches.verdict(merit, **{**VERDICT, **changes})
    assert (found, bool(why)) == (verdict, True)


def test_a_recording_is_moved_to_the_nearest_octave_of_the_note() -> None:
    time = torch.arange(16_000) / 16_000
    sound = sum((2 * torch.pi * 46.0 * k * time).sin() / k for k in (1, 2, 3, 4))
    silence = torch.zeros(1, 800)
    found = patches.prepared(
        torch.cat([silence, 0.3 * torch.as_tensor(sound)[None]], 1),
        16_000, wanted_rate=8_000, seconds=0.5, pitch=50, lufs=-20.0,
    )  # fmt: skip
    assert found.sound.shape == (1, 4_000)
    assert found.pitch_hz == pytest.approx(46.0, rel=0.01)
    # D3 is 146.8 Hz, 20.1 semitones above; D1, two octaves below it, is 3.9 below 46 Hz.
    assert found.transposed == pytest.approx(-3.9, abs=0.2)
    assert float(found.sound[0, :80].abs().max()) > 0.01
