"""Through effects whose gradients are exact."""

from __future__ import annotations

import torch
from torch import Tensor

from dspcore.blackbox import BlackBox
from dspcore.errors import UserError
from dspcore.rack import Rack
from dspcore.style import Head, level_matched, stft_distance
from dspcore.style.metrics import Level
from dspcore.style.rendering import AnyEffect, played
from dspcore_plugins.controllers.learning import HeadController, Heard
from dspcore_plugins.controllers.regress import taught_by_labels
from dspcore_plugins.controllers.spsa import TRAINED_ON, distances


class Autodiff(HeadController):
    """Descend on the sound's distance with exact gradients; for dspcore's own effects and chains.

    Args:
        pairing: As of `regress`.
        hidden: As of `regress`.
        lr: Learning rate at first.
        batch: Pairs in a step.
        steps: At most, beside the budget's.
        after_regress: Begin with `regress`.
        level: As of `spsa`.
    """

    name = "autodiff"

    def __init__(
        self,
        pairing: str = "concat+diff",
        hidden: int = 128,
        lr: float = 1e-3,
        batch: int = 8,
        steps: int = 120,
        after_regress: bool = True,
        level: Level = "rms",
    ) -> None:
        super().__init__(pairing, hidden, lr, batch)
        self.steps, self.after_regress, self.level = steps, after_regress, level

    def accept(self, effect: AnyEffect) -> None:
        """No plug-in may be among the effects."""
        parts = list(effect) if isinstance(effect, Rack) else [effect]
        boxes = [part for part in parts if isinstance(part, BlackBox)]
        if boxes:
            raise UserError(
                f"autodiff: {boxes[0].source} is a plug-in, which has no exact gradient; "
                "use regress+spsa"
            )

    def learn(self, known: Heard, asked: Heard) -> None:
        """Through the effect itself."""
        if self.after_regress:
            self.head = taught_by_labels(self, known, asked)
        else:
            self.begin(known)
        assert self.head is not None
        effect = self.effect

        def loss(module: Head, heard: Heard, rows: Tensor, step: int) -> Tensor:
            pairs = heard.pairs[rows]
            sound = played(effect, pairs.dry, heard.settings(module, rows))
            even = level_matched(sound, pairs.target, self.level, effect.sample_rate)
            return stft_distance(even, pairs.target, TRAINED_ON)

        def validate(module: Head) -> float:
            with torch.no_grad():
                p = asked.settings(module)
            pairs = asked.pairs
            return float(distances(effect, pairs.dry, pairs.target, p, self.level).nanmean())

        self.descend(
            self.head,
            known,
            loss,
            validate,
            steps=min(self.steps, self.budget.steps),
            lr=self.lr,
            batch=self.batch,
            part="autodiff",
        )
