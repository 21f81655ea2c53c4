"""Look-up."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from dspcore.errors import UserError
from dspcore.style import Budget, Controller, Encoder, PairSource, heard
from dspcore.style.rendering import AnyEffect


class Nearest(Controller):
    """Take the settings of the training pairs whose sounds differ most alike.

    Args:
        neighbours: Whose settings are averaged.
    """

    name = "nearest"
    learns = True
    listens = True

    def __init__(self, neighbours: int = 5) -> None:
        self.neighbours = neighbours
        self.presets: _Presets | None = None

    def prepare(
        self,
        effect: AnyEffect,
        training: PairSource | None = None,
        validation: PairSource | None = None,
        *,
        encoder: Encoder | None = None,
        budget: Budget | None = None,
    ) -> Self:
        """Remember what every training pair sounds like."""
        super().prepare(effect, training, validation, encoder=encoder, budget=budget)
        if training is None:
            return self
        if encoder is None:
            raise UserError("nearest: hears through an encoder; give one to prepare()")
        pairs = training.all()
        dry, reference = training.heard(encoder)
        self.restore(effect, encoder, {"count": len(pairs), "dims": dry.shape[1]})
        assert self.presets is not None
        way = reference - dry
        self.presets.deviation.copy_(way.std(0).clamp(min=1e-4))
        self.presets.ways.copy_(way / self.presets.deviation)
        self.presets.p.copy_(pairs.p)
        return self

    def params(self, dry: Tensor, reference: Tensor, *, truth: Tensor | None = None) -> Tensor:
        """The mean setting of the nearest."""
        if self.presets is None:
            raise UserError("nearest: has not learnt yet; prepare() it with training pairs")
        first, second = heard(self.encoder, dry, reference)
        way = (second - first) / self.presets.deviation
        near = torch.cdist(way, self.presets.ways)
        found = near.topk(min(self.neighbours, near.shape[1]), largest=False).indices
        return self.presets.p[found].mean(1)

    def module(self) -> nn.Module | None:
        """The pairs."""
        return self.presets

    def kept(self) -> dict[str, Any]:
        """Their number and size."""
        assert self.presets is not None
        count, dims = self.presets.ways.shape
        return {"count": count, "dims": dims}

    def restore(self, effect: AnyEffect, encoder: Encoder | None, facts: dict[str, Any]) -> None:
        """Room for them."""
        self.presets = _Presets(facts["count"], facts["dims"], effect.num_params)


class _Presets(nn.Module):
    def __init__(self, count: int, dims: int, num_params: int) -> None:
        super().__init__()
        self.register_buffer("ways", torch.zeros(count, dims))
        self.register_buffer("deviation", torch.ones(dims))
        self.register_buffer("p", torch.zeros(count, num_params, dtype=torch.float64))
        self.ways: Tensor
        self.deviation: Tensor
        self.p: Tensor
