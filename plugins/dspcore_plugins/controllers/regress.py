"""Supervised: the labels are free, as the pairs were rendered here."""

from __future__ import annotations

import torch
from torch import Tensor

from dspcore.style import Head
from dspcore_plugins.controllers.learning import HeadController, Heard


class Regress(HeadController):
    """Predict the settings of self-made pairs; learns in seconds, for any effect (the default)."""

    name = "regress"

    def learn(self, known: Heard, asked: Heard) -> None:
        """Least squares on the settings."""
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


def taught_by_labels(controller: HeadController, known: Heard, asked: Heard) -> Head:
    """What `regress` learns for another controller from the same pairs."""
    first = Regress(controller.pairing, controller.hidden)
    first.effect, first.encoder = controller.effect, controller.encoder
    first.budget = controller.budget
    first.learn(known, asked)
    assert first.head is not None
    return first.head
