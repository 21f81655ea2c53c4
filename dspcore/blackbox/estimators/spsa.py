"""All parameters at once, in random directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dspcore.blackbox.estimators.space import Array, Space, one_sided, two_sided


@dataclass(frozen=True)
class SPSA:
    """Simultaneous perturbation: every parameter one step up or down by the toss of a coin.

    The mean over `pairs` has a cosine of ``sqrt(k / (k + p - 1))`` to the gradient of a smooth
    function of p parameters.

    Args:
        pairs: Tosses k.
        sided: 2 renders on both sides of the setting; 1 on one side: half the renders, biased
            where the plug-in is not smooth, or two parameters are at an edge of their range.

    Source:
        J. C. Spall, "Multivariate Stochastic Approximation Using a Simultaneous Perturbation
        Gradient Approximation", IEEE Trans. Automatic Control 37(3), 1992, eq. 2.2; with the step
        that was actually made, not the intended one, in the denominator.
    """

    pairs: int = 4
    sided: int = 2

    def renders(self, num_params: int) -> int:
        """`pairs` times `sided`."""
        return self.pairs * self.sided if num_params else 0

    def points(self, p: Array, space: Space, rng: np.random.Generator) -> Array:
        """First one end of every pair, then the other."""
        moves = rng.choice([-1.0, 1.0], (self.pairs, len(p))) * space.steps
        if self.sided == 1:  # a step that the range forbids goes the other way
            ahead = space.reach(p + moves)
            return np.where(ahead == p, space.reach(p - moves), ahead)
        return np.concatenate([space.reach(p + moves), space.reach(p - moves)])

    def gradient(
        self, p: Array, points: Array, values: Array, centre: float, space: Space
    ) -> Array:
        """The mean of difference over way, parameter by parameter."""
        if self.sided == 1:
            ways, rises = one_sided(p, points, values, centre)
        else:
            ways, rises = two_sided(p, points, values)
        if not len(rises):
            return np.zeros_like(p)
        moved = ways != 0
        slopes = np.divide(rises[:, None], ways, out=np.zeros_like(ways), where=moved)
        return slopes.sum(0) / np.maximum(moved.sum(0), 1)
