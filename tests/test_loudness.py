"""Loudness by BS.1770-4: its own numbers, and those of pyloudnorm."""

from __future__ import annotations

import math
from pathlib import Path

import pyloudnorm
import pytest
import torch

from dspcore import audio
from dspcore.loudness import LoudnessMeter, k_weighting, loudness

pytestmark = pytest.mark.usefixtures("native")


def test_k_weighting_is_the_table_of_the_standard() -> None:
    table = [
        [1.53512485958697, -2.69169618940638, 1.19839281085285],
        [1.0, -1.69065929318241, 0.73248077421585],
        [1.0, -2.0, 1.0],
        [1.0, -1.99004745483398, 0.99007225036621],
    ]  # fmt: skip
    expected = torch.tensor(table, dtype=torch.float64).view(2, 6)
    torch.testing.assert_close(k_weighting(48_000), expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
def test_a_full_scale_sine_at_1_khz_is_minus_3_lufs(rate: int) -> None:
    t = torch.arange(5 * rate, dtype=torch.float64) / rate
    sine = torch.sin(2 * torch.pi * 997 * t)[None]
    assert loudness(sine, rate) == pytest.approx(-3.01, abs=0.02 if rate > 8_000 else 0.2)
    assert loudness(sine.repeat(2, 1), rate) == pytest.approx(loudness(sine, rate) + 3.01, abs=0.01)


def test_pauses_do_not_count() -> None:
    noise = 0.1 * torch.randn(2, 480_000)
    with_pause = torch.cat([noise, torch.zeros(2, 960_000), noise], dim=1)
    assert loudness(with_pause, 48_000) == pytest.approx(loudness(noise, 48_000), abs=0.1)


def test_silence_has_no_loudness() -> None:
    assert loudness(torch.zeros(2, 48_000), 48_000) == -math.inf
    assert loudness(1e-6 * torch.randn(2, 48_000), 48_000) == -math.inf


def test_a_short_sound_is_one_gating_block_that_ends_in_silence() -> None:
    short = 0.5 * torch.randn(1, 4_800)
    padded = torch.cat([short, torch.zeros(1, 14_400)], dim=1)
    assert loudness(short, 48_000) == pytest.approx(loudness(padded, 48_000), abs=0.01)


def test_surround_channels_weigh_more_and_the_lfe_nothing() -> None:
    one = 0.1 * torch.randn(48_000)
    silent = torch.zeros(6, 48_000)
    front, lfe, back = (silent.index_put((torch.tensor(i),), one) for i in (0, 3, 4))
    assert loudness(lfe, 48_000) == -math.inf
    assert loudness(back, 48_000) - loudness(front, 48_000) == pytest.approx(1.49, abs=0.01)


@pytest.mark.parametrize("block", [1_000, 4_410, 100_000])
@pytest.mark.parametrize("rate", [11_025, 44_100])
def test_blocks_of_any_size_are_one_long_block(rate: int, block: int) -> None:
    noise = torch.randn(2, 100_000, dtype=torch.float64) * torch.linspace(0, 1, 100_000)
    meter = LoudnessMeter(rate, 2)
    for part in torch.split(noise, block, dim=1):
        meter.add(part)
    assert meter.integrated() == pytest.approx(loudness(noise, rate), abs=1e-9)


def test_a_meter_takes_single_samples() -> None:
    noise = torch.randn(1, 500)
    meter = LoudnessMeter(1_000 * 8, 1)
    for part in torch.split(noise, 1, dim=1):
        meter.add(part)
    assert meter.integrated() == pytest.approx(loudness(noise, 8_000), abs=1e-4)


@pytest.mark.parametrize("name", ["ambi_choir", "loop_mehackit2", "tabla_na", "perc_impact2"])
def test_recordings_measure_as_pyloudnorm_does(data_folder: Path, name: str) -> None:
    sound, rate = audio.read(data_folder / "sonic_pi" / f"{name}.flac")
    whole = sound[:, : sound.shape[1] // (rate // 10) * (rate // 10)]  # it rounds up, we do not
    meter = pyloudnorm.Meter(rate, "DeMan")
    expected = meter.integrated_loudness(whole.T.double().numpy())
    assert loudness(whole, rate) == pytest.approx(expected, abs=1e-4)
