"""Harmonics of one fundamental with amplitudes and frequency per frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from dspcore.ops import _frames
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, record


def harmonics(
    f0: Tensor,
    amplitudes: Tensor,
    num_samples: int | None = None,
    *,
    hop: int = 1,
    start: int = 0,
    phase: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Sum harmonics ``a_k[t] sin(2 pi k p[t])``, k = 1, 2 ..., with ``p[t+1] = p[t] + f0[t]``.

    Frame i holds the values at sample i * hop of the frame grid; between frames they are linear,
    after the last one they stay. A harmonic is silent at every sample where its frequency k f0[t]
    is half a cycle per sample or more, so nothing aliases. Phases are float64 and do not drift.

    Args:
        f0: Fundamental in cycles per sample, (b, f); computed in float64, best given so.
        amplitudes: Linear, (b, k, f); their type, float32 or float64, is that of the result.
        num_samples: Length t of the result; to the end of the last frame when left out.
        hop: Samples from frame to frame; 1 means controls at audio rate.
        start: Sample of the frame grid at which the result begins, so that any split into blocks
            gives the result of one long block.
        phase: Phase of the fundamental at the first sample, in cycles, (b,); 0 when left out.

    Returns:
        The sum, (b, t), and the fundamental's phase after its last sample, (b,) float64 within 0
        and 1.

    Raises:
        ValueError, TypeError: a shape, type, hop or start does not fit.

    Source:
        J. Engel, L. Hantrakul, C. Gu, A. Roberts, "DDSP: Differentiable Digital Signal
        Processing", ICLR 2020: the harmonic oscillator and its silence above Nyquist.
    """
    if amplitudes.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"harmonics: amplitudes must be float32 or float64, got {amplitudes.dtype}")
    b, k, f = amplitudes.shape if amplitudes.ndim == 3 else (0, 0, 0)
    if f == 0 or k == 0 or f0.shape != (b, f):
        raise ValueError(
            "harmonics: f0 must be (b, f) and amplitudes (b, k, f) with at least one harmonic and "
            f"one frame, got {tuple(f0.shape)} and {tuple(amplitudes.shape)}"
        )
    t, turn = _frames.turning("harmonics", f0, phase, num_samples, hop, start)
    (y,) = _OP(amplitudes[..., turn.part], turn.f, turn.at, attrs=(hop, turn.start, t))
    return y, turn.after


def _reference(f0: Tensor, amplitudes: Tensor, num_samples: int, hop: int, start: int) -> Tensor:
    """Every harmonic drawn out to audio rate, phases by cumulative sum, all in float64."""
    i, j, part = _frames.place(start, num_samples, hop, f0.shape[-1])
    f, a = (v[..., i] + (v[..., j] - v[..., i]) * part for v in (f0[:, None], amplitudes))
    numbers = torch.arange(1, a.shape[1] + 1)[:, None]
    turns = numbers * (f.cumsum(-1) - f)
    return (a * torch.sin(2 * torch.pi * turns) * (numbers * f.abs() < 0.5)).sum(1)


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    def tone(low: float, high: float, *shape: int) -> tuple[Tensor, Tensor]:
        b, _, f = shape
        f0 = low + (high - low) * torch.rand((b, f), generator=generator, dtype=torch.float64)
        return f0, torch.randn(shape, generator=generator, dtype=torch.float64)

    yield Sample((*tone(0.01, 0.02, 1, 3, 20), 20, 1, 0), name="audio rate")
    f0, quiet = tone(0.001, 0.003, 1, 140, 3)
    yield Sample((f0, 0.1 * quiet, 130, 50, 0), name="140 of a low tone, hop of 50")
    yield Sample((*tone(0.02, 0.2, 2, 19, 3), 31, 16, 9), name="upper ones silent at times")
    yield Sample((*tone(-0.1, 0.6, 2, 3, 3), 27, 10, 2), name="through zero, and above Nyquist")


def _public(*arguments: Any) -> tuple[Tensor, Tensor]:
    f0, amplitudes, num_samples, hop, start = arguments
    return harmonics(f0, amplitudes, num_samples, hop=hop, start=start)


RECORD = record(
    Record(
        name="harmonics",
        arguments={"amplitudes": "b k f", "f0": "b f", "phase": "b f"},
        results={"y": "b t"},
        attributes=("hop", "start", "t"),
        precise=frozenset({"f0", "phase"}),
        public=_public,
        reference=_reference,
        samples=_samples,
        audio=1,
        budget_db=-115.0,
    )
)
_OP = Op(RECORD)
