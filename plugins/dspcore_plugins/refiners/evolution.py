"""Differential evolution."""

from __future__ import annotations

import torch
from torch import Tensor

from dspcore.patches import Refiner


class Evolution(Refiner):
    """Differential evolution (current-to-best/1/bin) of the candidates; discrete values are copied.

    Args:
        factor: Of the differences.
        crossover: Share of the settings that a child has from elsewhere.
        population: How many of the candidates live.

    Source:
        R. Storn, K. Price, "Differential Evolution", J. Global Optimization 11, 1997.
    """

    name = "evolution"

    def __init__(self, factor: float = 0.5, crossover: float = 0.4, population: int = 16) -> None:
        self.factor, self.crossover, self.population = factor, crossover, population

    def ask(self, count: int) -> Tensor:
        """Children of the living."""
        living = self.elite(max(4, self.population))
        u = self.tried[living]
        n, p = u.shape
        pick = torch.randint(n, (3, count), generator=self.generator)
        own, a, b = u[pick[0]], u[pick[1]], u[pick[2]]
        child = own + self.factor * (u[0] - own) + self.factor * (a - b)
        child = torch.where((child < 0) | (child > 1), own, child)
        child = torch.where(self.layout.discrete, a, child)
        taken = torch.rand(count, p, generator=self.generator) < self.crossover
        taken[torch.arange(count), torch.randint(p, (count,), generator=self.generator)] = True
        return torch.where(taken, child, own)
