"""Least-squares refinement of sinusoids that are nearly right."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dspcore.errors import UserError
from dspcore.estimate import _model
from dspcore.estimate.result import Estimate


def varpro_polish(
    y: Tensor,
    frequencies: Tensor,
    *,
    dampings: Tensor | None = None,
    damped: bool = False,
    steps: int = 20,
    window: Tensor | None = None,
) -> Estimate:
    """Move frequencies to the nearest least-squares optimum, amplitudes solved for exactly.

    Levenberg-Marquardt on frequencies (and dampings) and amplitudes at once, in float64, for all
    items together. It reaches the rounding of the signal, or the Cramer-Rao bound in white noise,
    from within about half a bin of the truth; from elsewhere it finds another local minimum.

    Args:
        y: Signals, (b, t) or (t,).
        frequencies: Where to start, cycles per sample, (b, k).
        dampings: Where to start, nepers per sample, (b, k); 0 when left out.
        damped: Fit dampings too.
        steps: At most so many; it ends before when nothing moves.
        window: Weights of the samples, (t,); all equal when left out.

    Source:
        G. Golub and V. Pereyra, "Separable nonlinear least squares", Inverse Problems 19 (2003).
    """
    y = _model.checked("varpro_polish", y, None)
    if frequencies.ndim != 2 or frequencies.shape[0] != y.shape[0]:
        raise UserError(
            f"varpro_polish: frequencies must be (b, k) with b = {y.shape[0]}, "
            f"got {tuple(frequencies.shape)}"
        )
    d = None if dampings is None else dampings.detach().double()
    f = frequencies.detach().double()
    f, w, d, _ = refine(y, f, None, d, damped=damped, steps=steps, window=window)
    return _model.finish(y.shape[1], f, w, d)


def refine(
    y: Tensor,
    f: Tensor,
    w: Tensor | None = None,
    d: Tensor | None = None,
    *,
    damped: bool = False,
    steps: int = 20,
    window: Tensor | None = None,
    tolerance: float = 1e-11,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`varpro_polish` on plain tensors: f (b, k), w (b, 2k), d (b, k), and what is left, (b, t).

    `w` weighs `_model.columns`; what is left is multiplied by `window`. It ends when no item's
    squared error falls by more than `tolerance` of itself.
    """
    b, k = f.shape
    t = y.shape[1]
    place = torch.arange(t, dtype=torch.float64, device=y.device) - (t - 1) / 2
    unit = 1 / t  # a step of frequency that moves the ends by half a turn
    slope = 2 * math.pi * unit * place
    here = y
    if window is not None:
        here, slope = y * window, slope * window
    has_d = damped or d is not None
    d = torch.zeros_like(f) if d is None else d

    def basis(f: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        rows = _model.columns(f, t, d if has_d else None)
        return rows, rows if window is None else rows * window

    rows, seen = basis(f, d)
    if w is None:
        w = _model.amplitudes(here, seen)
    lam = torch.full((b,), 1e-3, dtype=torch.float64, device=y.device)
    residual = here - _model.mixed(w, seen)
    loss = residual.square().sum(1)
    for _ in range(steps):
        re, im = w[:, :k, None], w[:, k:, None]
        turned = re * rows[:, k:] - im * rows[:, :k]
        parts = [seen, turned.mul_(slope)]
        if damped:
            parts.append(-slope * (re * rows[:, :k] + im * rows[:, k:]))
        jac = torch.cat(parts, 1)
        gram = jac @ jac.mT
        right = (jac @ residual[..., None])[..., 0]
        diagonal = gram.diagonal(dim1=1, dim2=2)
        diagonal += lam[:, None] * diagonal
        step = _model.solve(gram, right)
        new_f = f + unit * step[:, 2 * k : 3 * k].clamp(-1.0, 1.0)
        new_f = new_f.clamp(0.25 / t, 0.5 - 0.25 / t)
        new_d = d
        if damped:
            new_d = d + 2 * math.pi * unit * step[:, 3 * k :].clamp(-1.0, 1.0)
            new_d = new_d.clamp(min=-4.0 / t)
        new_w = w + step[:, : 2 * k]
        new_rows, new_seen = basis(new_f, new_d)
        new_residual = here - _model.mixed(new_w, new_seen)
        new_loss = new_residual.square().sum(1)
        better = new_loss < loss
        fell = torch.where(better, 1 - new_loss / loss.clamp(min=1e-300), 0)
        settled = bool((fell < tolerance).logical_and(better | (lam > 1e3)).all())
        lam = torch.where(better, lam * 0.1, lam * 10).clamp(1e-12, 1e6)
        if bool(better.all()):
            f, d, w, rows, seen = new_f, new_d, new_w, new_rows, new_seen
            residual, loss = new_residual, new_loss
        else:
            on = better[:, None]
            f, d, w = (torch.where(on, n, o) for n, o in ((new_f, f), (new_d, d), (new_w, w)))
            residual = torch.where(on, new_residual, residual)
            loss = torch.where(better, new_loss, loss)
            rows = torch.where(on[..., None], new_rows, rows)
            seen = rows if window is None else rows * window
        if settled:
            break
    return f, w, d, residual
