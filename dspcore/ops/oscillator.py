"""Saw, square, pulse and triangle waves without aliases."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from dspcore.ops import _frames
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, record
from dspcore.ops.compiling import constant

SHAPES = ("saw", "pulse", "triangle", "square")

# The low-pass kernel: samples to either side, its corner in cycles per sample, the shape of its
# Kaiser window, and table entries a sample.
REACH, CORNER, BETA, STEPS = 24, 0.44, 9.0, 32


def oscillator(
    f0: Tensor,
    amplitude: Tensor,
    num_samples: int | None = None,
    *,
    shape: str = "saw",
    width: Tensor | float = 0.5,
    hop: int = 1,
    start: int = 0,
    phase: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """A classic wave without aliases: ``a[t] (h * w)(p[t])``, with ``p[t+1] = p[t] + f0[t]``.

    The ideal wave w, which has steps or corners, is convolved with a low-pass h that passes all
    below 0.38 cycles per sample and stops all above 0.5 by 90 dB. That is exact while f0 stands
    still, and smooth in phase, frequency and pulse width, so all three have exact gradients.

    Frame i holds the values at sample i * hop of the frame grid; between frames they are linear,
    after the last one they stay. Nothing is delayed: the wave is a function of the phase.

    Args:
        f0: Frequency in cycles per sample, (b, f); computed in float64, best given so.
        amplitude: Linear, (b, f); its type, float32 or float64, is that of the result.
        num_samples: Length t of the result; to the end of the last frame when left out.
        shape: "saw" rises from -1 to 1 in a cycle; "square" is 1 for half a cycle and -1 for the
            other; "pulse" is 1 for `width` of a cycle; "triangle" starts at 0 and rises first.
        width: Part of a cycle that a pulse is up, 0 to 1: a number or (b, f). The mean of a pulse
            is 2 width - 1.
        hop: Samples from frame to frame; 1 means controls at audio rate.
        start: Sample of the frame grid at which the result begins, so that any split into blocks
            gives the result of one long block.
        phase: Phase at the first sample, in cycles, (b,); 0 when left out.

    Returns:
        The wave, (b, t), and the phase after its last sample, (b,) float64 within 0 and 1.

    Raises:
        ValueError, TypeError: an unknown shape of wave, or a shape, type, hop or start that does
            not fit.

    Source:
        T. Stilson, J. Smith, "Alias-Free Digital Synthesis of Classic Analog Waveforms", ICMC
        1996; E. Brandt, "Hard Sync Without Aliasing", ICMC 2001: steps from an integrated kernel.
    """
    if amplitude.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"oscillator: amplitude must be float32 or float64, got {amplitude.dtype}")
    if f0.ndim != 2 or f0.shape != amplitude.shape or not f0.shape[1]:
        raise ValueError(
            "oscillator: f0 and amplitude must both be (b, f) with at least one frame, "
            f"got {tuple(f0.shape)} and {tuple(amplitude.shape)}"
        )
    if shape not in SHAPES:
        raise ValueError(f"oscillator: shape must be one of {', '.join(SHAPES)}, got {shape!r}")
    b, f = f0.shape
    up = torch.as_tensor(0.5 if shape == "square" else width, dtype=torch.float64, device=f0.device)
    if up.ndim not in (0, 2) or (up.ndim == 2 and up.shape != (b, f)):
        raise ValueError(
            f"oscillator: width must be a number or {(b, f)}, the shape of f0, "
            f"got {tuple(up.shape)}"
        )
    t, turn = _frames.turning("oscillator", f0, phase, num_samples, hop, start)
    attrs = (hop, turn.start, t, SHAPES.index("pulse" if shape == "square" else shape), STEPS)
    up, table = up.expand(b, f)[:, turn.part], _table(f0.device)
    (y,) = _OP(amplitude[:, turn.part], turn.f, up, turn.at, table, attrs=attrs)
    return y, turn.after


@constant
def _table(device: torch.device) -> Tensor:
    """The residuals on a device, a constant where torch compiles."""
    return _residuals(device)


@functools.cache
def _residuals(device: torch.device) -> Tensor:
    """What the low-pass adds to a corner and to a step, itself, and its slope: (4, n).

    STEPS entries a sample, from 0 to REACH; the integrals are Simpson's on a finer grid.
    """
    fine = 64
    x = torch.arange(REACH * STEPS * fine + 1, dtype=torch.float64) / (STEPS * fine)
    round_off = (1 - (x / REACH) ** 2).clamp(min=1e-30).sqrt()
    window = torch.special.i0(BETA * round_off)
    window_slope = -BETA * x / REACH**2 * torch.special.i1(BETA * round_off) / round_off
    wave = torch.sinc(2 * CORNER * x)
    wave_slope = (torch.cos(2 * torch.pi * CORNER * x) - wave) / x.clamp(min=1e-30)
    h, slope = wave * window, wave_slope * window + wave * window_slope

    def integral(v: Tensor, step: float) -> Tensor:
        """From every second sample to the end, at every second sample."""
        thirds = (v[:-2:2] + 4 * v[1:-1:2] + v[2::2]) * (step / 3)
        return torch.cat([thirds.flip(0).cumsum(0).flip(0), thirds.new_zeros(1)])

    rest = integral(h, 1 / (STEPS * fine))
    area = 2 * rest[0]
    corner = integral(rest, 2 / (STEPS * fine))
    rows = (corner[:: fine // 4], -rest[:: fine // 2], h[::fine], slope[::fine])
    return (torch.stack(rows) / area).to(device)


def _reference(f0: Tensor, amplitude: Tensor, num_samples: int, *settings: object) -> Tensor:
    """The ideal wave under the low-pass, by quadrature from jump to jump of the wave."""
    shape, width, hop, start = settings
    assert isinstance(hop, int)
    assert isinstance(start, int)
    i, j, part = _frames.place(start, num_samples, hop, f0.shape[-1])
    w = torch.as_tensor(width, dtype=torch.float64).expand(f0.shape)
    f, a, w = (v[..., i] + (v[..., j] - v[..., i]) * part for v in (f0, amplitude, w))
    p = f.cumsum(-1) - f
    # Nodes and weights of Gauss and Legendre, by Golub and Welsch.
    n = torch.arange(1, 20, dtype=torch.float64)
    off = torch.diag(n / (4 * n * n - 1).sqrt(), 1)
    nodes, vectors = torch.linalg.eigh(off + off.T)
    weights = 2 * vectors[0] ** 2

    def ideal(p: Tensor, w: Tensor) -> Tensor:
        p = p % 1
        if shape == "saw":
            return 2 * p - 1
        if shape == "triangle":
            return 1 - 4 * ((p + 0.25) % 1 - 0.5).abs()
        return torch.where(p < w, 1.0, -1.0).double()

    def seen(p: Tensor, f: Tensor, w: Tensor) -> Tensor:
        jumps = {"saw": [0.0], "triangle": [0.25, 0.75]}.get(str(shape), [0.0, float(w)])
        cycles = torch.arange(-2.0 * REACH, 2.0 * REACH)[:, None] + torch.tensor(
            jumps, dtype=torch.float64
        )
        cuts = torch.cat([((p - cycles) / f).flatten(), torch.arange(-REACH, REACH + 1.0)])
        cuts = cuts[cuts.abs() <= REACH].sort().values
        middle, half = (cuts[1:] + cuts[:-1])[:, None] / 2, (cuts[1:] - cuts[:-1])[:, None] / 2
        x = middle + half * nodes
        window = torch.special.i0(BETA * (1 - (x / REACH) ** 2).sqrt())
        h = torch.sinc(2 * CORNER * x) * window * half * weights
        return (h * ideal(p - f * x, w)).sum() / h.sum()

    flat = [seen(*v) for v in zip(p.flatten(), f.flatten(), w.flatten(), strict=True)]
    return a * torch.stack(flat).reshape(p.shape)


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    def controls(low: float, high: float, b: int, f: int) -> tuple[Tensor, Tensor]:
        f0 = low + (high - low) * torch.rand((b, f), generator=generator, dtype=torch.float64)
        return f0, torch.randn((b, f), generator=generator, dtype=torch.float64)

    yield Sample((*controls(0.03, 0.2, 2, 3), 31, "saw", 0.5, 16, 9), name="saw")
    yield Sample((*controls(0.05, 0.1, 1, 20), 20, "square", 0.5, 1, 0), name="square, audio rate")
    width = 0.2 + 0.6 * torch.rand((2, 2), generator=generator, dtype=torch.float64)
    yield Sample((*controls(0.02, 0.08, 2, 2), 41, "pulse", width, 40, 0), name="pulse of a width")
    yield Sample((*controls(-0.2, -0.02, 1, 3), 53, "triangle", 0.5, 25, 0), name="back, triangle")


def _public(f0: Tensor, amplitude: Tensor, n: int, *settings: Any) -> tuple[Tensor, Tensor]:
    shape, width, hop, start = settings
    return oscillator(f0, amplitude, n, shape=shape, width=width, hop=hop, start=start)


RECORD = record(
    Record(
        name="oscillator",
        arguments={
            "amplitude": "b f",
            "f0": "b f",
            "width": "b f",
            "phase": "b f",
            "residuals": "r n",
        },
        results={"y": "b t"},
        attributes=("hop", "start", "t", "shape", "steps"),
        precise=frozenset({"f0", "width", "phase", "residuals"}),
        public=_public,
        reference=_reference,
        samples=_samples,
        audio=1,
        budget_db=-130.0,
    )
)
_OP = Op(RECORD)
