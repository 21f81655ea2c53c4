"""Least squares on the waveform, with the exact Jacobian by forward-mode derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Step:
    """Where the search stands after a step."""

    free: Tensor  # (p,) unbounded coordinates
    power: float  # sum of squares of the residual


def levenberg_marquardt(
    residual: Callable[[Tensor], Tensor], free: Tensor, steps: int
) -> Iterator[Step]:
    """Minimise ``sum residual(free)^2`` by damped Gauss-Newton steps.

    Args:
        residual: From (p,) to any shape, through differentiable ops that know forward mode.
        free: Where to start, (p,) float64.
        steps: At most so many; ends early when steps no longer help.

    Yields:
        A `Step` after every accepted or refused step, the best one so far.

    Source:
        D. Marquardt, "An Algorithm for Least-Squares Estimation of Nonlinear Parameters", 1963.
    """
    basis = torch.eye(free.numel(), dtype=free.dtype, device=free.device)
    damping, growth = 1e-2, 2.0
    error = residual(free).flatten()
    power = float(error.square().sum())
    jacobian: Tensor | None = None
    for _ in range(steps):
        if jacobian is None:
            jacobian = _jacobian(residual, free, basis)
            normal, slope = jacobian @ jacobian.T, jacobian @ error
        # A parameter that hardly matters must not run away, nor hold the others back.
        scale = normal.diagonal() + 1e-5 * normal.diagonal().max() + 1e-300
        step = torch.linalg.solve(normal + damping * torch.diag(scale), -slope).clamp(-2.0, 2.0)
        trial = free + step
        trial_error = residual(trial).flatten()
        trial_power = float(trial_error.square().sum())
        if trial_power < power:
            gain = 1 - trial_power / power
            free, error, power, jacobian = trial, trial_error, trial_power, None
            damping, growth = max(damping / 5, 1e-12), 2.0
            yield Step(free, power)
            if gain < 1e-6:
                return
        else:
            damping, growth = damping * growth, growth * 2
            yield Step(free, power)
            if damping > 1e8:
                return


def _jacobian(residual: Callable[[Tensor], Tensor], free: Tensor, basis: Tensor) -> Tensor:
    """Derivatives of the residual along every coordinate, (p, n), a few at a time."""

    def along(direction: Tensor) -> Tensor:
        return torch.func.jvp(residual, (free,), (direction,))[1].flatten()

    return torch.cat([torch.func.vmap(along)(part) for part in basis.split(8)])
