"""A chain of sines, each layer hearing the time and the layer before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record

# Times in a part, whose gradients to the weights are summed together; a part is a thread's work.
_PART = {"cpu": 1_024, "cuda": 32}
_MOST_LAYERS = 1_024


def sine_chain(
    t: Tensor,
    amplitude: Tensor,
    frequency: Tensor,
    phase: Tensor,
    *,
    skip_time: bool = True,
    normalize: bool = False,
) -> Tensor:
    """A chain of sines ``h_l = sum_m a_lm sin(w_lm (t + h_(l-1)) + p_lm)``, from h_0 = 0 on.

    Equal to a bank of sines on a time axis that the layers before have bent. Nothing of size
    l x m x t is made, in the backward pass neither.

    Args:
        t: Times, or any numbers: of any shape for one chain, (b, ...) for b chains; float32 or
            float64.
        amplitude: a, (l, m) for one chain, (b, l, m) for b chains.
        frequency: w, in radians per unit of `t`, the shape of `amplitude`.
        phase: p, in radians, the shape of `amplitude`.
        skip_time: Whether every layer hears the time; otherwise the first alone does.
        normalize: Whether a layer hears sin(h_(l-1)) in place of h_(l-1), which bounds it by 1.

    Returns:
        The last layer's sums, the shape of `t`. In float32 an angle of 1,000 radians is itself
        known to 3e-5 only.

    Raises:
        ValueError, TypeError: a shape or type does not fit, or there are more than 1,024 layers.
    """
    if t.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"sine_chain: t must be float32 or float64, got {t.dtype}; use t.float()")
    shape = amplitude.shape
    if len(shape) not in (2, 3):
        raise ValueError(f"sine_chain: amplitude must be (l, m) or (b, l, m), got {tuple(shape)}")
    if len(shape) == 3 and (t.ndim == 0 or t.shape[0] != shape[0]):
        raise ValueError(
            f"sine_chain: t must be ({shape[0]}, ...), as amplitude {tuple(shape)} is for "
            f"{shape[0]} chains, got {tuple(t.shape)}; "
            f"use t.expand({shape[0]}, -1) for one time axis"
        )
    for name, given in (("frequency", frequency), ("phase", phase)):
        if given.shape != shape:
            raise ValueError(
                f"sine_chain: {name} must have the shape of amplitude {tuple(shape)}, "
                f"got {tuple(given.shape)}"
            )
    for name, given in (("amplitude", amplitude), ("frequency", frequency), ("phase", phase)):
        if given.dtype != t.dtype:
            raise TypeError(f"sine_chain: {name} must be {t.dtype}, as t is, got {given.dtype}")
    if not 1 <= shape[-2] <= _MOST_LAYERS:
        raise ValueError(f"sine_chain: from 1 to {_MOST_LAYERS} layers, got {shape[-2]}")
    b = shape[0] if len(shape) == 3 else 1
    rows = t.reshape(b, t.numel() // b if b else 0)
    part = _PART["cuda" if t.device.type == "cuda" else "cpu"]
    parts = (rows.shape[1] + part - 1) // part
    weights = (
        v.reshape(b, 1, *shape[-2:]).expand(b, parts, *shape[-2:])
        for v in (amplitude, frequency, phase)
    )
    (y,) = _OP(rows, *weights, attrs=(part, int(skip_time), int(normalize)))
    return y.reshape(t.shape)


def _reference(
    t: Tensor,
    amplitude: Tensor,
    frequency: Tensor,
    phase: Tensor,
    skip_time: bool,
    normalize: bool,
) -> Tensor:
    """Every sine of every time, layer by layer."""
    flat = t.reshape(amplitude.shape[0], -1) if amplitude.ndim == 3 else t.reshape(1, -1)
    weights = (v if v.ndim == 3 else v[None] for v in (amplitude, frequency, phase))
    h = torch.zeros_like(flat)
    for layer, (a, w, p) in enumerate(zip(*(v.unbind(1) for v in weights), strict=True)):
        before = torch.sin(h) if normalize else h
        u = flat + before if skip_time or layer == 0 else before
        h = (a[..., None] * torch.sin(w[..., None] * u[:, None] + p[..., None])).sum(1)
    return h.reshape(t.shape)


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    def chain(layers: int, m: int, *rows: int, b: tuple[int, ...] = ()) -> tuple[Tensor, ...]:
        noise, _ = draws(generator)
        # float32 weights, so that both types stand for the same numbers
        a, w, p = (noise(*b, layers, m) for _ in range(3))
        given = [noise(*rows), a / m, 1 + w / 2, 3 * p]
        return tuple(v.float().double() for v in given)

    both = chain(3, 4, 2, 70, b=(2,))
    yield Sample((*both, True, False), name="two chains of 3 layers of 4 waves")
    yield Sample((*chain(1, 1, 5), True, False), name="one sine")
    alone = chain(4, 2, 2, 3, b=(2,))
    yield Sample((*alone, False, False), name="time for the first alone")
    yield Sample((*chain(3, 2, 3, 4, b=(3,)), True, True), name="a sine between layers")


def _public(*arguments: Any) -> Tensor:
    t, *weights, skip_time, normalize = arguments
    a, w, p = (v.to(t.dtype) for v in weights)
    return sine_chain(t, a, w, p, skip_time=skip_time, normalize=normalize)


RECORD = record(
    Record(
        name="sine_chain",
        arguments={
            "t": "b n",
            "amplitude": "b p l m",
            "frequency": "b p l m",
            "phase": "b p l m",
        },
        results={"y": "b n"},
        attributes=("part", "skip_time", "normalize"),
        public=_public,
        reference=_reference,
        samples=_samples,
        budget_db=-105.0,
    )
)
_OP = Op(RECORD)
