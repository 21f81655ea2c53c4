"""Convolutional networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dspcore.errors import UserError
from dspcore.patches import Examples
from dspcore_plugins.estimators.backbones import Backbone, Plain, Residual
from dspcore_plugins.estimators.floors import Library
from dspcore_plugins.estimators.learning import Network
from dspcore_plugins.estimators.stand_in import StandIn, taught


class Cnn(Network):
    """A convolutional network on log-mel spectra with a head; the default, with residual blocks.

    Args:
        head: As of `Network`.
        size: As of `Network`.
        kind: residual, plain, or bare: plain without batch normalisation.
        lr: As of `Network`.
        batch: As of `Network`.
        normalised: As of `Network`.
        optimizer: As of `Network`.
        masked: As of `Network`.
        proxy: Train a stand-in of the synth beside it, and keep the training clips, which the
            refiner `proxy` and retrieval need; takes half of the budget's steps.
        dropout: Share of the last convolution's output that is left out at each step.
        covered: Share of the bands, and of the frames, that is at most covered at each step.
    """

    name = "cnn"

    def __init__(
        self,
        head: str = "joint",
        size: str = "medium",
        kind: str = "residual",
        lr: float = 2e-3,
        batch: int = 128,
        normalised: bool = True,
        optimizer: str = "adamw",
        masked: bool = False,
        proxy: bool = False,
        dropout: float = 0.0,
        covered: float = 0.0,
    ) -> None:
        super().__init__(head, size, lr, batch, normalised, optimizer, masked)
        if kind not in ("residual", "plain", "bare"):
            raise UserError(f"cnn: kind must be residual, plain or bare, got {kind!r}")
        for name, share in (("dropout", dropout), ("covered", covered)):
            if not 0 <= share < 1:
                raise UserError(f"cnn: {name} must be from 0 to below 1, got {share!r}")
        self.kind, self.proxy = kind, proxy
        self.dropout, self.covered = dropout, covered
        self.stand_in: StandIn | None = None
        self.library: Library | None = None
        self.count = 0

    def backbone(self) -> Backbone:
        """Plain or residual."""
        if self.kind == "residual":
            return Residual(*self.shape, self.size, dropout=self.dropout)
        return Plain(*self.shape, self.size, normed=self.kind == "plain", dropout=self.dropout)

    def build(self) -> None:
        """Network, and what stands beside it."""
        super().build()
        if self.proxy:
            self.stand_in = StandIn(self.layout, self.shape)
            self.library = Library(self.count, self.shape, len(self.layout))

    def learn(self, training: Examples, validation: Examples) -> None:
        """The network, then the stand-in."""
        self.count = len(training) if self.proxy else 0
        self.share = 0.5 if self.proxy else 1.0
        super().learn(training, validation)
        if self.stand_in is not None and self.library is not None:
            self.library.fill(training)
            taught(self.stand_in, training, self.budget, 0.5)

    def foresee(self, u: Tensor) -> Tensor | None:
        """What the stand-in says that settings (n, p) sound like, (n, bands, frames)."""
        if self.stand_in is None:
            return None
        return torch.cat([self.stand_in(part) for part in u.split(512)])

    def remembered(self, mel: Tensor, count: int) -> Tensor | None:
        """The settings of the training clips nearest to one spectrum."""
        if self.library is None:
            return None
        return self.library.u[self.library.nearest(mel[None], count)[0][0]]

    def module(self) -> nn.Module | None:
        """All of them."""
        parts = {"net": self.net, "stand_in": self.stand_in, "library": self.library}
        return nn.ModuleDict({k: v for k, v in parts.items() if v is not None})

    def kept(self) -> dict[str, Any]:
        """Number of clips."""
        return {"count": self.count}
