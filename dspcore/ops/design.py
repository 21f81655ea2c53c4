"""Second-order sections from corner, quality and gain: (..., 6) float64 as SciPy orders them.

All functions take numbers or tensors that broadcast against one another, are differentiable to
each, and follow R. Bristow-Johnson's Audio EQ Cookbook. Corners are in Hz, above 0 and below half
the sample rate.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dspcore.errors import checking_values
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, record

SHAPES = ("lowpass", "highpass", "bandpass", "notch", "allpass", "peak", "lowshelf", "highshelf")
Number = Tensor | float


def lowpass(cutoff_hz: Number, q: Number, sample_rate: float) -> Tensor:
    """Low-pass, 12 dB an octave, ``20 log10(q)`` dB at its corner."""
    return _design("lowpass", cutoff_hz, q, 0.0, sample_rate)


def highpass(cutoff_hz: Number, q: Number, sample_rate: float) -> Tensor:
    """High-pass, 12 dB an octave, ``20 log10(q)`` dB at its corner."""
    return _design("highpass", cutoff_hz, q, 0.0, sample_rate)


def bandpass(cutoff_hz: Number, q: Number, sample_rate: float) -> Tensor:
    """Band-pass, 0 dB at its centre."""
    return _design("bandpass", cutoff_hz, q, 0.0, sample_rate)


def notch(cutoff_hz: Number, q: Number, sample_rate: float) -> Tensor:
    """Notch: nothing is left at its centre."""
    return _design("notch", cutoff_hz, q, 0.0, sample_rate)


def allpass(cutoff_hz: Number, q: Number, sample_rate: float) -> Tensor:
    """All-pass: 180 degrees of phase at its centre, no change of level."""
    return _design("allpass", cutoff_hz, q, 0.0, sample_rate)


def peak(cutoff_hz: Number, q: Number, gain_db: Number, sample_rate: float) -> Tensor:
    """Bell of `gain_db` at its centre."""
    return _design("peak", cutoff_hz, q, gain_db, sample_rate)


def lowshelf(cutoff_hz: Number, q: Number, gain_db: Number, sample_rate: float) -> Tensor:
    """Shelf of `gain_db` below its corner, half of that at it."""
    return _design("lowshelf", cutoff_hz, q, gain_db, sample_rate)


def highshelf(cutoff_hz: Number, q: Number, gain_db: Number, sample_rate: float) -> Tensor:
    """Shelf of `gain_db` above its corner, half of that at it."""
    return _design("highshelf", cutoff_hz, q, gain_db, sample_rate)


def _design(
    shape: str, cutoff_hz: Number, q: Number, gain_db: Number, sample_rate: float
) -> Tensor:
    given = [v for v in (cutoff_hz, q, gain_db) if isinstance(v, Tensor)]
    device = given[0].device if given else None
    parts = [
        torch.as_tensor(v, dtype=torch.float64, device=device) for v in (cutoff_hz, q, gain_db)
    ]
    controls = torch.stack(torch.broadcast_tensors(parts[0] / sample_rate, *parts[1:]), -1)
    if checking_values():
        turns, quality = controls[..., 0], controls[..., 1]
        if not bool(((turns > 0) & (turns < 0.5) & (quality > 0)).all()):
            raise ValueError(
                f"design.{shape}: cutoff_hz must lie above 0 and below half the sample rate "
                f"({sample_rate / 2:g} Hz) and q above 0, got cutoff_hz {cutoff_hz} and q {q}"
            )
    (sos,) = _OP(controls.reshape(-1, 3), attrs=(SHAPES.index(shape),))
    return sos.reshape(*controls.shape[:-1], 6)


def _analogue(shape: str, turns: Tensor, q: Tensor, gain_db: Tensor) -> Tensor:
    """The cookbook's analogue prototypes through the bilinear transform, as polynomials."""
    a = 10 ** (gain_db / 40)
    one, zero, w = torch.ones_like(q), torch.zeros_like(q), torch.tan(torch.pi * turns)
    root = torch.sqrt(a) / q
    s2, s1, s0 = {  # numerator in s, then denominator
        "lowpass": (zero, zero, one),
        "highpass": (one, zero, zero),
        "bandpass": (zero, 1 / q, zero),
        "notch": (one, zero, one),
        "allpass": (one, -1 / q, one),
        "peak": (one, a / q, one),
        "lowshelf": (a, a * root, a * a),
        "highshelf": (a * a, a * root, a),
    }[shape]
    d2, d1, d0 = {
        "peak": (one, 1 / (a * q), one),
        "lowshelf": (a, root, one),
        "highshelf": (one, root, a),
    }.get(shape, (one, 1 / q, one))
    sections = []
    for p2, p1, p0 in ((s2, s1, s0), (d2, d1, d0)):
        high, mid, low = p2, p1 * w, p0 * w * w
        sections += [high + mid + low, 2 * (low - high), high - mid + low]
    return torch.stack(sections, -1)


def _reference(
    cutoff_hz: Tensor, q: Tensor, gain_db: Tensor, sample_rate: float, shape: str
) -> Tensor:
    sos = _analogue(shape, cutoff_hz / sample_rate, q, gain_db)
    return sos / sos[..., 3:4]


def _public(
    cutoff_hz: Tensor, q: Tensor, gain_db: Tensor, sample_rate: float, shape: str
) -> Tensor:
    return _design(shape, cutoff_hz, q, gain_db, sample_rate)


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    u = torch.rand(3, 5, generator=generator, dtype=torch.float64)
    for shape in SHAPES:
        controls = (20 * 1000 ** u[0], 0.3 + 5 * u[1], 40 * u[2] - 20)
        yield Sample((*controls, 48_000.0, shape), name=shape)


RECORD = record(
    Record(
        name="biquad_design",
        arguments={"controls": "b 3"},
        results={"sos": "b 6"},
        attributes=("shape",),
        precise=frozenset({"controls", "sos"}),
        public=_public,
        reference=_reference,
        samples=_samples,
        audio=None,
        budget_db=-200.0,
    )
)
_OP = Op(RECORD)
