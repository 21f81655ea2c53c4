"""Through a stand-in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dspcore import train
from dspcore.style import Head, heard
from dspcore_plugins.controllers.learning import HeadController, Heard


class Proxy(HeadController):
    """Learn what the effect does to the encoder's features, then a head through that stand-in.

    The stand-in is a network from the input's features and the settings to the features of the
    output; the plug-in is rendered for the pairs alone.

    Args:
        pairing: As of `regress`.
        hidden: As of `regress`.
        lr: Learning rate of both at first.
        batch: Pairs in a step.
    """

    name = "proxy"

    def learn(self, known: Heard, asked: Heard) -> None:
        """Stand-in, then head."""
        targets = [heard(self.encoder, h.pairs.target)[0] for h in (known, asked)]
        stand_in = self._stand_in(known, targets[0])
        head = self.begin(known)

        def miss(module: Head, heard_pairs: Heard, target: Tensor, rows: Tensor | slice) -> Tensor:
            p = heard_pairs.settings(module, rows).float()
            return stand_in.miss(heard_pairs.dry[rows], p, target[rows])

        def validate(module: Head) -> float:
            with torch.no_grad():
                return float(miss(module, asked, targets[1], slice(None)).mean())

        self.descend(
            head,
            known,
            lambda module, h, rows, step: miss(module, h, targets[0], rows),
            validate,
            steps=self.budget.steps,
            lr=self.lr,
            batch=self.batch,
            part="proxy",
        )

    def _stand_in(self, known: Heard, target: Tensor) -> _StandIn:
        torch.manual_seed(self.budget.seed)
        made = _StandIn(known.dry, target, self.effect.num_params)
        p = known.pairs.p.float()

        def rows(step: int) -> Tensor:
            generator = torch.Generator().manual_seed(self.budget.seed + step)
            return torch.randint(len(p), (min(self.batch, len(p)),), generator=generator)

        config = train.FitConfig(
            steps=self.budget.steps,
            seed=self.budget.seed,
            optimizer=train.OptimizerConfig("adamw", self.lr, options={"weight_decay": 1e-2}),
            log_every=max(1, self.budget.steps // 10),
            trackers=[],
            progress=self.budget.progress,
            accelerator="cpu",
        )
        train.fit(
            made,
            lambda module, chosen, step: made.miss(
                known.dry[chosen], p[chosen], target[chosen]
            ).mean(),
            rows,
            config,
        )
        made.eval().requires_grad_(False)
        return made


class _StandIn(nn.Module):
    def __init__(self, dry: Tensor, target: Tensor, num_params: int) -> None:
        super().__init__()
        self.mean, self.deviation = dry.mean(0), dry.std(0).clamp(min=1e-4)
        self.scale = (target - dry).std(0).clamp(min=1e-3)
        dims = dry.shape[1]
        self.layers = nn.Sequential(
            nn.Linear(dims + num_params, 256), nn.GELU(), nn.Linear(256, 256), nn.GELU(),
            nn.Linear(256, dims),
        )  # fmt: skip

    def miss(self, dry: Tensor, p: Tensor, target: Tensor) -> Tensor:
        """How far the features it foresees are from the target's, (b,)."""
        inputs = torch.cat([((dry - self.mean) / self.deviation).clamp(-6, 6), 4 * p - 2], dim=1)
        change = (target - dry) / self.scale
        return (self.layers(inputs) - change).clamp(-10, 10).square().mean(1)
