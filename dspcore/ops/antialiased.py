"""Memoryless distortion curves with first-order antiderivative anti-aliasing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dspcore.ops._check import audio, row_controls, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, record

CURVES = ("tanh", "arctan", "cubic", "hard")


def antialiased(
    x: Tensor, curve: str, gain: Tensor | float = 1.0, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Bend `x` by a curve f, averaged: ``y[t] = (F(u[t]) - F(u[t-1])) / (u[t] - u[t-1])``, u = g x.

    F is the antiderivative of f. Averaging halves the slope of aliases that a plain curve folds
    back, at the cost of half a sample of delay and a gentle roll-off of the top octave.

    Args:
        x: Signal, (b, c, t), float32 or float64; computed in float64 either way.
        curve: "tanh"; "arctan", 2/pi atan(pi x / 2); "cubic", 1.5 x - 0.5 x^3 up to full scale;
            "hard", x up to full scale.
        gain: Gain g into the curve: a number, (b, c) or (b, c, t).
        state: g x[-1], (b, c); zero when left out.

    Returns:
        The bent signal, the shape of `x`, and the last sample that went into the curve, (b, c).

    Raises:
        ValueError, TypeError: an unknown curve, or a shape, type or device that does not fit.

    Source:
        J. Parker, V. Zavalishin, E. Le Bivic, "Reducing the Aliasing of Nonlinear Waveshaping Using
        Continuous-Time Convolution", DAFx 2016.
    """
    b, c, _ = audio("antialiased", x)
    if curve not in CURVES:
        raise ValueError(f"antialiased: curve must be one of {', '.join(CURVES)}, got {curve!r}")
    controls = row_controls("antialiased", x, gain=gain)
    before = signal_state("antialiased", state, x, (b, c))
    y, after = _OPS[curve](x, controls, before[..., None, None])
    return y, after[..., 0, 0]


_CURVE: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "arctan": lambda x: 2 / math.pi * torch.atan(math.pi / 2 * x),
    "cubic": lambda x: 1.5 * x.clamp(-1, 1) - 0.5 * x.clamp(-1, 1) ** 3,
    "hard": lambda x: x.clamp(-1, 1),
}


def _reference(x: Tensor, curve: str, gain: float = 1.0) -> Tensor:
    """The mean of the curve between two samples, by quadrature over 4,000 midpoints."""
    now = gain * x
    before = torch.cat([torch.zeros_like(now[..., :1]), now[..., :-1]], -1)
    places = (torch.arange(4000, dtype=x.dtype) + 0.5) / 4000
    between = before[..., None] + (now - before)[..., None] * places
    return _CURVE[curve](between).mean(-1)


def _samples(curve: str) -> Callable[[torch.Generator], Iterator[Sample]]:
    def samples(generator: torch.Generator) -> Iterator[Sample]:
        x = torch.randn(2, 1, 67, generator=generator, dtype=torch.float64)
        smooth = curve in ("tanh", "arctan")
        yield Sample((x, curve, 2.0), name=f"{curve}, driven", smooth=smooth)
        slow = 0.5 + 1e-4 * x[:1]
        yield Sample((slow, curve), name=f"{curve}, samples that nearly meet", smooth=smooth)

    return samples


def _record(curve: str) -> Record:
    return record(
        Record(
            name=f"antialiased_{curve}",
            arguments={"x": "b c t", "params": "b c 1 1 n", "state": "b c 1 1"},
            results={"y": "b c t", "state_out": "b c 1 1"},
            workspaces={"kept": "b c chunks 1 1"},
            precise=frozenset({"params"}),
            public=antialiased,
            reference=_reference,
            samples=_samples(curve),
            budget_db=-120.0,
        )
    )


_OPS = {curve: Op(_record(curve)) for curve in CURVES}
