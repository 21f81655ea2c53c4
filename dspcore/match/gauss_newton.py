"""Least squares on the waveform; the Jacobian by forward-mode derivatives, or by differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import forward_ad

_TRIALS = (1.0, 8.0, 64.0, 0.1)  # dampings tried at once, over the present one: rows are cheap
_AT_ONCE = 1 << 22  # samples of a batch of directions
_LONGEST = 3.0  # of a step in any coordinate
_NO_GAIN, _STUCK = 1e-6, 1e8
_APART = 0.02  # of the two settings of a difference, either way; 0.005 of a range at its middle


@dataclass
class Step:
    """Where the search stands after a step."""

    free: Tensor  # (p,) unbounded coordinates
    power: float  # sum of squares of the residual


def levenberg_marquardt(
    residual: Callable[[Tensor], Tensor], free: Tensor, steps: int, *, exact: bool = True
) -> Iterator[Step]:
    """Minimise ``sum residual(free)^2`` by damped Gauss-Newton steps.

    Args:
        residual: From (b, p) to (b, ...), every row by itself; where `exact`, through
            differentiable ops that know forward mode.
        free: Where to start, (p,) float64.
        steps: At most so many; ends early when steps no longer help.
        exact: Whether the Jacobian is exact, by forward mode; else by central differences.

    Yields:
        A `Step` after every accepted or refused step, the best one so far.

    Source:
        D. Marquardt, "An Algorithm for Least-Squares Estimation of Nonlinear Parameters", 1963.
    """
    damping = 1e-2
    error = residual(free[None]).flatten()
    power = float(error.square().sum())
    slope: Tensor | None = None
    for _ in range(steps):
        if slope is None:
            rows = jacobian(residual, free, error.numel(), exact=exact)
            normal, slope = rows @ rows.T, rows @ error
        # A parameter that hardly matters must not run away, nor hold the others back.
        diagonal = normal.diagonal()
        scale = torch.diag(diagonal + 1e-5 * diagonal.max() + 1e-300)
        dampings = damping * torch.tensor(_TRIALS, dtype=free.dtype)
        moves = torch.linalg.solve(normal + dampings[:, None, None] * scale, -slope)
        trials = free + moves.clamp(-_LONGEST, _LONGEST)
        errors = residual(trials).flatten(1)
        powers = errors.square().sum(1)
        choice = int(powers.argmin())
        if float(powers[choice]) < power:
            gain = 1 - float(powers[choice]) / power
            free, error, power = trials[choice], errors[choice], float(powers[choice])
            slope, damping = None, max(float(dampings[choice]) / 3, 1e-12)
            yield Step(free, power)
            if gain < _NO_GAIN:
                return
        else:
            damping *= 4 * max(_TRIALS)
            yield Step(free, power)
            if damping > _STUCK:
                return


def jacobian(
    residual: Callable[[Tensor], Tensor], free: Tensor, size: int, *, exact: bool
) -> Tensor:
    """Derivatives of the residual along every coordinate, (p, n): a row of the batch each.

    Args:
        residual: As in `levenberg_marquardt`.
        free: Where, (p,).
        size: Numbers in a residual, n.
        exact: As in `levenberg_marquardt`.
    """
    basis = torch.eye(free.numel(), dtype=free.dtype)
    return slopes(residual, free.expand_as(basis), basis, size, exact=exact)


def slopes(
    residual: Callable[[Tensor], Tensor], at: Tensor, along: Tensor, size: int, *, exact: bool
) -> Tensor:
    """Derivatives of the residual at places `at` (b, p) along directions (b, p), (b, n)."""
    some = max(1, _AT_ONCE // size)
    pairs = zip(at.split(some), along.split(some), strict=True)
    return torch.cat([(_exact if exact else _differences)(residual, *pair) for pair in pairs])


def _exact(residual: Callable[[Tensor], Tensor], at: Tensor, along: Tensor) -> Tensor:
    with forward_ad.dual_level(), torch.no_grad():
        ahead = residual(forward_ad.make_dual(at.clone(), along))
        return forward_ad.unpack_dual(ahead).tangent.flatten(1)


def _differences(residual: Callable[[Tensor], Tensor], at: Tensor, along: Tensor) -> Tensor:
    """The same for what has no forward mode, as a plug-in: half the change over two small steps."""
    part = _APART * along
    with torch.no_grad():
        ahead, behind = residual(torch.cat([at + part, at - part])).flatten(1).chunk(2)
    return (ahead - behind) / (2 * _APART)
