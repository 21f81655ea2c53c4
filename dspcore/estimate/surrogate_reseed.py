"""The complex surrogate with components that did not find a sinusoid started again elsewhere."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dspcore.estimate import _model
from dspcore.estimate.polish import refine
from dspcore.estimate.result import Estimate
from dspcore.estimate.surrogate import Descent, Loss


def surrogate_reseed(
    y: Tensor,
    k: int,
    *,
    loss: str | Loss = "mse",
    steps: int = 1500,
    every: int = 150,
    seed: int = 0,
    polish: bool = True,
) -> Estimate:
    """Descend as `surrogate` does, and now and then move the weakest to what is left over.

    Every so many steps the components are read as steady sinusoids with their best amplitudes. The
    one that is missed least (two at one frequency make up for each other) goes to the highest peak
    of the residual, if that peak explains more. An honest peak picker inside a gradient loop: it
    solves what the surrogate alone does not.

    Args:
        y: Signals, (b, t) or (t,).
        k: How many sinusoids.
        loss: As in `surrogate`.
        steps: Of Adam in all.
        every: Steps between two looks.
        seed: Of the random starts.
        polish: Refine as steady sinusoids by least squares.
    """
    y = _model.checked("surrogate_reseed", y, k)
    descent = Descent(y, k, loss, steps, seed)
    while descent.done < steps:
        for _ in range(min(every, steps - descent.done)):
            descent.step()
        for _ in range(k):
            if not _reseed(descent):
                break
    return descent.estimate(polish=polish)


def _reseed(descent: Descent) -> bool:
    """Move one component of every item where that explains more; whether any was moved."""
    y = descent.y
    t = y.shape[1]
    f = descent.frequencies()
    k = f.shape[1]
    f, w, _, left = refine(y, f, steps=3, tolerance=1e-3)
    others = _value(f, w, t)
    least, at = others.min(1)
    new, _ = _model.strongest(left)
    rows = _model.columns(new[:, None], t)
    found = _model.amplitudes(left, rows)
    gain = found.square().sum(1) * t / 2
    power = y.square().sum(1)
    move = (gain > 1.5 * least) & (gain > 1e-9 * power)
    if not bool(move.any()):
        return False
    items = move.nonzero()[:, 0]
    f[items, at[items]] = new[items]
    f, w, _, _ = refine(y, f, steps=3, tolerance=1e-3)
    z = torch.polar(torch.ones_like(f), 2 * math.pi * f)
    c = torch.complex(w[:, :k], w[:, k:]) * torch.exp(-1j * math.pi * (t - 1) * f)
    value = torch.stack([z, c / descent.scale]).to(descent.value.dtype)
    for old, fresh in ((descent.value, value), (descent.first, 0), (descent.second, 0)):
        old[:, items] = fresh[:, items] if isinstance(fresh, Tensor) else fresh
    return True


def _value(f: Tensor, w: Tensor, t: int) -> Tensor:
    """Rise of the squared error when one goes and the others' amplitudes are solved anew."""
    rows = _model.columns(f, t)
    k = f.shape[1]
    identity = torch.eye(2 * k, dtype=f.dtype, device=f.device)
    inverse = torch.linalg.inv(rows @ rows.mT + 1e-9 * t * identity)
    at = torch.arange(k, device=f.device)
    pair = torch.stack([at, at + k], 1)
    blocks = inverse[:, pair[:, :, None], pair[:, None, :]]
    value = torch.stack([w[:, :k], w[:, k:]], -1)
    return (value * torch.linalg.solve(blocks, value)).sum(-1)
