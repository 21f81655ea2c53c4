"""End to end through whatever the effect is."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dspcore.blackbox import SPSA
from dspcore.blackbox.estimators import Space
from dspcore.style import Controller, Head, PairSource, level_matched, stft_distance
from dspcore.style.metrics import Level
from dspcore.style.rendering import AnyEffect, render
from dspcore_plugins.controllers.constant import Constant
from dspcore_plugins.controllers.learning import HeadController, Heard

#: Window lengths while training: those that matter, at a third of the price.
TRAINED_ON = (128, 512, 2048)


class Spsa(HeadController):
    """Descend on the sound's distance through the black box, by simultaneous perturbation.

    Losses some way off are compared, not waveforms: for delays and flangers only these fall.

    Args:
        pairing: As of `regress`.
        hidden: As of `regress`.
        lr: Learning rate at first.
        batch: Pairs in a step.
        draws: Pairs of renders for each item in a step.
        step: How far to go in [0, 1].
        steps: At most, beside the budget's.
        level: What is made equal before sounds are compared: rms, or none to learn the level, too.
    """

    name = "spsa"

    def __init__(
        self,
        pairing: str = "concat+diff",
        hidden: int = 128,
        lr: float = 2e-3,
        batch: int = 8,
        draws: int = 1,
        step: float = 0.03,
        steps: int = 120,
        level: Level = "rms",
    ) -> None:
        super().__init__(pairing, hidden, lr, batch)
        self.draws, self.step, self.steps, self.level = draws, step, steps, level

    def learn(self, known: Heard, asked: Heard) -> None:
        """From a head that says the best setting for all."""
        head = self.begin(known)
        head.start_at(best_for_all(self, known.source))
        self.tune(head, known, asked)

    def left(self, head: Head, asked: Heard) -> float:
        """Mean distance that a head leaves."""
        with torch.no_grad():
            p = asked.settings(head)
        pairs = asked.pairs
        return float(distances(self.effect, pairs.dry, pairs.target, p, self.level).nanmean())

    def tune(self, head: Head, known: Heard, asked: Heard) -> None:
        """Go on with a head."""
        estimator = SPSA(self.draws)
        space = Space(np.full(self.effect.num_params, self.step), np.zeros(self.effect.num_params))

        def loss(module: Head, heard: Heard, rows: Tensor, step: int) -> Tensor:
            p = heard.settings(module, rows)
            pairs, slopes = heard.pairs[rows], []
            points = np.stack(
                [
                    estimator.points(row, space, np.random.default_rng([self.budget.seed, step, i]))
                    for i, row in enumerate(p.detach().numpy())
                ]
            )  # (b, m, p)
            tried = points.shape[1]
            found = distances(
                self.effect,
                pairs.dry.repeat_interleave(tried, 0),
                pairs.target.repeat_interleave(tried, 0),
                torch.from_numpy(points.reshape(-1, points.shape[2])),
                self.level,
            ).unflatten(0, (-1, tried))
            for row, around, values in zip(p.detach().numpy(), points, found.numpy(), strict=True):
                slopes.append(estimator.gradient(row, around, values, 0.0, space))
            # The value is that of the losses; the gradient is the estimate.
            return found.nanmean(1) + ((p - p.detach()) * torch.from_numpy(np.stack(slopes))).sum(1)

        def validate(module: Head) -> float:
            return self.left(module, asked)

        self.descend(
            head,
            known,
            loss,
            validate,
            steps=min(self.steps, self.budget.steps),
            lr=self.lr,
            batch=self.batch,
            part="spsa",
        )


def best_for_all(controller: Controller, training: PairSource) -> Tensor:
    """What the controller "constant" finds, (num_params,)."""
    constant = Constant()
    constant.prepare(controller.effect, training, budget=controller.budget)
    found = constant.module()
    assert found is not None
    return found.state_dict()["p"]


def distances(
    effect: AnyEffect, dry: Tensor, target: Tensor, p: Tensor, level: Level = "rms"
) -> Tensor:
    """Of each item's render to its target, (b,), float64; NaN where it failed."""
    sound, good = render(effect, dry, p)
    even = level_matched(sound, target, level, effect.sample_rate)
    found = stft_distance(even, target, TRAINED_ON).double()
    return torch.where(good, found, torch.full_like(found, torch.nan))
