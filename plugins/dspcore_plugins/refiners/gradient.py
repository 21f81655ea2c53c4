"""Descent through the synth."""

from __future__ import annotations

import torch
from torch import Tensor

from dspcore.errors import UserError
from dspcore.patches import Estimator, Refiner


class Gradient(Refiner):
    """Descend from the best candidates with the exact gradient of a differentiable synth (Adam).

    Discrete settings stay as the candidate has them.

    Args:
        lr: Step, of the range of a setting.
        starts: Candidates that are followed.
    """

    name = "gradient"
    needs_gradient = True

    def __init__(self, lr: float = 0.02, starts: int = 2) -> None:
        self.lr, self.starts = lr, starts

    def start(self, target: Tensor, estimator: Estimator, seed: int) -> None:
        """Nothing is followed yet."""
        super().start(target, estimator, seed)
        self.now: Tensor | None = None
        self.turn = 0

    def ask(self, count: int) -> Tensor:
        """The places where the descents are."""
        if self.now is None:
            self.now = self.tried[self.elite(self.starts)].clone()
            self.first, self.second = torch.zeros_like(self.now), torch.zeros_like(self.now)
        return self.now[:count]

    def tell(self, u: Tensor, distances: Tensor, heard: Tensor) -> None:
        """One step of each descent."""
        super().tell(u.detach(), distances.detach(), heard.detach())
        if self.now is None:
            return
        if not distances.requires_grad:
            raise UserError(
                "gradient: this synth has no gradient; take dspcore's own voices, or the refiner "
                "proxy or cma"
            )
        (slope,) = torch.autograd.grad(distances.sum(), u)
        slope = slope.nan_to_num().masked_fill(self.layout.discrete, 0.0)
        n, self.turn = len(u), self.turn + 1
        self.first[:n] += 0.2 * (slope - self.first[:n])
        self.second[:n] += 0.05 * (slope.square() - self.second[:n])
        step = self.first[:n] / (1 - 0.8**self.turn)
        size = (self.second[:n] / (1 - 0.95**self.turn)).sqrt() + 1e-8
        self.now[:n] = (self.now[:n] - self.lr * step / size).clamp(0, 1)
