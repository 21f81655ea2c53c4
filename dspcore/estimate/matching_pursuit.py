"""Windowed sinusoids found one by one and refined together: what speech is short in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.errors import UserError

SIZES = (128, 256, 512, 1024, 2048, 4096)
_BLOCK = 48  # atoms that are refined together


@dataclass(frozen=True)
class Atoms:
    """``y[n] = sum_k w((n - c_k) / s_k) (a_k cos v + b_k sin v)``, ``v = 2 pi f_k (n - c_k)``.

    w(u) = cos^2(pi u) for |u| < 1/2. Five numbers an atom.

    Attributes:
        values: Centre c and size s in samples, frequency f in cycles per sample, a and b; (k, 5)
            float64, by centre.
        num_samples: Of the clip.
    """

    values: Tensor
    num_samples: int

    def render(self) -> Tensor:
        """The sum, (t,) float64."""
        y = torch.zeros(self.num_samples, dtype=torch.float64)
        for row in self.values:
            n = _support(row[0], row[1], self.num_samples)
            y[n] += _parts(row[None], n)[0][0]
        return y

    def residual_db(self, y: Tensor) -> float:
        """Power of what is not explained over the power of `y`, in dB."""
        error = y.double() - self.render()
        return float(10 * torch.log10(error.square().sum() / y.double().square().sum()))


def matching_pursuit(
    y: Tensor, k: int, *, sizes: Sequence[int] = SIZES, rounds: int = 3, steps: int = 4
) -> Atoms:
    """The `k` windowed sinusoids that explain most of a clip.

    One by one the atom that takes most from the residual, over all sizes; then all are refined by
    least squares, block by block in time, and in each further round the least useful tenth is
    given up and found anew. No atom reaches into silence before or after the sound.

    Args:
        y: One clip, (t,).
        k: How many.
        sizes: Lengths in samples that are tried; refined atoms take others.
        rounds: Of refinement.
        steps: Of least squares in a round.

    Raises:
        UserError: The clip is empty, not finite or not one clip, or k is below 1.
    """
    if y.ndim != 1 or not len(y) or not bool(y.isfinite().all()):
        raise UserError(f"matching_pursuit: y must be one finite clip (t,), got {tuple(y.shape)}")
    if k < 1:
        raise UserError(f"matching_pursuit: k must be 1 or more, got {k}")
    y = y.double()
    rows: list[Tensor] = []
    edges = _edges(y)
    residual = _Residual(y, sizes, edges)
    for turn in range(rounds):
        while len(rows) < k:
            rows.append(residual.take())
        values = torch.stack(rows)
        values = _refined(y, values, steps, edges)
        if turn < rounds - 1:
            worth = values[:, 1] * values[:, 3:].square().sum(1)
            values = values[worth.argsort(descending=True)[: max(1, k - max(1, k // 10))]]
        rows = list(values)
        residual = _Residual(y - Atoms(values, len(y)).render(), sizes, edges)
    values = torch.stack(rows)
    return Atoms(values[values[:, 0].argsort()], len(y))


class _Residual:
    """What is left of a clip, and the best atom of every frame of every size."""

    def __init__(self, y: Tensor, sizes: Sequence[int], edges: tuple[float, float]) -> None:
        most, self.edges = max(sizes), edges
        self.pad, self.count = most, len(y)
        self.left = torch.nn.functional.pad(y, (most, 2 * most))
        self.sizes = sizes
        self.windows = [torch.hann_window(s, dtype=torch.float64) for s in sizes]
        self.gain = [
            self._gains(n, 0, (len(self.left) - s) // (s // 4) + 1) for n, s in enumerate(sizes)
        ]

    def _gains(self, n: int, first: int, last: int) -> Tensor:
        """Energy that the best atom of each frame takes, and its bin; (2, frames)."""
        size, window = self.sizes[n], self.windows[n]
        hop = size // 4
        part = self.left[first * hop : (last - 1) * hop + size]
        frames = part.unfold(0, size, hop) * window
        power = torch.fft.rfft(frames, 2 * size).abs().square()
        power[:, :2] = power[:, -2:] = 0  # a sine and a cosine are alike there
        best = power.max(1)
        return torch.stack([2 * best.values / window.square().sum(), best.indices.double()])

    def take(self) -> Tensor:
        """The best atom, refined alone, taken away; (5,)."""
        tops = [gain[0].max(0) for gain in self.gain]
        n = max(range(len(tops)), key=lambda i: float(tops[i].values))
        frame, size = int(tops[n].indices), self.sizes[n]
        center = frame * (size // 4) + size / 2 - self.pad
        frequency = float(self.gain[n][1, frame]) / (2 * size)
        row = torch.tensor([[center, size, frequency, 0.0, 0.0]], dtype=torch.float64)
        clip = self.left[self.pad : self.pad + self.count]
        row = _least_squares(clip, _within(row, self.edges), 3, self.edges)
        support = _support(row[0, 0], row[0, 1], self.count)
        self.left[self.pad + support] -= _parts(row, support)[0][0]
        low, high = int(support[0]) + self.pad, int(support[-1]) + self.pad
        for i, s in enumerate(self.sizes):
            hop, frames = s // 4, self.gain[i].shape[1]
            first = max(0, (low - s) // hop + 1)
            last = min(frames, high // hop + 1)
            self.gain[i][:, first:last] = self._gains(i, first, last)
        return row[0]


def _edges(y: Tensor) -> tuple[float, float]:
    """Where the sound begins and ends, in samples; beyond a clip's own ends all is allowed."""
    sounds = y.nonzero().flatten()
    if not len(sounds):
        return -math.inf, math.inf
    first, last = int(sounds[0]), int(sounds[-1])
    return (first if first else -math.inf), (last if last < len(y) - 1 else math.inf)


def _within(rows: Tensor, edges: tuple[float, float]) -> Tensor:
    """Atoms moved and shortened so that they lie between the edges."""
    if math.isinf(edges[0]) and math.isinf(edges[1]):
        return rows
    rows = rows.clone()
    rows[:, 0] = rows[:, 0].clamp(edges[0] + 16, edges[1] - 16)
    room = 2 * torch.minimum(rows[:, 0] - edges[0], edges[1] - rows[:, 0])
    rows[:, 1] = torch.minimum(rows[:, 1], room)
    return rows


def _support(center: Tensor, size: Tensor, count: int) -> Tensor:
    low = max(0, math.ceil(float(center - size / 2)))
    high = min(count, math.floor(float(center + size / 2)) + 1)
    low = min(low, count - 1)
    return torch.arange(low, max(high, low + 1))


def _parts(rows: Tensor, n: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Atoms (k, t) at samples n, and their slopes to centre, size, frequency, a and b."""
    c, s, f, a, b = (v[:, None] for v in rows.T)
    d = n - c
    u = d / s
    inside = (u.abs() < 0.5).to(d.dtype)
    w = (math.pi * u).cos().square() * inside
    slope = -math.pi * (2 * math.pi * u).sin() * inside  # of w to u
    cos, sin = (2 * math.pi * f * d).cos(), (2 * math.pi * f * d).sin()
    wave, turned = a * cos + b * sin, b * cos - a * sin
    to_center = -slope / s * wave - w * 2 * math.pi * f * turned
    to_size = -slope * u / s * wave
    to_frequency = w * 2 * math.pi * d * turned
    return w * wave, [to_center, to_size, to_frequency, w * cos, w * sin]


def _least_squares(y: Tensor, rows: Tensor, steps: int, edges: tuple[float, float]) -> Tensor:
    """Atoms (k, 5) nearer to a clip (t,), by damped Gauss-Newton steps; never worse."""
    low = min(int(_support(r[0], r[1], len(y))[0]) for r in rows)
    high = max(int(_support(r[0], r[1], len(y))[-1]) for r in rows)
    margin = int(rows[:, 1].max()) // 4
    n = torch.arange(max(0, low - margin), min(len(y), high + margin + 1))
    part = y[n]
    rows = _solved(part, rows, n)
    damping, best = 1e-3, float((part - _parts(rows, n)[0].sum(0)).square().sum())
    for _ in range(steps):
        made, slopes = _parts(rows, n)
        jacobian = torch.stack(slopes, 1).flatten(0, 1)  # (5 k, t)
        gram, right = jacobian @ jacobian.T, jacobian @ (part - made.sum(0))
        scale = gram.diagonal()
        for _ in range(4):
            shifted = gram + torch.diag(damping * scale + 1e-12 * scale.max() + 1e-30)
            step = torch.linalg.solve(shifted, right).reshape(-1, 5)
            tried = rows + step
            tried[:, 1] = torch.minimum(tried[:, 1].clamp(min=32), 1.5 * rows[:, 1])
            tried[:, 2] = tried[:, 2].clamp(1e-4, 0.4999)
            tried = _within(tried, edges)
            tried[:, 0] = tried[:, 0].clamp(0, len(y) - 1)
            left = float((part - _parts(tried, n)[0].sum(0)).square().sum())
            if left < best:
                rows, best, damping = tried, left, max(damping / 4, 1e-7)
                break
            damping *= 8
    return rows


def _solved(part: Tensor, rows: Tensor, n: Tensor) -> Tensor:
    """The same atoms with the best a and b."""
    basis = torch.stack(_parts(rows, n)[1][3:], 1).flatten(0, 1)
    gram = basis @ basis.T
    gram.diagonal().add_(1e-9 * gram.diagonal().max() + 1e-30)
    found = torch.linalg.solve(gram, basis @ part).reshape(-1, 2)
    return torch.cat([rows[:, :3], found], 1)


def _refined(y: Tensor, values: Tensor, steps: int, edges: tuple[float, float]) -> Tensor:
    """Every block of atoms in time, given all others; blocks overlap from pass to pass."""
    values = values[values[:, 0].argsort()]
    made = Atoms(values, len(y)).render()
    for shift in (0, _BLOCK // 2):
        for first in range(-shift, len(values), _BLOCK):
            block = values[max(0, first) : first + _BLOCK]
            if not len(block):
                continue
            own = Atoms(block, len(y)).render()
            better = _least_squares(y - made + own, block, steps, edges)
            made = made - own + Atoms(better, len(y)).render()
            values[max(0, first) : first + _BLOCK] = better
    return values
