"""State-variable filter whose corner and resonance may move every sample."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from dspcore.ops._check import audio, row_control, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record

#: Gains of the high-pass, band-pass and low-pass outputs that make each mode.
MODES = {
    "lowpass": (0.0, 0.0, 1.0),
    "bandpass": (0.0, 1.0, 0.0),
    "highpass": (1.0, 0.0, 0.0),
    "notch": (1.0, 0.0, 1.0),
    "peak": (1.0, 0.0, -1.0),
    "allpass": (1.0, -1.0, 1.0),
}
Number = Tensor | float
Gains = tuple[Number, Number, Number]


def svf(
    x: Tensor, cutoff: Number, q: Number, mode: str | Gains = "lowpass", state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Filter `x` by ``(h s^2 + b s/q + l) / (s^2 + s/q + 1)``, s = (z - 1) / (z + 1) / tan(pi f).

    Its integrators hold still when the corner f jumps, so modulation at audio rate stays stable.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        cutoff: Corner f in cycles per sample, above 0 and below 0.5: a number, (b, c) or (b, c, t)
            for each sample, as are the other controls. Outside, the filter is unstable.
        q: Resonance, above 0; ``20 log10(q)`` dB at the corner of low-pass and high-pass.
        mode: "lowpass", "highpass"; "bandpass", 0 dB at its centre; "notch"; "peak", high-pass
            minus low-pass, 2 q at its centre; "allpass"; or the gains (h, b, l) of high-pass,
            band-pass and low-pass themselves: (1, 4, 1) is a bell of 12 dB.
        state: State returned by the call before, (b, c, 2); silence when left out. In one mode it
            may be that of another.

    Returns:
        The filtered signal, the shape of `x`, and the state after its last sample.

    Raises:
        ValueError, TypeError: an unknown mode, or a shape, type or device that does not fit.

    Source:
        A. Simper, "Linear Trapezoidal Integrated State Variable Filter", 2013.
    """
    b, c, _ = audio("svf", x)
    if isinstance(mode, str):
        if mode not in MODES:
            raise ValueError(
                f"svf: mode must be one of {', '.join(MODES)} or three gains, got {mode!r}"
            )
        gains: Gains = MODES[mode]
    elif len(mode) == 3:
        gains = mode
    else:
        raise ValueError(f"svf: mode must be a name or three gains, got {len(mode)} of them")
    named = zip(("high", "band", "low"), gains, strict=True)
    y, after = _OP(
        x,
        row_control("svf", x, "cutoff", cutoff),
        row_control("svf", x, "q", q),
        *(row_control("svf", x, f"gain of the {name} pass", gain) for name, gain in named),
        signal_state("svf", state, x, (b, c, 2)),
    )
    return y, after


def _reference(x: Tensor, cutoff: Tensor, q: Tensor, mode: str | Gains) -> Tensor:
    """Capacitors charged by trapezoids: the loop of each sample solved as a linear system."""
    gains = MODES[mode] if isinstance(mode, str) else mode
    every = [torch.as_tensor(v, dtype=x.dtype) for v in (cutoff, q, *gains)]
    f, k, h, b, low_gain = (
        (v[..., None] if v.ndim == 2 else v).expand_as(x).reshape(-1, x.shape[-1]) for v in every
    )
    y, rows = torch.empty_like(f), x.reshape(-1, x.shape[-1])
    for row in range(len(rows)):
        charge = torch.zeros(2, dtype=x.dtype)
        current = torch.zeros(2, dtype=x.dtype)  # what flows into the capacitors, in half steps
        for n in range(x.shape[-1]):
            w, r = math.tan(math.pi * float(f[row, n])), 1 / float(k[row, n])
            # high = x - r band - low; charge + current (before and now) is what they hold now
            matrix = torch.tensor(
                [[1.0, r, 1.0], [-w, 1.0, 0.0], [0.0, -w, 1.0]], dtype=torch.float64
            )
            held = charge + current
            high, band, low = torch.linalg.solve(
                matrix, torch.stack([rows[row, n], held[0], held[1]])
            )
            charge, current = torch.stack([band, low]), w * torch.stack([high, band])
            y[row, n] = h[row, n] * high + b[row, n] * r * band + low_gain[row, n] * low
    return y.reshape(x.shape)


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    noise, spans = draws(generator)
    yield Sample(
        (noise(1, 1, 131), spans(0.01, 0.4, 1, 1), spans(0.5, 4, 1, 1), "lowpass"), name="one row"
    )
    for mode in ("highpass", "notch", "peak"):
        yield Sample(
            (noise(2, 1, 21), spans(0.01, 0.45, 2, 1), spans(0.5, 4, 2, 1), mode), name=mode
        )
    sweep = spans(0.001, 0.49, 2, 3, 70)
    yield Sample((noise(2, 3, 70), sweep, spans(0.4, 9, 2, 3, 70), "bandpass"), name="all moves")
    yield Sample((noise(3, 1, 67), spans(0.01, 0.3, 3, 1, 67), 0.7, "allpass"), name="a sweep")
    gains = (1.0, 4.0, 0.5)
    slow = (noise(1, 2, 300), 30 / 48_000 * spans(1, 2, 1, 2), spans(5, 10, 1, 2, 300), gains)
    yield Sample(slow, name="a moving bell at 30 Hz")


RECORD = record(
    Record(
        name="svf",
        arguments={
            "x": "b c t",
            "cutoff": "b c n",
            "q": "b c m",
            "high": "b c i",
            "band": "b c j",
            "low": "b c k",
            "state": "b c 2",
        },
        results={"y": "b c t", "state_out": "b c 2"},
        workspaces={"kept": "b c chunks 2"},
        public=svf,
        reference=_reference,
        samples=_samples,
        budget_db=-110.0,
    )
)
_OP = Op(RECORD)
