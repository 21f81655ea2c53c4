"""Where an estimator may ask for values: settings in [0, 1] with their steps and grids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Space:
    """Settings p in [0, 1] and how far to step from them.

    Args:
        steps: (p,), how far to one side.
        grid: (p,), distance of the values that a setting may have (an integer's); 0 for any.
    """

    steps: Array
    grid: Array

    def reach(self, points: Array) -> Array:
        """The settings nearest to `points` (m, p) that there are.

        An estimator divides by what lies between these, not between those it would have liked: at
        an end of the range half of a pair's way is cut off.
        """
        inside = np.clip(points, 0.0, 1.0)
        coarse = self.grid > 0
        if coarse.any():
            grid = np.where(coarse, self.grid, 1.0)
            inside = np.where(coarse, np.clip(np.rint(inside / grid) * grid, 0.0, 1.0), inside)
        return inside


class Estimator(Protocol):
    """Finds the gradient of a number (a loss, or a product with a gradient) at a setting."""

    def renders(self, num_params: int) -> int:
        """How many values it asks for."""
        ...

    def points(self, p: Array, space: Space, rng: np.random.Generator) -> Array:
        """Settings (m, p) to ask for, around `p` (p,)."""
        ...

    def gradient(
        self, p: Array, points: Array, values: Array, centre: float, space: Space
    ) -> Array:
        """The gradient (p,) from the values (m,) there, NaN where there is none.

        Args:
            p: The setting.
            points: What `points` returned.
            values: The number at each.
            centre: The number at `p`.
            space: The same.
        """
        ...


class AudioEstimator(Protocol):
    """Finds the gradient with respect to the audio at the input."""

    def probes(self, audio: Array, rng: np.random.Generator) -> Array:
        """Sounds (m, c, t) to render, around `audio` (c, t)."""
        ...

    def gradient(self, audio: Array, probes: Array, outputs: Array, slope: Array) -> Array:
        """The gradient (c, t) from what came of the probes.

        Args:
            audio: (c, t).
            probes: What `probes` returned.
            outputs: (m, outputs, t), NaN where there is none.
            slope: Of the loss at the output, (outputs, t).
        """
        ...


def two_sided(p: Array, points: Array, values: Array) -> tuple[Array, Array]:
    """Ways (k, p) between the two of each pair, and the differences (k,) of their values."""
    half = len(points) // 2
    ways, rises = points[:half] - points[half:], values[:half] - values[half:]
    good = np.isfinite(rises)
    return ways[good], rises[good]


def one_sided(p: Array, points: Array, values: Array, centre: float) -> tuple[Array, Array]:
    """Ways (k, p) from the setting, and how much the values differ from its own."""
    rises = values - centre
    good = np.isfinite(rises)
    return (points - p)[good], rises[good]
