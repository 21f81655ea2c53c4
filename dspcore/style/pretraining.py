"""Encoders learn to hear what effects do: from many effects, once, and are frozen then."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dspcore import train
from dspcore.errors import UserError, nearest
from dspcore.style.clips import Clips
from dspcore.style.convolutional import Conv, Vae
from dspcore.style.encoders import Encoder, make_encoder
from dspcore.style.pairs import PairSource, RenderCache, batches
from dspcore.style.rendering import AnyEffect

#: How effects take turns: one in each epoch, or all in every batch.
SCHEDULES = ("mixed", "per-epoch")


@dataclass
class Pretraining:
    """How an encoder is trained.

    Attributes:
        kind: conv, which learns which effect was used and how it was set; or vae, which learns to
            rebuild spectra.
        schedule: mixed, or per-epoch, in which every epoch is of one effect, in turn.
        pairs: In an epoch.
        validation: Pairs of every effect in the fixed validation set.
        epochs: At most.
        patience_effects: How often every effect may have had a validation without a better value.
            With "per-epoch" and 1 this is the rule "patience = number of effects".
        batch: Pairs in a step.
        lr: Learning rate.
        beta: Weight of a vae's divergence.
        seed: Of everything.
        folder: Of the run, which goes on from there when it was stopped; None: none is kept.
        progress: Show a progress bar.
    """

    kind: str = "conv"
    schedule: str = "mixed"
    pairs: int = 250
    validation: int = 25
    epochs: int = 100
    patience_effects: int = 1
    batch: int = 10
    lr: float = 2e-3
    beta: float = 1.0
    seed: int = 0
    folder: str | None = None
    progress: bool = False


@dataclass(frozen=True)
class Pretrained:
    """What came of it.

    Attributes:
        encoder: Frozen.
        epochs: That were trained.
        best_epoch: Whose weights it has.
        history: Validation loss after each epoch.
        sources: Training pairs of every effect.
    """

    encoder: Encoder
    epochs: int
    best_epoch: int
    history: list[float] = field(default_factory=list)
    sources: list[PairSource] = field(default_factory=list)


def pretrain(
    effects: Sequence[AnyEffect],
    training: Clips,
    validation: Clips,
    config: Pretraining | None = None,
) -> Pretrained:
    """Train an encoder on pairs through several effects.

    Args:
        effects: At least one, all at the clips' sample rate.
        training: Clips.
        validation: Others; the pairs made of them are the same in every epoch and schedule.
        config: How; the defaults when left out.
    """
    config = config or Pretraining()
    if config.schedule not in SCHEDULES:
        raise UserError(
            f"style: no schedule {config.schedule!r}; {nearest(config.schedule, SCHEDULES)}"
        )
    torch.manual_seed(config.seed)
    encoder = make_encoder(config.kind, training.sample_rate)
    if not isinstance(encoder, Conv):
        raise UserError(f"style: the encoder {config.kind!r} has nothing to learn; use conv or vae")
    return _Run(encoder, effects, training, validation, config).go()


class _Run:
    def __init__(
        self,
        encoder: Conv,
        effects: Sequence[AnyEffect],
        training: Clips,
        validation: Clips,
        config: Pretraining,
    ) -> None:
        self.config, self.effects, self.count = config, effects, len(effects)
        cache = RenderCache()
        per_effect = (
            config.pairs if config.schedule == "per-epoch" else math.ceil(config.pairs / self.count)
        )
        self.sources = [
            PairSource(e, training, seed=config.seed + 10 + i, count=per_effect, cache=cache)
            for i, e in enumerate(effects)
        ]
        self.fixed = [
            PairSource(
                e, validation, seed=config.seed + 900 + i, count=config.validation, cache=cache
            ).all()
            for i, e in enumerate(effects)
        ]
        self.model = _Ears(encoder, [e.num_params for e in effects], config.beta)
        self.steps = max(1, config.pairs // config.batch)  # of an epoch
        self.history: list[float] = []

    def batch(self, step: int) -> list[tuple[int, list[int]]]:
        """Effects and rows of a step."""
        config = self.config
        epoch, place = divmod(step, self.steps)
        if config.schedule == "per-epoch":
            order = batches(config.pairs, config.batch, config.seed + epoch)
            return [(epoch % self.count, list(order[place]))]
        share = max(1, config.batch // self.count)
        rows = []
        for i, source in enumerate(self.sources):
            parts = batches(len(source), share, config.seed + 7 * epoch + i)
            rows.append((i, list(parts[place % len(parts)])))
        return rows

    def loss(self, model: Any, chosen: list[tuple[int, list[int]]], step: int) -> dict[str, Tensor]:
        """Of a step; pairs are rendered here, and only when they are asked for the first time."""
        losses = []
        for i, rows in chosen:
            pairs = self.sources[i].take(rows)
            losses.append(model(pairs.dry, pairs.reference, pairs.p, i))
        return {key: torch.stack([part[key] for part in losses]).mean() for key in losses[0]}

    def validate(self, model: Any, step: int) -> float:
        """On the fixed set, all effects alike."""
        torch.manual_seed(self.config.seed)  # a vae draws
        found = [
            float(model(pairs.dry, pairs.reference, pairs.p, i)["loss"])
            for i, pairs in enumerate(self.fixed)
        ]
        self.history.append(sum(found) / len(found))
        return self.history[-1]

    def go(self) -> Pretrained:
        config = self.config
        turns = self.count if config.schedule == "per-epoch" else 1
        keep: Any = nullcontext(config.folder) if config.folder else tempfile.TemporaryDirectory()
        with keep as folder:
            done = train.fit(
                self.model,
                self.loss,
                self.batch,
                train.FitConfig(
                    folder=str(folder),
                    resume=True,
                    steps=config.epochs * self.steps,
                    seed=config.seed,
                    optimizer=train.OptimizerConfig("adamw", config.lr, clip_norm=5.0),
                    log_every=self.steps,
                    validate_every=self.steps,
                    patience=config.patience_effects * turns * (1 if turns > 1 else self.count),
                    trackers=[],
                    progress=config.progress,
                    accelerator="cpu",
                ),
                validate=self.validate,
            )
            train.load_weights(self.model, Path(str(folder)))
        return Pretrained(
            self.model.encoder.freeze(),
            done.step // self.steps,
            done.best_step // self.steps,
            self.history,
            self.sources,
        )


class _Ears(nn.Module):
    """An encoder with what it has to say while it learns."""

    def __init__(self, encoder: Conv, params: Sequence[int], beta: float) -> None:
        super().__init__()
        self.encoder, self.beta = encoder, beta
        dims = 3 * int(encoder.options["dims"])
        wide = 0 if isinstance(encoder, Vae) else 64
        self.which = nn.Linear(dims, len(params)) if wide else None
        self.how = nn.ModuleList(
            nn.Sequential(nn.Linear(dims, wide), nn.GELU(), nn.Linear(wide, count))
            for count in params
            if wide
        )

    def forward(self, dry: Tensor, reference: Tensor, p: Tensor, effect: int) -> dict[str, Tensor]:
        """Loss and parts of pairs through one effect."""
        if isinstance(self.encoder, Vae):
            mel = self.encoder.spectrogram(torch.cat([dry, reference]))
            return self.encoder.loss(mel, self.beta)
        first, second = self.encoder(torch.cat([dry, reference])).chunk(2)
        paired = torch.cat([first, second, second - first], dim=1)
        assert self.which is not None
        target = torch.full((len(p),), effect)
        named = nn.functional.cross_entropy(self.which(paired), target)
        settings = torch.sigmoid(self.how[effect](paired))
        set_ = (settings - p.float()).square().mean()
        # A variance of 1/12 is what is not known of a setting; the two weigh alike at first.
        return {
            "loss": named / math.log(max(2, len(self.how))) + 12 * set_,
            "effect": named,
            "settings": set_,
        }
