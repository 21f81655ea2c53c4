"""Supervised: the labels are free, as the pairs were rendered here."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from dspcore.style import Budget, Encoder, Head, PairSource
from dspcore.style.rendering import AnyEffect
from dspcore_plugins.controllers.learning import HeadController, Heard, needed_pairs


class Regress(HeadController):
    """Predict the settings of self-made pairs; learns in seconds, for any effect (the default)."""

    name = "regress"

    def prepare(
        self,
        effect: AnyEffect,
        training: PairSource | None = None,
        validation: PairSource | None = None,
        *,
        encoder: Encoder | None = None,
        budget: Budget | None = None,
    ) -> Self:
        """Least squares on the settings."""
        super().prepare(effect, training, validation, encoder=encoder, budget=budget)
        if training is None and validation is None:
            return self
        needed_pairs(self.name, training, validation)
        assert training is not None
        assert validation is not None
        self.learn(Heard(self, training), Heard(self, validation))
        return self

    def learn(self, known: Heard, asked: Heard) -> Head:
        """From features that were heard already."""
        head = self.begin(known)

        def loss(module: Head, heard: Heard, rows: Tensor, step: int) -> Tensor:
            return (heard.settings(module, rows) - heard.pairs.p[rows]).square().mean(1)

        def validate(module: Head) -> float:
            with torch.no_grad():
                return float((asked.settings(module) - asked.pairs.p).square().mean())

        self.descend(
            head,
            known,
            loss,
            validate,
            steps=self.budget.steps,
            lr=self.lr,
            batch=self.batch,
            part="regress",
        )
        return head
