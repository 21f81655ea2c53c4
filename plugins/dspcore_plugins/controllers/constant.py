"""One setting for every pair."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from dspcore.errors import UserError
from dspcore.style import Budget, Controller, Encoder, PairSource, level_matched, stft_distance
from dspcore.style.rendering import AnyEffect, render


class Constant(Controller):
    """The one setting that is best for all training pairs: what a preset achieves.

    Args:
        candidates: Settings tried, beside the middle and the effect's own.
        items: Training pairs that they are tried on.
    """

    name = "constant"
    learns = True

    def __init__(self, candidates: int = 24, items: int = 16) -> None:
        self.candidates, self.items = candidates, items
        self.kept_setting: _Setting | None = None

    def prepare(
        self,
        effect: AnyEffect,
        training: PairSource | None = None,
        validation: PairSource | None = None,
        *,
        encoder: Encoder | None = None,
        budget: Budget | None = None,
    ) -> Self:
        """Try candidates on training pairs; the least mean distance at equal level wins."""
        super().prepare(effect, training, validation, encoder=encoder, budget=budget)
        if training is None:
            return self
        pairs = training.take(range(min(self.items, len(training))))
        generator = torch.Generator().manual_seed(self.budget.seed)
        own = effect.normalize().reshape(1, -1).double()
        drawn = effect.random(self.candidates, generator).double()
        tried = torch.cat([own, torch.full_like(own, 0.5), drawn, 0.5 + 0.5 * (drawn - 0.5)])
        means = []
        for p in tried:
            sound, good = render(effect, pairs.dry, p.expand(len(pairs), -1))
            found = stft_distance(
                level_matched(sound, pairs.target), pairs.target, (128, 512, 2048)
            )
            means.append(float(found.mean()) if bool(good.all()) else float("inf"))
        self.restore(effect, None, {})
        assert self.kept_setting is not None
        self.kept_setting.p.copy_(tried[int(torch.tensor(means).argmin())])
        return self

    def params(self, dry: Tensor, reference: Tensor, *, truth: Tensor | None = None) -> Tensor:
        """The same for all."""
        if self.kept_setting is None:
            raise UserError("constant: has not learnt yet; prepare() it with training pairs")
        return self.kept_setting.p.expand(len(dry), -1)

    def module(self) -> nn.Module | None:
        """The setting."""
        return self.kept_setting

    def restore(self, effect: AnyEffect, encoder: Encoder | None, facts: dict[str, Any]) -> None:
        """Room for the setting."""
        self.kept_setting = _Setting(effect.num_params)


class _Setting(nn.Module):
    def __init__(self, num_params: int) -> None:
        super().__init__()
        self.register_buffer("p", torch.zeros(num_params, dtype=torch.float64))
        self.p: Tensor
