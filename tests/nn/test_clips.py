"""Clips of speech and silence as sine networks."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dspcore import nn
from dspcore.losses import residual_db, silence_dbfs


def speech(count: int = 4000) -> Tensor:
    """Something like two syllables: gliding harmonics through two formants, and a hiss."""
    generator = torch.Generator().manual_seed(0)
    n = torch.arange(count, dtype=torch.float64) / 16_000
    turns = 150 * n - 40 * n.square()
    voice = torch.zeros(count, dtype=torch.float64)
    for k in range(1, 20):
        size = 1 / (1 + ((150 * k - 600) / 300) ** 2) + 0.5 / (1 + ((150 * k - 1700) / 400) ** 2)
        voice += size * torch.sin(2 * math.pi * k * turns + k)
    hiss = torch.randn(count, generator=generator, dtype=torch.float64).diff(prepend=torch.zeros(1))
    shape = torch.sin(math.pi * n * 16_000 / count * 2).clamp(min=0)
    return 0.1 * shape * voice + 0.02 * shape.flip(0) * hiss


def snr(found: Tensor, wanted: Tensor) -> float:
    return -float(residual_db(found[None, None].double(), wanted[None, None].double()))


def mdct(clip: Tensor, size: int = 256) -> Tensor:
    """Orthonormal transform of overlapping frames, (frames, size)."""
    padded = torch.nn.functional.pad(clip, (size, 2 * size - len(clip) % size))
    frames = padded.unfold(0, 2 * size, size)
    n = torch.arange(2 * size, dtype=torch.float64)
    window = torch.sin(math.pi * (n + 0.5) / (2 * size))
    k = torch.arange(size, dtype=torch.float64)[:, None]
    basis = torch.cos(math.pi / size * (n + 0.5 + size / 2) * (k + 0.5))
    return math.sqrt(2 / size) * (frames * window) @ basis.T


def mdct_snr(clip: Tensor, parameters: int) -> float:
    """SNR of the largest coefficients, a place and a value each: orthonormal, so by energy."""
    energy = mdct(clip).square().flatten()
    kept = energy.topk(parameters // 2).values.sum()
    return float(10 * torch.log10(energy.sum() / (energy.sum() - kept)))


def test_the_transform_that_is_compared_with_keeps_energy() -> None:
    clip = speech()
    assert float(mdct(clip).square().sum() / clip.square().sum()) == pytest.approx(1, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("numbers", [300, 1000])
def test_windowed_sines_say_speech_in_fewer_numbers_than_a_transform(numbers: int) -> None:
    clip = speech()
    model = nn.WindowedSines.from_clip(clip, numbers // 5, rounds=1).double()
    assert nn.num_params(model) == numbers
    with torch.no_grad():
        found = snr(model(torch.arange(4000, dtype=torch.float64)), clip)
    assert found > mdct_snr(clip, numbers) + 1


def test_silence_is_learnt_and_costs_the_speech_nothing() -> None:
    t = torch.arange(6000, dtype=torch.float64)
    nothing = nn.WindowedSines.from_clip(torch.zeros(6000), 5, rounds=1).double()
    with torch.no_grad():
        assert float(nothing(t).square().mean().sqrt()) < 10 ** (-90 / 20)
    clip = speech()[:2000]
    padded = torch.nn.functional.pad(clip, (1500, 2500))
    alone = nn.WindowedSines.from_clip(clip, 10, rounds=1).double()
    within = nn.WindowedSines.from_clip(padded, 10, rounds=1).double()
    with torch.no_grad():
        made = within(t)
        loss = snr(alone(t[:2000]), clip) - snr(made[1500:3500], clip)
        level = float(silence_dbfs(made[None, None], padded[None, None]))
    assert level <= -70
    assert loss < 0.3


def test_a_picture_shows_wave_error_spectra_and_layers(tmp_path: Path) -> None:
    clip = speech()[:1000]
    chain = nn.SineChain(2, 3, generator=torch.Generator().manual_seed(1))
    found = nn.draw(chain, clip, tmp_path / "chain.png", sample_rate=16_000)
    assert torch.equal(found, chain(torch.arange(1000.0)).double().detach())
    nn.draw(nn.WaveTree(3), clip, tmp_path / "tree.svg", sample_rate=16_000)
    assert (tmp_path / "chain.png").stat().st_size > 20_000
    assert "<svg" in (tmp_path / "tree.svg").read_text()
