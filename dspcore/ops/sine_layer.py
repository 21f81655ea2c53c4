"""A dense layer of sines, as sine networks are made of."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record


def sine_layer(x: Tensor, amplitude: Tensor, frequency: Tensor, phase: Tensor) -> Tensor:
    """A dense layer ``y_j = sum_i a_ij sin(w_ij x_i + p_ij)``; nothing of size m x i x j is made.

    Args:
        x: Inputs, (..., i), float32 or float64.
        amplitude: a, (i, j).
        frequency: w, in radians per unit of `x`, (i, j).
        phase: p, in radians, (i, j).

    Returns:
        The outputs, (..., j). In float32 an angle of 1,000 radians is itself known to 3e-5 only.

    Raises:
        ValueError, TypeError: a shape or type does not fit.
    """
    if x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"sine_layer: x must be float32 or float64, got {x.dtype}; use x.float()")
    shape = amplitude.shape
    if amplitude.ndim != 2 or x.ndim == 0 or x.shape[-1] != shape[0]:
        raise ValueError(
            "sine_layer: x must be (..., i) and amplitude (i, j), "
            f"got {tuple(x.shape)} and {tuple(shape)}"
        )
    if frequency.shape != shape or phase.shape != shape:
        raise ValueError(
            f"sine_layer: frequency and phase must have the shape of amplitude {tuple(shape)}, "
            f"got {tuple(frequency.shape)} and {tuple(phase.shape)}"
        )
    for name, given in (("amplitude", amplitude), ("frequency", frequency), ("phase", phase)):
        if given.dtype != x.dtype:
            raise TypeError(f"sine_layer: {name} must be {x.dtype}, as x is, got {given.dtype}")
    i, j = shape
    m = x.shape[:-1].numel()
    weights = (v[None] for v in (amplitude, frequency, phase))
    (y,) = _OP(x.reshape(1, m, i), *weights)
    return y.reshape(*x.shape[:-1], j)


def _reference(x: Tensor, amplitude: Tensor, frequency: Tensor, phase: Tensor) -> Tensor:
    """Every sine of every row, then the sum."""
    return (amplitude * torch.sin(x[..., None] * frequency + phase)).sum(-2)


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    def layer(i: int, j: int, *rows: int) -> tuple[Tensor, ...]:
        noise, _ = draws(generator)
        # float32 weights, so that both types stand for the same numbers
        w = [noise(*rows, i), noise(i, j) / i, 2 * noise(i, j), 3 * noise(i, j)]
        return tuple(v.float().double() for v in w)

    yield Sample(layer(3, 37, 5), name="3 to 37")
    yield Sample(layer(7, 2, 2, 3), name="7 to 2, rows of rows")
    yield Sample(layer(1, 1, 2), name="one sine")


def _public(*tensors: Tensor) -> Tensor:
    x, *weights = tensors
    return sine_layer(x, *(w.to(x.dtype) for w in weights))


RECORD = record(
    Record(
        name="sine_layer",
        arguments={
            "x": "b m i",
            "amplitude": "b i j",
            "frequency": "b i j",
            "phase": "b i j",
        },
        results={"y": "b m j"},
        public=_public,
        reference=_reference,
        samples=_samples,
        budget_db=-110.0,
    )
)
_OP = Op(RECORD)
