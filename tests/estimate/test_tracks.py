"""Partials over time, and the command that shows them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from torch import Tensor

from dspcore import audio, estimate
from dspcore.cli import main
from dspcore.errors import UserError

RATE = 16_000


def glides(t: int = 8_000) -> tuple[Tensor, Tensor]:
    """Two partials that cross nobody, one of which ends half-way: frequencies in Hz and sound."""
    n = torch.arange(t, dtype=torch.float64)
    hz = torch.stack([400 + 100 * n / t, 1_500 + 60 * torch.sin(2 * math.pi * 3 * n / RATE)])
    level = torch.stack([torch.ones(t), 0.5 * (n < t // 2)])
    angle = 2 * math.pi * (hz / RATE).cumsum(1)
    return hz, (level * angle.sin()).sum(0).float()


@pytest.mark.parametrize("method", ["nomp", "fft_peaks"])
def test_moving_partials_are_followed_and_sound_again(method: str) -> None:
    hz, y = glides()
    found = estimate.tracks(y, 2, size=512, hop=128, method=method, floor_db=-30)
    long = found.present.sum(1) > 20
    assert int(long.sum()) == 2
    low, high = found.frequencies[long][found.frequencies[long].amax(1).argsort()] * RATE
    at = torch.arange(4, 28) * found.hop
    assert float((low[4:28] - hz[0, at]).abs().max()) < 3.0
    assert float((high[4:28] - hz[1, at]).abs().max()) < 6.0
    assert float(high[-10:].abs().max()) == 0
    assert found.residual_db(y) < -18


def test_a_steady_sound_is_rendered_true_to_phase() -> None:
    n = torch.arange(6_000, dtype=torch.float64)
    y = torch.sin(2 * math.pi * 0.031 * n + 0.3) + 0.4 * torch.sin(2 * math.pi * 0.173 * n - 2)
    again = estimate.tracks(y, 2, size=512, hop=128).render()
    inside = slice(600, -600)
    error = (again - y)[inside].square().sum() / y[inside].square().sum()
    assert 10 * math.log10(float(error)) < -60


def test_silence_and_wrong_sizes() -> None:
    assert len(estimate.tracks(torch.zeros(4_000)).frequencies) == 0
    with pytest.raises(UserError, match="hop <= size / 2"):
        estimate.tracks(torch.zeros(4_000), hop=2_000)
    with pytest.raises(UserError, match="mix channels first"):
        estimate.tracks(torch.zeros(2, 4_000))
    with pytest.raises(UserError, match="'nomp', 'fft_peaks' or a function"):
        estimate.tracks(torch.zeros(4_000), method="nompp")


@pytest.fixture
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    audio.write("in.wav", 0.5 * glides()[1][None], RATE)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ("estimate", "in.wav", *arguments))


@pytest.mark.usefixtures("_inside")
def test_command_writes_sound_page_and_numbers() -> None:
    done = run("-k", "3", "--out", "result")
    assert done.exit_code == 0, done.output
    assert "left unexplained: -" in done.output
    facts = json.loads(Path("result/estimate.json").read_text())
    loudest = facts["partials"][0]
    assert 400 < loudest["lowest_hz"] < loudest["hz"] < loudest["highest_hz"] < 500
    text = Path("result/report.html").read_text()
    assert text.count("<audio") == 3
    assert "data:image/png" in text
    sound, rate = audio.read("result/result.wav")
    assert (rate, sound.shape) == (RATE, (1, 8_000))
    again = run("-k", "3", "--out", "result")
    assert again.exit_code == 1
    assert "exists already; replace with --overwrite" in again.output


@pytest.mark.usefixtures("_inside")
def test_command_on_a_whole_sound_prints_json() -> None:
    n = torch.arange(4_000)
    bell = torch.exp(-n / 1_000) * torch.sin(2 * math.pi * 0.05 * n)
    audio.write("in.wav", 0.5 * bell[None], RATE, "FLOAT")
    facts = json.loads(run("--whole", "--damped", "-k", "1", "--json").output)
    (partial,) = facts["partials"]
    assert partial["hz"] == pytest.approx(800, abs=0.01)
    assert partial["t60_s"] == pytest.approx(math.log(1_000) * 1_000 / RATE, rel=1e-3)
    assert "needs --whole" in run("--damped").output
    assert "give -k" in run("--method", "surrogate").output
    audio.write("in.wav", torch.zeros(1, 4_000), RATE)
    assert "is silent there" in run().output
