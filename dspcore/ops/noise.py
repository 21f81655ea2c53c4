"""Noise from a counter: the same samples on every device, in any blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, record

DISTRIBUTIONS = ("uniform", "normal")


def noise(
    level: Tensor,
    num_samples: int,
    seed: int,
    *,
    start: int = 0,
    distribution: str = "uniform",
    stream: Tensor | None = None,
) -> Tensor:
    """White noise ``level n(seed, stream, start + t)``, each sample a function of its number.

    No state, no order: the same seed gives the same samples on every device, in float32 and
    float64 (which differ by rounding alone) and whatever the blocks and threads.

    Args:
        level: Peak of uniform noise, standard deviation of normal noise, linear, (b, c); its type,
            float32 or float64, and device are those of the result.
        num_samples: Length t of the result.
        seed: Any whole number; its last 64 bits count.
        start: Number of the first sample, so that blocks join.
        distribution: "uniform" between -level and level, or "normal", at most 6.8 levels high.
        stream: Whole numbers from 0 to 2^53, (b, c): rows of one stream are alike, others
            independent. Rows are numbered from 0 when left out.

    Returns:
        The noise, (b, c, t), with a gradient to `level`.

    Raises:
        ValueError, TypeError: a shape, type, number or distribution does not fit.

    Source:
        J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3",
        SC 2011: Philox4x32-10.
    """
    if level.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"noise: level must be float32 or float64, got {level.dtype}")
    if level.ndim != 2:
        raise ValueError(f"noise: level must be (b, c), got {tuple(level.shape)}")
    if not 0 <= start < 2**62 or num_samples < 0:
        raise ValueError(
            "noise: start must lie within 0 and 2^62 and num_samples be at least 0, "
            f"got {start} and {num_samples}"
        )
    if distribution not in DISTRIBUTIONS:
        raise ValueError(
            f"noise: distribution must be one of {', '.join(DISTRIBUTIONS)}, got {distribution!r}"
        )
    if stream is None:
        rows = torch.arange(level.numel(), dtype=torch.float64, device=level.device)
        stream = rows.reshape(level.shape)
    elif stream.shape != level.shape:
        raise ValueError(
            f"noise: stream must have the shape of level {tuple(level.shape)}, "
            f"got {tuple(stream.shape)}"
        )
    signed = (seed + 2**63) % 2**64 - 2**63
    attrs = (signed, start, DISTRIBUTIONS.index(distribution), num_samples)
    (y,) = _OP(level, stream.detach().to(torch.float64), attrs=attrs)
    return y


def philox(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """Philox4x32-10 in whole numbers, as the paper's listing has it."""
    word = 2**32
    a, b, c, d = counter
    k0, k1 = key
    for i in range(10):
        x, y = 0xD2511F53 * a, 0xCD9E8D57 * c
        low, high = (k0 + i * 0x9E3779B9) % word, (k1 + i * 0xBB67AE85) % word
        a, b, c, d = (y // word) ^ b ^ low, y % word, (x // word) ^ d ^ high, x % word
    return a, b, c, d


def _reference(level: Tensor, num_samples: int, seed: int, start: int, distribution: str) -> Tensor:
    """Sample by sample, in whole numbers and Python's own logarithm and sine."""
    word = 2**32
    y = torch.zeros(*level.shape, num_samples, dtype=torch.float64)
    for row in range(level.numel()):
        for t in range(num_samples):
            group, place = divmod(start + t, 64)
            which, lane = divmod(place, 16)
            counter = 16 * group + lane
            words = philox((counter % word, counter // word, row, 0), (seed % word, seed // word))
            if distribution == "uniform":
                n = ((words[which] + word // 2) % word - word // 2) / (word // 2)
            else:
                size = math.sqrt(-2 * math.log((words[which // 2 * 2] + 0.5) / word))
                angle = 2 * math.pi * words[which // 2 * 2 + 1] / word
                n = size * (math.sin(angle) if which % 2 else math.cos(angle))
            y.view(-1, num_samples)[row, t] = n
    return level[..., None] * y


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    level = torch.rand(3, 2, generator=generator, dtype=torch.float64)
    yield Sample((level, 130, 7, 0, "uniform"), name="uniform")
    yield Sample((level, 150, 2**40 + 3, 2**36 + 41, "normal"), name="normal, far along")


def _public(level: Tensor, num_samples: int, seed: int, start: int, distribution: str) -> Tensor:
    return noise(level, num_samples, seed, start=start, distribution=distribution)


RECORD = record(
    Record(
        name="noise",
        arguments={"level": "b c", "stream": "b c"},
        results={"y": "b c t"},
        attributes=("seed", "start", "normal", "t"),
        precise=frozenset({"stream"}),
        public=_public,
        reference=_reference,
        samples=_samples,
        budget_db=-130.0,
    )
)
_OP = Op(RECORD)
