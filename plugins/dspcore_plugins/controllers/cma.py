"""Search when asked."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dspcore.style import Controller, heard
from dspcore.style.rendering import render


class Cma(Controller):
    """Search the settings for each pair anew, until input and reference sound alike to the encoder.

    Learns nothing; `Budget.renders` for every pair (CMA-ES).

    Args:
        population: Settings tried at a time.
        spread: Of the first ones, around the middle.

    Source:
        C. J. Steinmetz et al., "ST-ITO: Controlling Audio Effects for Style Transfer with
        Inference-Time Optimization", ISMIR 2024.
    """

    name = "cma"
    listens = True

    def __init__(self, population: int = 16, spread: float = 0.25) -> None:
        self.population, self.spread = population, spread

    def params(self, dry: Tensor, reference: Tensor, *, truth: Tensor | None = None) -> Tensor:
        """The best found for each pair."""
        try:
            import cma
        except ImportError as error:
            raise RuntimeError(
                "cma: the package cma is not installed; run: pip install 'dspcore[style]'"
            ) from error
        (wanted,) = heard(self.encoder, reference)
        scale = self._scale(dry)
        found = []
        for i, goal in enumerate(wanted):
            options = {
                "bounds": [0, 1],
                "seed": self.budget.seed + i + 1,
                "verbose": -9,
                "popsize": self.population,
                "maxfevals": self.budget.renders,
            }
            search = cma.CMAEvolutionStrategy([0.5] * self.effect.num_params, self.spread, options)
            while not search.stop():
                asked = search.ask()
                p = torch.from_numpy(np.stack(asked)).clamp(0, 1)
                sound, good = render(self.effect, dry[i : i + 1].expand(len(p), -1, -1), p)
                good &= sound.flatten(1).any(1)
                far = torch.full((len(p),), 1e6)
                if bool(good.any()):
                    (features,) = heard(self.encoder, sound[good])
                    far[good] = ((features - goal) / scale).square().mean(1)
                search.tell(asked, far.tolist())
            found.append(torch.from_numpy(np.clip(search.result.xbest, 0.0, 1.0)))
        return torch.stack(found).double()

    def _scale(self, dry: Tensor) -> Tensor:
        """How far the effect moves each feature, so that none rules the others."""
        generator = torch.Generator().manual_seed(self.budget.seed)
        p = self.effect.random(32, generator).double()
        sound, good = render(self.effect, dry[torch.arange(32) % len(dry)], p)
        good &= sound.flatten(1).any(1)
        (features,) = heard(self.encoder, sound[good])
        return features.std(0).clamp(min=1e-3)
