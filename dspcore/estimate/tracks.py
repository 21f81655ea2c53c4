"""Partials of a recording over time: sinusoids of short frames, joined from frame to frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.errors import UserError
from dspcore.estimate import _model
from dspcore.estimate.fft_peaks import fft_peaks
from dspcore.estimate.nomp import nomp
from dspcore.estimate.result import Estimate

Method = Callable[[Tensor, int | None], Estimate]


@dataclass(frozen=True)
class Tracks:
    """Partials that begin, move and end; frame i is centred on sample i * hop.

    Attributes:
        frequencies: Cycles per sample, (k, f); 0 where a partial is not there.
        amplitudes: Linear, (k, f); 0 where it is not there.
        phases: Radians of the sine at the middle of the frame, (k, f).
        hop: Samples from frame to frame.
        num_samples: Of what was analysed.
    """

    frequencies: Tensor
    amplitudes: Tensor
    phases: Tensor
    hop: int
    num_samples: int

    @property
    def present(self) -> Tensor:
        """Where each partial is, (k, f)."""
        return self.amplitudes > 0

    def render(self) -> Tensor:
        """The partials as sound, (t,) float64, true to their phases.

        Amplitudes are straight between frames, phases the smoothest cubic that has the frequency
        and phase of both; a partial fades in over the frame before its first, and out after its
        last.

        Source:
            R. McAulay and T. Quatieri, "Speech analysis/synthesis based on a sinusoidal
            representation", IEEE Trans. ASSP 34 (1986), eq. 37.
        """
        t, hop = self.num_samples, float(self.hop)
        frames = self.frequencies.shape[1]
        out = torch.zeros((frames - 1) * self.hop, dtype=torch.float64)
        inside = torch.arange(self.hop, dtype=torch.float64)
        for f, a, p in zip(self.frequencies, self.amplitudes, self.phases, strict=True):
            omega, theta = _held(2 * math.pi * f, p, a > 0, hop)
            w0, w1, p0, p1 = omega[:-1], omega[1:], theta[:-1], theta[1:]
            turns = torch.round((p0 + w0 * hop - p1 + (w1 - w0) * hop / 2) / (2 * math.pi))
            gap = p1 - p0 - w0 * hop + 2 * math.pi * turns
            square = 3 / hop**2 * gap - (w1 - w0) / hop
            cube = -2 / hop**3 * gap + (w1 - w0) / hop**2
            on = ((a[:-1] > 0) | (a[1:] > 0)).nonzero()[:, 0]
            at = inside[None]
            angle = p0[on, None] + at * (
                w0[on, None] + at * (square[on, None] + at * cube[on, None])
            )
            size = a[on, None] + (a[on + 1] - a[on])[:, None] * at / hop
            out.view(-1, self.hop)[on] += size * angle.sin()
        return out[:t] if len(out) >= t else torch.nn.functional.pad(out, (0, t - len(out)))

    def residual_db(self, y: Tensor) -> float:
        """Power of what is not explained over the power of `y`, (t,), in dB."""
        y = y.double()
        error = (y - self.render()).square().sum()
        return float(10 * torch.log10(error / y.square().sum()))


def tracks(
    y: Tensor,
    k: int | None = None,
    *,
    size: int = 2048,
    hop: int = 512,
    method: str | Method = "nomp",
    jump: float = 0.5,
    least: int = 3,
    floor_db: float = -60.0,
    progress: Callable[[int, int], None] | None = None,
) -> Tracks:
    """Follow the partials of a sound; no common pitch is assumed.

    Every frame is analysed by itself. Its partials go on from those of the frame before so that the
    frequencies jump least in sum; what finds no partner begins or ends a partial.

    Args:
        y: One sound, (t,).
        k: Partials at a time at most; when left out, those that stand out of the noise, 40 at most.
        size: Of a frame in samples: long ones tell near partials apart, short ones follow quick
            movements.
        hop: From frame to frame; a quarter of `size` or less renders well.
        method: "nomp" or "fft_peaks", on Hann-windowed frames, or a function of frames (b, size)
            and k that returns an `Estimate`.
        jump: Frequency by which a partial may move from one frame to the next, in bins of a frame.
        least: Frames that a partial must last.
        floor_db: Partials below the loudest by more than this are left out.
        progress: Called with frames done and frames in all.

    Raises:
        UserError: A size, hop or method does not fit.
    """
    if y.ndim != 1:
        raise UserError(
            f"tracks: y must be one sound (t,), got {tuple(y.shape)}; mix channels first"
        )
    y = _model.checked("tracks", y, None)[0]
    if not size >= 8 or not 1 <= hop <= size // 2:
        raise UserError(f"tracks: wanted 8 <= size and 1 <= hop <= size / 2, got {size} and {hop}")
    run = _method(method, size)
    count = -(-len(y) // hop) + 1
    padded = torch.nn.functional.pad(y, (size // 2, count * hop + size - len(y)))
    frames = padded.unfold(0, size, hop)[:count]
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    loudest = float(frames.abs().max()) or 1.0
    for i in range(0, count, 16):
        part = frames[i : i + 16]
        found = run(part + 1e-9 * loudest * _dither(part), k)  # silence is noise, not an exact zero
        middle = found.phases + 2 * math.pi * found.frequencies * (size // 2)
        for j in range(len(part)):
            on = slice(0, int(found.counts[j]))
            rows.append((found.frequencies[j, on], found.amplitudes[j, on], middle[j, on]))
        if progress is not None:
            progress(min(i + 16, count), count)
    top = max((float(a.max()) for _, a, _ in rows if len(a)), default=0.0)
    quiet = 10 ** (floor_db / 20) * top
    rows = [(f[a > quiet], a[a > quiet], p[a > quiet]) for f, a, p in rows]
    return _joined(rows, jump / size, least, hop, len(y))


def _method(method: str | Method, size: int) -> Method:
    if callable(method):
        return method
    window = torch.hann_window(size, dtype=torch.float64)
    if method == "nomp":
        return lambda y, k: nomp(y, k, window=window, most=40, apart=2.0)
    if method == "fft_peaks":
        return lambda y, k: fft_peaks(y, k, most=40)
    raise UserError(f"tracks: method must be 'nomp', 'fft_peaks' or a function, got {method!r}")


def _dither(like: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(like.shape, generator=generator, dtype=like.dtype)


def _joined(
    rows: list[tuple[Tensor, Tensor, Tensor]], jump: float, least: int, hop: int, t: int
) -> Tracks:
    """Partners from frame to frame by the assignment with the smallest sum of jumps."""
    from scipy.optimize import linear_sum_assignment

    chains: list[list[tuple[int, int]]] = []
    ends: list[int] = []  # the chain that each partial of the frame before belongs to
    before = rows[0][0][:0]
    for i, (f, _, _) in enumerate(rows):
        own = [-1] * len(f)
        if len(before) and len(f):
            apart = (before[:, None] - f).abs() / jump
            cost = torch.where(apart < 1, apart, torch.full_like(apart, 1e3))
            for left, right in zip(*linear_sum_assignment(cost.numpy()), strict=True):
                if float(apart[left, right]) < 1:
                    own[right] = ends[left]
        for j in range(len(f)):
            if own[j] < 0:
                own[j] = len(chains)
                chains.append([])
            chains[own[j]].append((i, j))
        ends, before = own, f
    kept = [chain for chain in chains if len(chain) >= least]
    shape = (len(kept), len(rows))
    out = [torch.zeros(shape, dtype=torch.float64) for _ in range(3)]
    for row, chain in enumerate(kept):
        for i, j in chain:
            for table, value in zip(out, rows[i], strict=True):
                table[row, i] = value[j]
    return Tracks(out[0], out[1], out[2], hop, t)


def _held(omega: Tensor, theta: Tensor, on: Tensor, hop: float) -> tuple[Tensor, Tensor]:
    """Frequency and phase drawn out by a frame before the first and after the last."""
    omega, theta = omega.clone(), theta.clone()
    there = on.nonzero()[:, 0].tolist()
    if not there:
        return omega, theta
    first, last = there[0], there[-1]
    if first > 0:
        omega[first - 1] = omega[first]
        theta[first - 1] = theta[first] - omega[first] * hop
    if last + 1 < len(omega):
        omega[last + 1] = omega[last]
        theta[last + 1] = theta[last] + omega[last] * hop
    return omega, theta
