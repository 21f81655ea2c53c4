"""A bank of free partials with amplitudes and frequencies per frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from dspcore.ops import _frames, _parts
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, record


def sinusoids(
    frequencies: Tensor,
    amplitudes: Tensor,
    num_samples: int | None = None,
    *,
    hop: int = 1,
    start: int = 0,
    phase: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Sum partials ``a_k[t] sin(2 pi p_k[t])`` with ``p_k[t+1] = p_k[t] + f_k[t]``.

    Frame i holds the values at sample i * hop of the frame grid; between frames they are linear,
    after the last one they stay. Phases are carried in float64, so they do not drift. Partials at
    or above half a cycle per sample alias: nothing is muted unasked.

    Args:
        frequencies: In cycles per sample, (b, k, f); computed in float64, best given so.
        amplitudes: Linear, (b, k, f); their type, float32 or float64, is that of the result.
        num_samples: Length t of the result; to the end of the last frame when left out.
        hop: Samples from frame to frame; 1 means controls at audio rate.
        start: Sample of the frame grid at which the result begins, so that any split into blocks
            gives the result of one long block.
        phase: Phases at the first sample, in cycles, (b, k); 0 when left out.

    Returns:
        The sum, (b, t), and the phases after its last sample, (b, k) float64 within 0 and 1.

    Raises:
        ValueError, TypeError: a shape, type, hop or start does not fit.
    """
    if amplitudes.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"sinusoids: amplitudes must be float32 or float64, got {amplitudes.dtype}")
    if frequencies.ndim != 3 or frequencies.shape != amplitudes.shape or not frequencies.shape[2]:
        raise ValueError(
            "sinusoids: frequencies and amplitudes must both be (b, k, f) with at least one frame, "
            f"got {tuple(frequencies.shape)} and {tuple(amplitudes.shape)}"
        )
    b, k, f = frequencies.shape
    t = _frames.covered("sinusoids", f, num_samples, hop, start)
    if phase is None:
        phase = frequencies.new_zeros((b, k), dtype=torch.float64)
    elif phase.shape != (b, k):
        raise ValueError(f"sinusoids: phase must be {(b, k)}, got {tuple(phase.shape)}")
    if hop > 1 or frequencies.dtype != torch.float32:  # read as they are, a copy would cost as much
        frequencies = frequencies.to(torch.float64)
    phase = phase.to(torch.float64)
    part = _frames.needed(f, t, hop, start)
    size = _parts.frames_of_a_part(amplitudes, b, part.stop - part.start, hop)
    if t and size:
        start -= part.start * hop
        divided = _parts.divide(
            amplitudes[..., part], frequencies[..., part], phase, t, hop, start, size
        )
        rows, _ = _OP(*divided[:3], attrs=(hop, 0, size * hop))
        return rows.reshape(b, -1)[:, start : start + t], divided.after
    y, after = _OP(amplitudes, frequencies, phase, attrs=(hop, start, t))
    return y, after


def _reference(
    frequencies: Tensor, amplitudes: Tensor, num_samples: int, hop: int, start: int
) -> Tensor:
    """Controls drawn out to audio rate, phases by cumulative sum, all in float64."""
    i, j, part = _frames.place(start, num_samples, hop, frequencies.shape[-1])
    f, a = (v[..., i] + (v[..., j] - v[..., i]) * part for v in (frequencies, amplitudes))
    return (a * torch.sin(2 * torch.pi * (f.cumsum(-1) - f))).sum(1)


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    def bank(*shape: int) -> tuple[Tensor, Tensor]:
        f = 0.2 * torch.rand(shape, generator=generator, dtype=torch.float64)
        return f, torch.randn(shape, generator=generator, dtype=torch.float64)

    yield Sample((*bank(1, 3, 40), 40, 1, 0), name="audio rate")
    yield Sample((*bank(2, 5, 4), 150, 50, 0), name="hop of 50, last frame not reached")
    yield Sample((*bank(2, 2, 3), 31, 16, 9), name="from inside a frame to the last one's end")


def _public(*arguments: Any) -> tuple[Tensor, Tensor]:
    frequencies, amplitudes, num_samples, hop, start = arguments
    return sinusoids(frequencies, amplitudes, num_samples, hop=hop, start=start)


RECORD = record(
    Record(
        name="sinusoids",
        arguments={"amplitudes": "b k f", "frequencies": "b k f", "phase": "b k"},
        results={"y": "b t", "phase_out": "b k"},
        workspaces={"after": "b k"},
        attributes=("hop", "start", "t"),
        precise=frozenset({"frequencies", "phase", "phase_out", "after"}),
        public=_public,
        reference=_reference,
        samples=_samples,
        audio=1,
        budget_db=-120.0,
    )
)
_OP = Op(RECORD)
