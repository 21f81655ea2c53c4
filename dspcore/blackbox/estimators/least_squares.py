"""Orthogonal directions, put together by least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dspcore.blackbox.estimators.space import Array, Space, one_sided, two_sided


@dataclass(frozen=True)
class LeastSquares:
    """Differences along orthogonal random directions; the gradient that explains them best.

    With as many pairs as parameters it is the gradient, up to the curvature; with k < p it is the
    projection on k of p directions, lengthened to be right in the mean: a cosine of ``sqrt(k/p)``.
    (With one side and k < p it is not where a parameter is at an edge: there is one way to go.)

    Args:
        pairs: Directions k; 0 for as many as there are parameters.
        sided: 2 renders on both sides of the setting, 1 on one.
    """

    pairs: int = 0
    sided: int = 2

    def renders(self, num_params: int) -> int:
        """Directions times `sided`."""
        return (self.pairs or num_params) * self.sided if num_params else 0

    def points(self, p: Array, space: Space, rng: np.random.Generator) -> Array:
        """First one end of every pair, then the other."""
        count, size = self.pairs or len(p), len(p)
        frames = [_orthogonal(size, rng) for _ in range(-(-count // size))]
        moves = np.sqrt(size) * np.concatenate(frames)[:count] * space.steps
        # An integer's step must reach the next one, whatever its share of the direction.
        least = np.where(moves < 0, -space.grid, space.grid)
        moves = np.where(np.abs(moves) < space.grid, least, moves)
        ahead, behind = space.reach(p + moves), space.reach(p - moves)
        if self.sided == 1:
            return np.where(np.abs(ahead - p) < np.abs(behind - p), behind, ahead)
        return np.concatenate([ahead, behind])

    def gradient(
        self, p: Array, points: Array, values: Array, centre: float, space: Space
    ) -> Array:
        """The shortest vector, in steps, with the differences that were seen."""
        if self.sided == 1:
            ways, rises = one_sided(p, points, values, centre)
        else:
            ways, rises = two_sided(p, points, values)
        moving = (ways != 0).any(0) if len(ways) else np.zeros(len(p), dtype=bool)
        found = np.zeros_like(p)
        if moving.any():
            # In lengths of the way there is, each parameter is as free to move as any other.
            scale = space.steps[moving]
            if self.sided == 2:
                ends = space.reach(p + space.steps) - space.reach(p - space.steps)
                scale = np.where(ends[moving] > 0, ends[moving], scale)
            solved, _, rank, _ = np.linalg.lstsq(ways[:, moving] * (1 / scale), rises, rcond=1e-9)
            found[moving] = solved / scale * (moving.sum() / max(rank, 1))
        return found


def _orthogonal(size: int, rng: np.random.Generator) -> Array:
    """A random rotation, (size, size): every direction is as likely as any other."""
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return q * np.sign(np.diag(r))
