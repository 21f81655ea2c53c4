"""Chance."""

from __future__ import annotations

import torch
from torch import Tensor

from dspcore.style import Controller


class Random(Controller):
    """Draw every setting evenly: what chance achieves."""

    name = "random"

    def params(self, dry: Tensor, reference: Tensor, *, truth: Tensor | None = None) -> Tensor:
        """The same for the same seed of the budget."""
        generator = torch.Generator().manual_seed(self.budget.seed)
        return self.effect.random(len(dry), generator).double()
