"""Shapes of a wave, time axes, and what is common to all sine layers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

WAVES = ("sine", "triangle", "zero_tip")
CHARTS = ("none", "relu", "softplus", "abs")


def wave(angle: Tensor, shape: str = "sine", *, tip: float = 0.05) -> Tensor:
    """A wave of an angle in radians, of period 2 pi, between -1 and 1.

    Args:
        angle: In radians, of any shape.
        shape: sine; triangle, in phase with it; zero_tip, a sine that is 0 where it is nearer to a
            crest than `tip`, with the sine's own derivative everywhere.
        tip: For zero_tip, in the wave's unit.
    """
    if shape == "sine":
        return angle.sin()
    if shape == "triangle":
        return (2 / math.pi) * torch.asin(angle.sin().clamp(-1 + 1e-7, 1 - 1e-7))
    if shape == "zero_tip":
        plain = angle.sin()
        cut = torch.where(plain.abs() > 1 - tip, 0.0, plain)
        return plain + (cut - plain).detach()
    raise ValueError(f"wave: shape must be one of {', '.join(WAVES)}, got {shape!r}")


def charted(value: Tensor, chart: str) -> Tensor:
    """A parameter as it is used: none, relu (may go below 0 and come back), softplus or abs."""
    if chart == "none":
        return value
    if chart == "relu":
        return value.relu()
    if chart == "softplus":
        return torch.nn.functional.softplus(value)
    if chart == "abs":
        return value.abs()
    raise ValueError(f"sine layer: a chart must be one of {', '.join(CHARTS)}, got {chart!r}")


def uncharted(value: Tensor, chart: str) -> Tensor:
    """The parameter, of 0 or more, that `charted` makes this value of."""
    return torch.log(torch.expm1(value.clamp(min=1e-6))) if chart == "softplus" else value


def time_axis(
    num_samples: int,
    kind: str | tuple[float, float] = "samples",
    *,
    sample_rate: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Times of the samples of a clip, (t,).

    Args:
        num_samples: How many.
        kind: samples (0, 1, 2, ...), seconds, unit (-1 to 1), or the first and last time, such as
            (4, 7), half a period of a wave of frequency 1, so that all its values differ.
        sample_rate: In Hz, for seconds.
        dtype: float32 or float64.
    """
    n = torch.arange(num_samples, dtype=torch.float64)
    if kind == "samples":
        return n.to(dtype)
    if kind == "seconds":
        return (n / sample_rate).to(dtype)
    if kind == "unit":
        return torch.linspace(-1, 1, num_samples, dtype=torch.float64).to(dtype)
    if isinstance(kind, tuple) and len(kind) == 2:
        return torch.linspace(*kind, num_samples, dtype=torch.float64).to(dtype)
    raise ValueError(f"time_axis: kind must be samples, seconds, unit or (first, last), got {kind}")


def canonical(amplitude: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """The same waves with amplitudes of 0 or more and phases in (-pi, pi]."""
    turned = torch.where(amplitude < 0, phase + math.pi, phase)
    wrapped = -torch.remainder(math.pi - turned, 2 * math.pi) + math.pi
    return amplitude.abs(), wrapped


def phase_distance(a: Tensor, b: Tensor) -> Tensor:
    """Distance of two phases on the circle, 0 to pi."""
    return (torch.remainder(a - b + math.pi, 2 * math.pi) - math.pi).abs()


def above_nyquist(frequency: Tensor, times_per_unit: float = 1.0) -> Tensor:
    """Which waves alias on a grid of samples: those beyond half a turn per sample.

    On that grid a wave of w + 2 pi j has the samples and the gradient of the wave of w, so waves
    above the sample rate add nothing to it.

    Args:
        frequency: In radians per unit of time.
        times_per_unit: Samples in a unit of time: the sample rate for seconds.
    """
    return frequency.abs() > math.pi * times_per_unit


def fit_amplitudes(basis: Tensor, clip: Tensor) -> Tensor:
    """Least-squares amplitudes of basis (t, k) for a clip (t,), (k,) in float64."""
    answer = torch.linalg.lstsq(basis.double(), clip.double()[:, None], driver="gelsd")
    return answer.solution[:, 0]
