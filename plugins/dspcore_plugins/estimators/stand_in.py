"""A network that foresees the spectrum of a patch: thousands in the time of one render."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dspcore.patches import Budget, Examples, Layout, to_bins
from dspcore_plugins.estimators.learning import descend


class StandIn(nn.Module):
    """From encoded settings to a log-mel spectrum.

    Args:
        layout: Of the parameters.
        shape: Bands and frames.
        width: Hidden units.
    """

    def __init__(self, layout: Layout, shape: tuple[int, int], width: int = 512) -> None:
        super().__init__()
        self.layout, self.shape = layout, shape
        inputs = sum(size or 5 for size in layout.sizes)
        self.first = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
            )
            for _ in range(3)
        )
        self.last = nn.Linear(width, shape[0] * shape[1])
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(()))
        self.mean: Tensor
        self.deviation: Tensor

    def forward(self, u: Tensor) -> Tensor:
        """(n, p) to (n, bands, frames), in dB."""
        return self.said(u) * self.deviation + self.mean

    def said(self, u: Tensor) -> Tensor:
        """The same before it is scaled."""
        parts = []
        for i, size in enumerate(self.layout.sizes):
            x = u[:, i : i + 1]
            if size:
                parts.append(functional.one_hot(to_bins(x, [size])[:, 0], size).to(u))
            else:
                parts += [2 * x - 1, *((torch.pi * k * x).cos() for k in (1, 2, 3, 4))]
        x = self.first(torch.cat(parts, 1))
        for block in self.blocks:
            x = x + block(x)
        return self.last(functional.gelu(x)).unflatten(1, self.shape)


def taught(stand_in: StandIn, training: Examples, budget: Budget, share: float) -> None:
    """Train it on examples, by square error, with a share of the budget."""
    mel = training.mel[:: max(1, len(training) // 4000)].float()
    stand_in.mean.copy_(mel.mean(0))
    stand_in.deviation.copy_((mel - stand_in.mean).square().mean().sqrt())

    def loss(model: StandIn, rows: Tensor, step: int) -> Tensor:
        wanted = (training.mel[rows].float() - model.mean) / model.deviation
        return (model.said(training.u[rows]) - wanted).square().mean()

    descend(stand_in, loss, len(training), budget, lr=2e-3, batch=128, part="stand_in", share=share)
