"""What estimators with weights share: one run of `dspcore.train`, averaged weights, the alarm."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dspcore import train
from dspcore.errors import UserError
from dspcore.patches import (
    Budget,
    Estimator,
    Examples,
    Head,
    Posterior,
    diagnosed,
    make_head,
)
from dspcore_plugins.estimators.backbones import Backbone, Normalised


class Net(nn.Module):
    """Normalisation, a backbone, a head.

    Args:
        bands: Of the mel spectrum.
        backbone: (b, bands, frames) to (b, features).
        head: From features to a posterior.
        normalised: Whether each band is brought to mean 0 and deviation 1.
        covered: Share of the bands, and of the frames, that is at most covered while learning.
    """

    def __init__(
        self,
        bands: int,
        backbone: Backbone,
        head: Head,
        normalised: bool,
        covered: float = 0.0,
    ) -> None:
        super().__init__()
        self.normalise = Normalised(bands) if normalised else nn.Identity()
        self.backbone, self.head, self.covered = backbone, head, covered

    def features(self, mel: Tensor) -> Tensor:
        """(b, bands, frames) to (b, features)."""
        seen = self.normalise(mel.float())
        if self.training and self.covered:
            seen = cover(seen, self.covered)
        return self.backbone(seen)


def cover(mel: Tensor, share: float) -> Tensor:
    """Spectra (b, bands, frames) with a stretch of bands and one of frames, at most `share`, at 0.

    Source: D. Park et al., "SpecAugment", Interspeech 2019.
    """
    for axis in (1, 2):
        size = mel.shape[axis]
        width = torch.rand(len(mel), 1, device=mel.device) * share * size
        begin = torch.rand(len(mel), 1, device=mel.device) * (size - width)
        place = torch.arange(size, device=mel.device) + 0.5
        open_ = (place < begin) | (place > begin + width)
        mel = mel * (open_[:, :, None] if axis == 1 else open_[:, None])
    return mel


class Network(Estimator):
    """Base of estimators that are a backbone and a head; a subclass writes `backbone`.

    Args:
        head: regression, onehot, bins, mixture, joint.
        size: small, medium, large.
        lr: Highest learning rate; it rises for a tenth of the steps, and falls to nothing.
        batch: Examples in a step.
        normalised: Bring every band to mean 0 and deviation 1.
        optimizer: adamw, sgd, or another of torch.optim.
        masked: Leave a parameter's loss out where its gate is closed, for nothing can be learnt of
            it there.
    """

    #: Examples that the collapse alarm asks about, of the training set and of the held-out ones.
    asked: ClassVar[int] = 1000
    #: As of `Net`.
    covered: float = 0.0

    def __init__(
        self,
        head: str = "joint",
        size: str = "medium",
        lr: float = 2e-3,
        batch: int = 128,
        normalised: bool = True,
        optimizer: str = "adamw",
        masked: bool = False,
    ) -> None:
        self.head, self.size, self.lr, self.batch = head, size, lr, batch
        self.normalised, self.optimizer, self.masked = normalised, optimizer, masked
        self.net: Net | None = None
        self.share = 1.0  # of the budget, for the network alone

    def backbone(self) -> Backbone:
        """The network from (b, bands, frames) to (b, features), with `features` as attribute."""
        raise NotImplementedError(f"{self.name}: a network must define backbone()")

    def build(self) -> None:
        """A new network."""
        made = self.backbone()
        head = make_head(self.head, made.features, self.layout)
        net = Net(self.shape[0], made, head, self.normalised, self.covered)
        # The layout of convolutions that is fastest on a CPU.
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def module(self) -> nn.Module | None:
        """The network."""
        return self.net

    def believe(self, mel: Tensor) -> Posterior:
        """What the head says."""
        assert self.net is not None
        self.net.eval()
        return self.net.head.posterior(self.net.features(mel))

    def learn(self, training: Examples, validation: Examples) -> None:
        """One run; then the widths of heads that have none of their own, and the alarm."""
        self.build()
        assert self.net is not None
        net = self.net
        if self.masked and (training.active is None or validation.active is None):
            raise UserError(
                f"{self.name}: masked asks for gates, and these parameters have none; say them in "
                "an overlay (gate = ...), or leave masked out"
            )
        if isinstance(net.normalise, Normalised):
            net.normalise.learn(training.mel)
        self.before(training)

        def loss(model: Net, rows: Tensor, step: int) -> Tensor:
            return self.missed(model, training.rows(rows))

        def validate(model: Net, step: int) -> float:
            parts = [validation.rows(rows) for rows in torch.arange(len(validation)).split(256)]
            lost = sum(float(self.missed(model, part)) * len(part) for part in parts)
            return lost / len(validation)

        descend(
            net, loss, len(training), self.budget,
            lr=self.lr, batch=self.batch, optimizer=self.optimizer, validate=validate,
            share=self.share,
        )  # fmt: skip
        with torch.no_grad():
            seen = validation.rows(slice(0, 1000))
            net.head.learn_spread(net.features(seen.mel), seen.u)
            self.warnings = tuple(diagnosed(self, training, validation, count=self.asked))

    def missed(self, net: Net, examples: Examples) -> Tensor:
        """Mean loss over examples and parameters, or over those whose gate is open."""
        each = net.head.loss(net.features(examples.mel), examples.u)
        if not self.masked or examples.active is None:
            return each.mean()
        heard = examples.active.to(each)
        return (each * heard).sum() / heard.sum().clamp(min=1)

    def before(self, training: Examples) -> None:
        """Called before the run, as for a network that is trained in two parts."""


def descend(
    module: nn.Module,
    loss: Callable[[Any, Tensor, int], Tensor],
    count: int,
    budget: Budget,
    *,
    lr: float,
    batch: int,
    optimizer: str = "adamw",
    validate: Callable[[Any, int], float] | None = None,
    part: str = "network",
    share: float = 1.0,
) -> None:
    """A run of `dspcore.train` over examples in a new order each round; weights are averaged.

    Args:
        module: Moved.
        loss: Of the module, rows of the examples, and the step.
        count: Of the examples.
        budget: Its steps, minutes, seed, folder.
        lr: At most.
        batch: Examples in a step.
        optimizer: Of torch.optim.
        validate: Less is better; logged.
        part: Of the budget's folder.
        share: Of the budget's steps and minutes.
    """
    size, steps = min(batch, count), max(1, round(budget.steps * share))
    rounds = max(1, count // size)

    def rows(step: int) -> Tensor:
        generator = torch.Generator().manual_seed(budget.seed * 1_000_003 + step // rounds)
        place = step % rounds * size
        return torch.randperm(count, generator=generator)[place : place + size]

    rise = max(1, steps // 10)
    options = {"weight_decay": 0.02} if optimizer == "adamw" else {}
    curve = [(0, 0.04), (rise, 1.0), (steps, 0.001)] if steps > rise else []
    keep = nullcontext(str(Path(budget.folder) / part)) if budget.folder else _temporary()
    with keep as folder:
        config = train.FitConfig(
            folder=folder,
            resume=True,
            steps=steps,
            minutes=None if budget.minutes is None else budget.minutes * share,
            seed=budget.seed,
            optimizer=train.OptimizerConfig(
                optimizer, lr, options=options, schedule=train.Schedule(curve, "cosine"),
                clip_norm=5.0,
            ),
            average=train.AverageConfig(decay=0.995, ramp=True),
            log_every=max(1, steps // 20),
            validate_every=max(1, steps // 4) if validate is not None else 0,
            save_every=max(1, steps // 20) if budget.folder else 0,
            trackers=[],
            progress=budget.progress,
            accelerator="cpu",
        )  # fmt: skip
        train.fit(module, loss, rows, config, validate=validate)
        train.load_weights(module, Path(folder) / "latest.safetensors")
    module.eval()


def _temporary() -> Any:
    return tempfile.TemporaryDirectory(prefix="dspcore-patches-")
