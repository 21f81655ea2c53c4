"""Noise from a counter: the published generator, white, and the same in any blocks."""

from __future__ import annotations

import math

import pytest
import torch

from dspcore import ops
from dspcore.ops.noise import DISTRIBUTIONS, philox

LEVEL = torch.ones(2, 3)
KINDS = pytest.mark.parametrize("kind", DISTRIBUTIONS)


def test_philox_gives_the_published_words() -> None:
    """Known answers of the Random123 distribution."""
    full = 2**32 - 1
    assert philox((0, 0, 0, 0), (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert philox((full,) * 4, (full, full)) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)


@KINDS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_blocks_are_cut_from_one_sequence(kind: str, dtype: torch.dtype) -> None:
    level, start = LEVEL.to(dtype), 12_345
    whole = ops.noise(level, 9_000, 5, start=start, distribution=kind)
    assert whole.dtype == dtype
    for n in (1, 7, 64, 4_097):
        for cut in (0, 63, 8_000):
            cut = min(cut, 9_000 - n)
            part = ops.noise(level, n, 5, start=start + cut, distribution=kind)
            assert torch.equal(part, whole[..., cut : cut + n])
    assert ops.noise(level, 0, 5, distribution=kind).shape == (2, 3, 0)
    assert ops.noise(level[:0], 4, 5, distribution=kind).shape == (0, 3, 4)


@KINDS
def test_float32_is_float64_rounded(kind: str) -> None:
    single = ops.noise(LEVEL, 5_000, -3, distribution=kind)
    assert torch.equal(single, ops.noise(LEVEL.double(), 5_000, -3, distribution=kind).float())


@KINDS
def test_moments_are_those_of_the_distribution(kind: str) -> None:
    n = 2**20
    x = ops.noise(torch.ones(1, 1, dtype=torch.float64), n, 1, distribution=kind)[0, 0]
    variance, fourth = (1 / 3, 1 / 5) if kind == "uniform" else (1.0, 3.0)
    assert abs(x.mean()) < 5 * math.sqrt(variance / n)
    assert abs((x**2).mean() - variance) < 5 * math.sqrt((fourth - variance**2) / n)
    assert abs((x**4).mean() / fourth - 1) < 0.02
    assert abs((x**3).mean()) < 0.02
    if kind == "uniform":
        assert x.abs().max() <= 1
    else:
        beyond = (x.abs() > 3).double().mean()
        assert abs(beyond - math.erfc(3 / math.sqrt(2))) < 5 * math.sqrt(0.0027 / n)


@KINDS
def test_samples_rows_and_seeds_are_uncorrelated(kind: str) -> None:
    n = 2**16
    a = ops.noise(torch.ones(3, 2), n, 8, distribution=kind).double().flatten(0, 1)
    b = ops.noise(torch.ones(3, 2), n, 9, distribution=kind).double().flatten(0, 1)
    rows = torch.corrcoef(torch.cat([a, b])) - torch.eye(12)
    assert rows.abs().max() < 6 / math.sqrt(n)
    for lag in (1, 2, 15, 16, 17, 32, 48, 64, 1_024):
        shifted = (a[:, lag:] * a[:, :-lag]).mean(-1) / (a * a).mean(-1)
        assert shifted.abs().max() < 6 / math.sqrt(n)


def test_streams_name_rows() -> None:
    rows = ops.noise(LEVEL, 100, 4)
    stream = torch.tensor([[5, 5, 0], [1, 2, 3]])
    named = ops.noise(LEVEL, 100, 4, stream=stream)
    assert torch.equal(named, rows.flatten(0, 1)[stream])


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(TypeError, match="noise: level must be float32 or float64, got"):
        ops.noise(LEVEL.int(), 4, 0)
    with pytest.raises(ValueError, match=r"noise: level must be \(b, c\), got \(3,\)"):
        ops.noise(LEVEL[0], 4, 0)
    with pytest.raises(ValueError, match=r"noise: start .*got -1 and 4"):
        ops.noise(LEVEL, 4, 0, start=-1)
    with pytest.raises(ValueError, match="noise: distribution must be one of uniform, normal"):
        ops.noise(LEVEL, 4, 0, distribution="pink")
    with pytest.raises(ValueError, match="noise: stream must have the shape of level"):
        ops.noise(LEVEL, 4, 0, stream=torch.zeros(2))
