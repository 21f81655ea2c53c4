"""From a folder of recordings to a decoder, and a recording played by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from dspcore import audio, train
from dspcore.cli import main
from dspcore.ddsp import (
    DDSP,
    DDSPConfig,
    ModelConfig,
    fit_ddsp,
    load_ddsp,
    loudness,
    transfer,
)
from dspcore.errors import UserError
from dspcore.synth import Note, Subtractive

pytestmark = pytest.mark.usefixtures("native")
RATE = 8_000
SMALL = ["--model.hidden", "16", "--model.harmonics", "20", "--model.bands", "17"]
SMALL += ["--model.sample_rate", "8000", "--model.hop_length", "80"]
SMALL += ["--model.reverb_seconds", "0.1", "--seconds", "0.5", "--fit.validate_every", "10"]


@pytest.fixture(autouse=True)
def takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Melodies of our own instrument, at another rate than the model's."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "takes"
    folder.mkdir()
    synth = Subtractive(16_000, cutoff_hz=800.0, filter_octaves=0.0)
    for take in range(3):
        notes = [Note(0.4 * i, 0.35, 50 + 3 * take + 2 * i) for i in range(4)]
        audio.write(folder / f"{take}.wav", synth(notes, 1.6)[0].detach(), 16_000)
    return folder


def run(*words: str) -> Result:
    return CliRunner().invoke(main, [*words])


def small(**fit: Any) -> DDSPConfig:
    model = ModelConfig(RATE, 80, 20, 17, 16, 0.1)
    made = train.FitConfig(folder="run", progress=False, validate_every=10, **fit)
    return DDSPConfig(data="takes", model=model, fit=made, seconds=0.5)


@pytest.mark.slow
def test_the_command_trains_reports_resumes_and_transfers(takes: Path) -> None:
    done = run("train", "ddsp", "takes", "--out", "run", "--steps", "40", *SMALL)
    assert done.exit_code == 0, done.output
    lines = Path("run/metrics.jsonl").read_text().splitlines()
    held = [row["validation/loss"] for row in map(json.loads, lines) if "validation/loss" in row]
    assert held[-1] < 0.8 * held[0]
    page = Path("run/report.html").read_text()
    assert page.count("<audio") == 6
    assert "http" not in page.replace("http-equiv", "")
    again = run("train", "ddsp", "takes", "--out", "run", "--steps", "40", *SMALL)
    assert again.exit_code == 1
    assert "resume" in again.output
    done = run("train", "ddsp", "takes", "--out", "run", "--steps", "50", "--resume", *SMALL)
    assert done.exit_code == 0, done.output
    assert "after 50 steps" in done.output

    words = ("ddsp", "transfer", "run", "takes/2.wav", "-o", "out.wav", "--report", "out.html")
    done = run(*words)
    assert done.exit_code == 0, done.output
    sound, rate = audio.read("out.wav")
    assert rate == RATE
    assert sound.shape == (1, 12_800)
    assert sound.abs().max() > 0.01
    assert Path("out.html").read_text().count("<audio") == 2
    assert "exists already" in run(*words).output
    silent = torch.zeros(1, RATE)
    audio.write("silent.wav", silent, RATE)
    said = run("ddsp", "transfer", "run", "silent.wav", "-o", "b.wav")
    assert "silent.wav: has no pitch from 50 to 1000 Hz to play" in said.output
    assert not Path("b.wav").exists()
    assert "pitch in" in run("ddsp", "track", "takes/0.wav").output
    assert len(json.loads(run("ddsp", "track", "takes/0.wav", "--json").output)["f0_hz"]) == 160


@pytest.mark.slow
def test_a_transfer_keeps_the_melody_at_the_octave_of_the_decoder() -> None:
    fit_ddsp(small(steps=10))
    model = load_ddsp("run")
    assert abs(float(model.heard[0]) - 185) < 60  # D3 to D#4
    high = Subtractive(RATE, filter_octaves=0.0)([Note(0, 0.9, 81)], 1.0)[0, 0].detach()  # A5
    done = transfer(model, high)
    assert done.octaves == -2.0
    known = done.recording.features
    assert abs(float(known.f0_hz[known.voiced].median()) - 880) < 10
    assert transfer(model, high, octaves=0.0).octaves == 0.0


def test_a_run_that_diverges_keeps_its_checkpoint() -> None:
    config = small(steps=20, save_every=1)
    fit_ddsp(config)
    config.fit.steps, config.fit.resume = 40, True
    config.fit.optimizer.lr, config.fit.optimizer.clip_norm = 1e30, None
    with pytest.raises((train.DivergedError, ValueError)):
        fit_ddsp(config)
    assert load_ddsp("run")(torch.full((1, 5), 200.0), torch.full((1, 5), -30.0)).isfinite().all()


def test_folders_that_teach_nothing_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "noise").mkdir()
    audio.write(tmp_path / "noise" / "a.wav", 0.1 * torch.randn(1, RATE), RATE)
    (tmp_path / "short").mkdir()
    tone = torch.sin(2 * torch.pi * 200 * torch.arange(2_000) / RATE)[None] / 2
    audio.write(tmp_path / "short" / "a.wav", tone, RATE)
    for folder, says in {
        "nowhere": "is no folder",
        "empty": "has no recordings",
        "noise": "no recording has a pitch from 50 to 1000 Hz",
        "short": "1 excerpts of 0.5 s are too few",
    }.items():
        config = small(steps=2)
        config.data = folder
        with pytest.raises(UserError, match=f"{folder}: .*{says}"):
            fit_ddsp(config)
    with pytest.raises(UserError, match="takes: has no decoder"):
        load_ddsp("takes")


def test_a_transfer_follows_the_loudness_and_is_silent_in_pauses() -> None:
    model = DDSP(ModelConfig(RATE, 80, 20, 17, 16, 0.1))
    model.heard.copy_(torch.tensor([200.0, -30.0, 2.0]))  # which raises the recording
    t = torch.arange(RATE) / RATE
    swell = torch.sin(torch.pi * t) * 0.04 * torch.sin(2 * torch.pi * 220 * t)
    sound = torch.cat([swell, torch.zeros(RATE // 2), swell])
    made = transfer(model, sound).sound
    heard, played = (loudness(x, RATE, 80)[0] for x in (sound[None], made))
    loud = heard > heard.max() - 20
    apart = (played - heard)[loud]
    assert apart.std() < 1.5
    assert made[0, RATE + 2_000 : RATE + 3_000].abs().max() < 1e-9  # rounding of the room
