"""One parameter at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dspcore.blackbox.estimators.space import Array, Space


@dataclass(frozen=True)
class Differences:
    """Finite differences, coordinate by coordinate: exact up to the third derivative.

    At an end of the range both renders lie inside, one and two steps from the end, and the slope is
    that of the parabola through the three values.

    A parameter without a smooth effect, a delay's time, spoils its own slope alone; in directions
    that move all parameters at once it spoils every other one's, too.

    Args:
        sided: 2 renders for each parameter; 1 on one side alone, exact up to the second derivative.
        params: How many parameters, drawn anew each time, are looked at; 0 for all. With k of p
            the slopes count p/k times, right in the mean: a cosine of ``sqrt(k/p)``.
    """

    sided: int = 2
    params: int = 0

    def renders(self, num_params: int) -> int:
        """Parameters times `sided`."""
        return self.sided * (min(self.params, num_params) or num_params)

    def points(self, p: Array, space: Space, rng: np.random.Generator) -> Array:
        """One for each parameter, then the other."""
        moves = np.diag(np.maximum(space.steps, space.grid))
        if 0 < self.params < len(p):
            moves = moves[np.sort(rng.permutation(len(p))[: self.params])]
        ahead, behind = space.reach(p + moves), space.reach(p - moves)
        stuck = np.abs(ahead - p) < 0.5 * moves
        if self.sided == 1:
            return np.where(stuck, behind, ahead)
        ahead = np.where(stuck, space.reach(p - 2 * moves), ahead)
        behind = np.where(np.abs(behind - p) < 0.5 * moves, space.reach(p + 2 * moves), behind)
        return np.concatenate([ahead, behind])

    def gradient(
        self, p: Array, points: Array, values: Array, centre: float, space: Space
    ) -> Array:
        """The slope of a parabola, or of a line where one of its renders failed."""
        half = len(points) // self.sided
        found = np.zeros(len(p))
        for k in range(half):
            ways, rises = points[k::half] - p, values[k::half] - centre
            j = int(np.abs(ways).sum(0).argmax())
            good = (ways[:, j] != 0) & np.isfinite(rises)
            way, rise = ways[good, j], rises[good]
            if len(way) == 2 and way[0] != way[1]:
                (a, b), (up, down) = way, rise
                found[j] = (up * b / a - down * a / b) / (b - a)
            elif len(way):
                found[j] = rise[0] / way[0]
        return found * (len(p) / half if half else 1.0)
