"""A factor that changes as training goes on: of a learning rate, or of a loss's weight."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

from dspcore.errors import UserError

SHAPES = ("linear", "cosine", "exponential", "hold")


@dataclass
class Schedule:
    """A curve through points (step, factor), flat before the first and after the last.

    The factors may fall or rise. Without points the factor is 1.

    Attributes:
        points: (step, factor), the steps rising.
        shape: How the curve goes between two points: linear, cosine (flat at both ends),
            exponential (factors above 0), or hold (the earlier factor until the next point).
        warmup: Steps over which the whole rises from 0, linearly.
    """

    points: list[tuple[int, float]] = field(default_factory=list)
    shape: str = "linear"
    warmup: int = 0

    def __post_init__(self) -> None:
        """Checks the points."""
        if self.shape not in SHAPES:
            raise UserError(f"schedule: shape must be one of {', '.join(SHAPES)}, got {self.shape}")
        steps = [step for step, _ in self.points]
        if any(b <= a for a, b in pairwise(steps)):
            raise UserError(f"schedule: the steps of points must rise, got {steps}")
        if self.shape == "exponential" and any(factor <= 0 for _, factor in self.points):
            raise UserError("schedule: an exponential curve needs factors above 0")

    def __call__(self, step: int) -> float:
        """The factor at a step, counted from 0."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return rise * self._curve(step)

    def _curve(self, step: int) -> float:
        if not self.points:
            return 1.0
        if step <= self.points[0][0]:
            return self.points[0][1]
        for (first, low), (last, high) in pairwise(self.points):
            if step >= last:
                continue
            way = (step - first) / (last - first)
            if self.shape == "hold":
                return low
            if self.shape == "exponential":
                return math.exp(math.log(low) + way * (math.log(high) - math.log(low)))
            if self.shape == "cosine":
                way = (1 - math.cos(math.pi * way)) / 2
            return low + way * (high - low)
        return self.points[-1][1]
