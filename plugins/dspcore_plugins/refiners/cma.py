"""CMA-ES."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dspcore.patches import Refiner


class Cma(Refiner):
    """CMA-ES from the best candidate, with the spread of the best eight.

    Discrete settings keep a deviation of at least half the way to their next value.

    Args:
        spread: Least deviation of the first draws.
        widest: Largest one: the best of a data set may sound alike and lie far apart.
        population: Settings of a generation.

    Source:
        N. Hansen, "The CMA Evolution Strategy: A Tutorial", 2016; the margin for discrete settings
        after R. Hamano et al., "CMA-ES with Margin", GECCO 2022.
    """

    name = "cma"

    def __init__(self, spread: float = 0.06, widest: float = 0.1, population: int = 8) -> None:
        self.spread, self.widest, self.population = spread, widest, population
        self._search: Any = None
        self._waiting: list[Any] = []  # of a generation, not asked for yet
        self._told: list[tuple[Any, float]] = []

    def ask(self, count: int) -> Tensor:
        """The next of a generation."""
        if self._search is None:
            self._begin()
        if not self._waiting:
            self._waiting = self._search.ask(self.population)
        self._asked, self._waiting = self._waiting[:count], self._waiting[count:]
        return torch.tensor(np.stack(self._asked), dtype=torch.float32)

    def tell(self, u: Tensor, distances: Tensor, heard: Tensor) -> None:
        """A generation that is whole moves the search."""
        super().tell(u, distances, heard)
        if self._search is None:
            return
        self._told += zip(self._asked, distances.tolist(), strict=True)
        if len(self._told) == self.population:
            self._search.tell(*map(list, zip(*self._told, strict=True)))
            self._told = []

    def _begin(self) -> None:
        try:
            import cma
        except ImportError as error:
            raise RuntimeError(
                "cma: the package cma is not installed; run: pip install 'dspcore[style]'"
            ) from error
        best = self.tried[self.elite(8)]
        spread = (
            best.std(0).clamp(self.spread, self.widest)
            if len(best) > 1
            else torch.full_like(best[0], self.spread)
        )
        steps = torch.tensor([0.5 / size if size else 0.0 for size in self.layout.sizes])
        deviations = spread.maximum(steps).clamp(max=0.3)
        options = {
            "bounds": [0, 1],
            "seed": self.seed + 1,
            "verbose": -9,
            "popsize": self.population,
            "CMA_stds": deviations.double().tolist(),
        }
        middle = best[0].clamp(0.001, 0.999).double().numpy()
        self._search = cma.CMAEvolutionStrategy(middle, 1.0, options)
