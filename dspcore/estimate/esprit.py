"""ESPRIT: frequencies as eigenvalues of a shift within the signal's subspace."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dspcore.estimate import _model
from dspcore.estimate.polish import refine
from dspcore.estimate.result import Estimate


def esprit(
    y: Tensor,
    k: int | None = None,
    *,
    length: int | None = None,
    damped: bool = False,
    polish: bool = True,
    most: int | None = None,
) -> Estimate:
    """Find all sinusoids at once from the eigenvectors of the signal's covariance.

    Args:
        y: Signals, (b, t) or (t,).
        k: How many real sinusoids; when left out, the number whose description is shortest (MDL).
        length: Of the windows whose covariance is formed, in samples; a third of `y`, at most 192.
        damped: Keep the dampings that the eigenvalues say; otherwise they are taken as steady.
        polish: Refine by least squares, which reaches the Cramer-Rao bound in white noise.
        most: Largest number when `k` is left out.

    Source:
        R. Roy and T. Kailath, "ESPRIT", IEEE Trans. ASSP 37 (1989); the number by M. Wax and
        T. Kailath, "Detection of signals by information theoretic criteria", ibid. 33 (1985).
    """
    y = _model.checked("esprit", y, k)
    t = y.shape[1]
    size = length or max(4, min(t // 3, 192))
    size = max(size, 2 * (k or 1) + 2)
    y_scaled = y / y.abs().amax(1, keepdim=True).clamp(min=1e-300)
    slices = y_scaled.unfold(1, size, 1)
    covariance = slices.mT @ slices / slices.shape[1]
    if not damped:  # a steady sinusoid is one backwards, too
        covariance = 0.5 * (covariance + covariance.flip(1, 2))
    values, vectors = torch.linalg.eigh(covariance)
    limit = min(most or max(1, min(32, t // 8)), size // 2 - 1)
    if k is None:
        counts = _shortest(values.flip(1), slices.shape[1], limit)
    else:
        counts = torch.full((y.shape[0],), k, device=y.device)
    width = max(1, int(counts.max()))
    f, d = y.new_zeros(y.shape[0], width), y.new_zeros(y.shape[0], width)
    w = y.new_zeros(y.shape[0], 2, width)
    for count in counts.unique().tolist():
        if not count:
            continue
        rows = counts == count
        space = vectors[rows][:, :, -2 * count :]
        shift = torch.linalg.lstsq(space[:, :-1], space[:, 1:]).solution
        poles = torch.linalg.eigvals(shift)
        f[rows, :count], d[rows, :count] = _pairs(poles, count)
        f[rows, :count] = f[rows, :count].clamp(0.25 / t, 0.5 - 0.25 / t)
        if not damped:
            d[rows] = 0
        now = (y[rows], f[rows, :count], None, d[rows, :count])
        steps = 20 if polish else 0
        f[rows, :count], found, d[rows, :count], _ = refine(*now, damped=damped, steps=steps)
        w[rows, :, :count] = found.unflatten(1, (2, count))
    return _model.finish(t, f, w.flatten(1), d, counts)


def _pairs(poles: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Of conjugate pairs the upper ones, by angle: frequencies and dampings, (b, count)."""
    angle = poles.angle()
    # 2 count poles; where rounding made two real ones of a pair, the order still holds.
    order = angle.argsort(1, descending=True)[:, :count]
    f = (angle.gather(1, order) / (2 * math.pi)).clamp(0.0, 0.5)
    return f, -poles.abs().clamp(min=1e-300).log().gather(1, order)


def _shortest(values: Tensor, snapshots: int, most: int) -> Tensor:
    """Number of sinusoids with the shortest description, by eigenvalues from the largest down."""
    size = values.shape[1]
    values = values.clamp(min=1e-13 * values[:, :1]).clamp(min=1e-300)
    costs = []
    for count in range(most + 1):
        rest = values[:, 2 * count :]
        n = rest.shape[1]
        unlike = rest.log().mean(1) - rest.mean(1).log()
        free = 2 * count * (2 * size - 2 * count)
        # Overlapping windows are not independent: so many snapshots count as a `size`-th of them.
        worth = max(1.0, snapshots / size) * n
        costs.append(-worth * unlike + 0.5 * free / size * math.log(max(2, snapshots)))
    return torch.stack(costs, 1).argmin(1)
