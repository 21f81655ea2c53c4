"""Far more waves than needed, thinned out by a group penalty: no peak is ever picked."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dspcore.estimate import _model
from dspcore.estimate.polish import refine
from dspcore.estimate.result import Estimate


def particles(
    y: Tensor,
    k: int | None = None,
    *,
    steps: int = 400,
    penalty: tuple[float, float] = (0.5, 0.01),
    polish: bool = True,
) -> Estimate:
    """Descend on a wave at every bin, amplitudes and frequencies, with a penalty on every size.

    ``|y - sum_p Re(c_p e^{i w_p n})|^2 / t + L sum_p |c_p|`` by proximal gradient steps: what the
    penalty drives to zero is gone for good, the others move to where the slope leads them. The
    penalty L falls from step to step, so strong waves settle before weak ones come. Waves that meet
    become one. What is left is refined by least squares.

    Args:
        y: Signals, (b, t) or (t,).
        k: How many sinusoids; the largest are returned. When left out, all that remain above the
            last penalty.
        steps: Of descent.
        penalty: L at the start and at the end, of the largest amplitude.
        polish: Refine by least squares.

    Source:
        L. Chizat, "Sparse optimization on measures with over-parameterized gradient descent",
        Mathematical Programming 194 (2022), for waves in place of general measures.
    """
    y = _model.checked("particles", y, k)
    scale = (2 * y.square().mean(1, keepdim=True)).sqrt().clamp(min=1e-300)
    parts = [
        _descended((rows / size).float(), steps, penalty)
        for rows, size in zip(y.split(16), scale.split(16), strict=True)
    ]
    width = max(f.shape[1] for f, _ in parts)
    pad = torch.nn.functional.pad
    f = torch.cat([pad(f, (0, width - f.shape[1])) for f, _ in parts]).double()
    size = torch.cat([pad(s, (0, width - s.shape[1])) for _, s in parts]).double()
    counts = torch.full((y.shape[0],), k or 0, device=y.device)
    if k is None:
        counts = (size > 1.5 * penalty[1] * size.amax(1, keepdim=True)).sum(1)
    width = max(1, int(counts.max()))
    if f.shape[1] < width:
        f, size = (pad(v, (0, width - v.shape[1])) for v in (f, size))
    f = f.gather(1, size.topk(width, 1).indices)
    w = y.new_zeros(y.shape[0], 2, width)
    for count in counts.unique().tolist():
        if count:
            at = counts == count
            start = f[at, :count].clamp(0.25 / y.shape[1], 0.5)
            f[at, :count], found, _, _ = refine(y[at], start, steps=30 if polish else 0)
            w[at, :, :count] = found.unflatten(1, (2, count))
    return _model.finish(y.shape[1], f, w.flatten(1), None, counts)


def _descended(y: Tensor, steps: int, penalty: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Frequencies and sizes (b, p) of what remains, zero-padded, (b, t) scaled to 1/2."""
    b, t = y.shape
    f = ((torch.arange(1, t // 2, dtype=y.dtype, device=y.device)) / t).expand(b, -1)
    w = y.new_zeros(b, 2, f.shape[1])
    place = torch.arange(t, dtype=y.dtype, device=y.device) - (t - 1) / 2
    # Curvature of the squared error by a frequency, for a wave of size 1.
    curve = (2 * math.pi) ** 2 * float(place.square().mean())
    momentum = torch.zeros_like(w)
    top = y.new_zeros(b, 1)
    for i in range(steps):
        rows = _model.columns(f, t)
        left = y - _model.mixed(w.flatten(1), rows)
        both = torch.stack([left, left * place], 2)
        c, s = ((2 / t) * (rows @ both)).unflatten(1, (2, -1)).unbind(1)
        slope = torch.stack([c[..., 0], s[..., 0]], 1)
        if i == 0:
            top = slope.square().sum(1).sqrt().amax(1, keepdim=True)
        fall = penalty[0] * (penalty[1] / penalty[0]) ** min(1.0, i / (0.7 * steps))
        threshold = fall * top
        # Waves that share a bin share its step, or they would overshoot together.
        momentum = 0.5 * momentum + 0.25 * slope
        new = w + momentum
        size = new.square().sum(1).sqrt()
        shrink = (1 - 0.25 * threshold / size.clamp(min=1e-12)).clamp(min=0)
        alive = w.square().sum(1) > 0
        # d/dw of Re(c e^{iw m}) = m Re(i c e^{iwm})
        pull = 2 * math.pi * (w[:, 0] * s[..., 1] - w[:, 1] * c[..., 1])
        step = 0.25 * pull / (curve * w.square().sum(1).clamp(min=1e-6))
        f = torch.where(alive, f + step.clamp(-0.1 / t, 0.1 / t), f)
        w = new * shrink[:, None]
        momentum = momentum * (shrink > 0)[:, None]
        if i % 10 == 9:
            f, w, momentum = _merged(f, w, momentum, 0.3 / t)
        if i % 10 == 9 and i > 0.7 * steps:
            f, w, momentum = _living(f, w, momentum)
    f, w, _ = _merged(f, w, momentum, 0.5 / t)
    f, w, _ = _living(f, w, momentum)
    return f, w.square().sum(1).sqrt()


def _merged(f: Tensor, w: Tensor, momentum: Tensor, reach: float) -> tuple[Tensor, Tensor, Tensor]:
    """Neighbours nearer than `reach` become one, where both are alive: half of them at a time."""
    order = torch.where(w.square().sum(1) > 0, f, f + 1).argsort(1)
    f = f.gather(1, order)
    w, momentum = (v.gather(2, order[:, None].expand(-1, 2, -1)) for v in (w, momentum))
    for first in (0, 1):
        left = torch.tensor(range(first, f.shape[1] - 1, 2), dtype=torch.int64, device=f.device)
        right = left + 1
        size = w.square().sum(1).sqrt()
        a, b = size[:, left], size[:, right]
        near = (a > 0) & (b > 0) & ((f[:, right] - f[:, left]).abs() < reach)
        mean = (a * f[:, left] + b * f[:, right]) / (a + b).clamp(min=1e-12)
        f = f.clone()
        f[:, left] = torch.where(near, mean, f[:, left])
        joined = w[:, :, left] + w[:, :, right]
        w = w.clone()
        w[:, :, left] = torch.where(near[:, None], joined, w[:, :, left])
        w[:, :, right] = torch.where(near[:, None], 0.0, w[:, :, right])
    return f, w, momentum


def _living(f: Tensor, w: Tensor, momentum: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Only as many columns as the fullest item needs."""
    size = w.square().sum(1)
    most = max(1, int((size > 0).sum(1).max()))
    order = size.topk(min(most, size.shape[1]), 1).indices
    wide = order[:, None].expand(-1, 2, -1)
    return f.gather(1, order), w.gather(2, wide), momentum.gather(2, wide)
