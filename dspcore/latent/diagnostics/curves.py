"""Where a curve stands still and where it jumps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Points that a verdict is drawn from, at least.
LEAST = 8


@dataclass(frozen=True)
class Trend:
    """How a curve goes over a stretch of steps.

    Attributes:
        first: Step where the stretch begins.
        last: Step where it ends.
        level: Median of its values.
        percent: Change over the stretch in percent, from a robust slope of the logarithm.
        noise: Scatter around that slope in percent.
        flat: Whether it stands still.
    """

    first: int
    last: int
    level: float
    percent: float
    noise: float
    flat: bool


@dataclass(frozen=True)
class Jump:
    """A level that changed from one point to the next and stayed.

    Attributes:
        step: First step at the new level.
        before: Median before it.
        after: Median from it on.
        sizes: How many times larger than the usual scatter.
    """

    step: int
    before: float
    after: float
    sizes: float


def trend(
    steps: Sequence[int], values: Sequence[float], *, share: float = 0.4, percent: float = 1.5
) -> Trend | None:
    """Whether the last part of a curve stands still; None while there are too few points.

    The slope is the median of the slopes between all pairs (Theil-Sen) of the logarithm, which a
    few wild points do not move. It stands still where it falls by less than `percent` over the
    stretch, or by less than its scatter can pretend.

    Args:
        steps: Rising.
        values: Above 0; points that are not are left out.
        share: Of the curve that is looked at, from its end.
        percent: Change over the stretch below which it stands still.
    """
    x, y = _usable(steps, values)
    if len(x) < 2 * LEAST:
        return None
    begin = x[-1] - share * (x[-1] - x[0])
    inside = x >= begin
    if inside.sum() < LEAST:
        inside = np.arange(len(x)) >= len(x) - LEAST
    x, y = _thinned(x[inside], y[inside])
    i, j = np.triu_indices(len(x), 1)
    slope = float(np.median((y[j] - y[i]) / (x[j] - x[i])))
    rest = y - slope * x
    noise = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
    change = slope * (x[-1] - x[0])
    unsure = noise * (12 / len(x)) ** 0.5  # of the change, for points without a slope
    still = bool(change > -max(percent / 100, 1.5 * unsure))
    return Trend(
        int(x[0]), int(x[-1]), float(np.exp(np.median(y))),
        100 * float(np.expm1(change)), 100 * noise, still,
    )  # fmt: skip


def jumps(
    steps: Sequence[int],
    values: Sequence[float],
    *,
    around: int = 6,
    sizes: float = 6.0,
    percent: float = 5.0,
) -> list[Jump]:
    """Steps where a curve changed its level at once, and stayed there.

    A change is the difference of the medians of the `around` points before and after a place,
    beyond what the slopes on both sides explain; it counts where it is `sizes` times the scatter
    from point to point, and more than `percent`.

    Args:
        steps: Rising.
        values: Above 0.
        around: Points on each side.
        sizes: Least multiple of the scatter.
        percent: Least change.
    """
    x, y = _usable(steps, values)
    if len(x) < 2 * around:
        return []
    scatter = _scatter(y)
    scores = np.zeros(len(y))
    for k in range(around, len(y) - around + 1):
        sides = [(x[part], y[part]) for part in (slice(k - around, k), slice(k, k + around))]
        (x0, y0), (x1, y1) = ((np.mean(at), np.median(of)) for at, of in sides)
        # A fall is no jump where in between it is no steeper than before and no flatter than after.
        least, most = sorted(_slope(*side) * (x1 - x0) for side in sides)
        change = max(y1 - y0 - most, least - (y1 - y0))
        if change > percent / 100:
            scores[k] = change / scatter
    found: list[int] = []
    for k in np.argsort(-scores):
        if scores[k] < sizes:
            break
        if all(abs(k - other) >= around for other in found):
            found.append(int(k))
    return [
        Jump(
            int(x[k]),
            float(np.exp(np.median(y[k - around : k]))),
            float(np.exp(np.median(y[k : k + around]))),
            float(scores[k]),
        )
        for k in sorted(found)
    ]


def _scatter(y: NDArray[np.float64]) -> float:
    """Spread of single points about their neighbours, from second differences."""
    bends = y[2:] - 2 * y[1:-1] + y[:-2]
    return 1.4826 * float(np.median(np.abs(bends))) / 6**0.5 + 1e-3


def _slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    i, j = np.triu_indices(len(x), 1)
    return float(np.median((y[j] - y[i]) / (x[j] - x[i])))


def _usable(
    steps: Sequence[int], values: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps, and logarithms of the values."""
    x, y = np.asarray(steps, float), np.asarray(values, float)
    good = np.isfinite(y) & (y > 0)
    return x[good], np.log(y[good])


def _thinned(
    x: NDArray[np.float64], y: NDArray[np.float64], most: int = 200
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Medians of neighbours, so that all pairs stay few."""
    if len(x) <= most:
        return x, y
    parts = [np.array_split(v, most) for v in (x, y)]
    return tuple(np.array([np.median(p) for p in part]) for part in parts)  # type: ignore[return-value]
