"""What the estimators share: phasors, amplitudes by least squares, spectra of what is left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from dspcore.errors import UserError
from dspcore.estimate.result import Estimate

#: Phasors are built in blocks of this many samples: two short tables and one product, which is
#: eight times as fast as a sine and a cosine for every sample and stays within 1e-14.
_BLOCK = 32


def checked(name: str, y: Tensor, k: int | None, *, most: int | None = None) -> Tensor:
    """`y` as (b, t) float64, or an error that names the argument.

    Raises:
        UserError: `y` is no signal of at least 8 samples, holds NaN or infinity, or `k` is out of
            range.
        TypeError: `y` is not a real floating-point tensor.
    """
    if not isinstance(y, Tensor) or not y.is_floating_point():
        what = y.dtype if isinstance(y, Tensor) else type(y).__name__
        raise TypeError(f"{name}: y must be a float32 or float64 tensor, got {what}")
    if y.ndim == 1:
        y = y[None]
    if y.ndim != 2 or y.shape[1] < 8:
        raise UserError(f"{name}: y must be (b, t) with at least 8 samples, got {tuple(y.shape)}")
    most = y.shape[1] // 4 if most is None else most
    if k is not None and not 1 <= k <= most:
        raise UserError(f"{name}: k must lie within 1 and {most} for {y.shape[1]} samples, got {k}")
    if not bool(y.isfinite().all()):
        raise UserError(f"{name}: y holds NaN or infinity; repair the signal first")
    return y.detach().double()


def columns(frequencies: Tensor, t: int, dampings: Tensor | None = None) -> Tensor:
    """Cosines, then negative sines, at n - (t-1)/2 for n = 0 .. t-1: (b, 2k, t) for (b, k).

    A complex amplitude c at the middle of the piece is ``[c.real, c.imag]`` times these rows.
    There frequency and phase are nearly independent, which least squares likes.

    Args:
        frequencies: In cycles per sample, (b, k).
        t: Samples.
        dampings: In nepers per sample, the shape of `frequencies`.
    """
    k = frequencies.shape[1]
    rows = -(-t // _BLOCK)
    like: Any = {"dtype": frequencies.dtype, "device": frequencies.device}
    steps = torch.arange(_BLOCK, **like)
    jumps = _BLOCK * torch.arange(rows, **like)
    omega = 2 * math.pi * frequencies[..., None]
    fine, coarse = omega * steps, omega * (jumps - (t - 1) / 2)
    near = torch.stack([fine.cos(), fine.sin()], 2)
    far = torch.stack([coarse.cos(), coarse.sin()], 2)
    if dampings is not None:
        near = near * torch.exp(-dampings[..., None] * steps)[:, :, None]
        far = far * torch.exp(-dampings[..., None] * (jumps - (t - 1) / 2))[:, :, None]
    # cos(a + b) and -sin(a + b) as sums of two products: a matrix product with an inner size of 2
    left = torch.cat([far, torch.stack([-far[:, :, 1], far[:, :, 0]], 2)], 1)
    right = torch.stack([near[:, :, 0], -near[:, :, 1]], 2)
    right = torch.cat([right, right], 1)
    out = left.mT @ right
    return out.reshape(-1, 2 * k, rows * _BLOCK)[..., :t]


def solve(gram: Tensor, right: Tensor, ridge: float = 1e-12) -> Tensor:
    """The solution of symmetric systems (b, m, m) for (b, m), nearly singular ones included."""
    scale = gram.diagonal(dim1=1, dim2=2)
    bump = ridge * scale.mean(1, keepdim=True).clamp(min=1e-300) + 1e-14 * scale
    factor, bad = torch.linalg.cholesky_ex(gram + torch.diag_embed(bump))
    if bool(bad.any()):
        bump = torch.where((bad > 0)[:, None], 1e-6 * scale + 1e-8 * scale.mean(1, True), bump)
        factor = torch.linalg.cholesky(gram + torch.diag_embed(bump.clamp(min=1e-290)))
    return torch.cholesky_solve(right[..., None], factor)[..., 0]


def amplitudes(y: Tensor, rows: Tensor) -> Tensor:
    """The least-squares weights (b, m) of `rows` (b, m, t) for `y` (b, t)."""
    return solve(rows @ rows.mT, (rows @ y[..., None])[..., 0])


def mixed(weights: Tensor, rows: Tensor) -> Tensor:
    """``sum_m w_m row_m``, (b, t)."""
    return (weights[:, None] @ rows)[:, 0]


def finish(
    t: int,
    frequencies: Tensor,
    weights: Tensor,
    dampings: Tensor | None = None,
    counts: Tensor | None = None,
) -> Estimate:
    """An `Estimate` in order of frequency, with unused slots at the end.

    Args:
        t: Samples of what was analysed.
        frequencies: (b, k).
        weights: Of `columns`, (b, 2k).
        dampings: (b, k).
        counts: Slots in use, (b,); all of them when left out.
    """
    b, k = frequencies.shape
    re, im = weights.chunk(2, 1)
    if dampings is None:
        dampings = torch.zeros_like(frequencies)
    if counts is None:
        counts = torch.full((b,), k, device=frequencies.device)
    used = torch.arange(k, device=frequencies.device) < counts[:, None]
    order = torch.where(used, frequencies, torch.inf).argsort(1)
    middle = (t - 1) / 2
    size = torch.hypot(re, im) * torch.exp(dampings * middle)
    # Re(c e^{iw(n - m)}) = |c| sin(wn - wm + angle(c) + pi/2)
    phase = torch.atan2(im, re) + math.pi / 2 - 2 * math.pi * frequencies * middle
    phase = math.pi - torch.remainder(math.pi - phase, 2 * math.pi)
    f, a, p, d = (
        torch.where(used, v, 0).gather(1, order) for v in (frequencies, size, phase, dampings)
    )
    return Estimate(f, a, p, d, counts, t)


def noise_floor(power: Tensor) -> Tensor:
    """Mean of an exponentially distributed periodogram by its median, (b, bins) to (b,)."""
    return power.median(1).values / math.log(2)


def strongest(
    residual: Tensor, taken: Tensor | None = None, apart: float = 0.0, pad: int = 4
) -> tuple[Tensor, Tensor]:
    """Frequency and power of the highest peak of the padded periodogram, (b, t) to (b,) each.

    The peak is placed between bins by a parabola through the logarithms, and stays off 0 and 1/2,
    and `apart` bins off the frequencies `taken`, (b, k).
    """
    t = residual.shape[1]
    size = pad * t
    power = torch.fft.rfft(residual, size).abs().square()
    power[:, : pad // 2] = 0
    power[:, size // 2 + 1 - pad // 2 :] = 0
    if taken is not None and apart > 0:
        bins = torch.arange(power.shape[1], dtype=taken.dtype, device=taken.device) / pad
        near = (bins - t * taken[..., None]).abs() < apart
        power = power.masked_fill(near.any(1), 0.0)
    peak, at = power.max(1)
    index = at.clamp(1, power.shape[1] - 2)
    around = torch.stack([index - 1, index, index + 1], 1)
    left, mid, right = (power.gather(1, around) + 1e-300).log().unbind(1)
    bend = left - 2 * mid + right
    shift = torch.where(bend < 0, 0.5 * (left - right) / bend.clamp(max=-1e-12), 0.0)
    return (index + shift.clamp(-0.5, 0.5)) / size, peak


def joined(parts: Sequence[Estimate]) -> Estimate:
    """One `Estimate` of several batches, as wide as the widest."""
    if len(parts) == 1:
        return parts[0]
    k = max(part.frequencies.shape[1] for part in parts)
    names = ("frequencies", "amplitudes", "phases", "dampings")
    f, a, p, d = (
        torch.cat([pad(getattr(part, n), (0, k - part.frequencies.shape[1])) for part in parts])
        for n in names
    )
    return Estimate(f, a, p, d, torch.cat([part.counts for part in parts]), parts[0].num_samples)
