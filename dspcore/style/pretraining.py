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
from dspcore.style.pair_training import train_pair_encoder
from dspcore.style.pairs import PairSource, RenderCache, batches
from dspcore.style.perceptual import unlikeness
from dspcore.style.rendering import AnyEffect
from dspcore.style.timbre import timbre

#: How effects take turns: one in each epoch, or all in every batch.
SCHEDULES = ("mixed", "per-epoch")


@dataclass
class Pretraining:
    """How an encoder is trained.

    Attributes:
        kind: conv, which learns which effect was used and how it was set; vae, which learns to
            rebuild spectra; or, where a pair encoder is to learn, any other.
        pairing: "vae": a pair encoder learns after it, on the same pairs.
        latent: Of the pair encoder.
        pair_steps: Of the pair encoder, at most.
        perceptual: Weight of what ties distances in a vae's latent to brightness and depth
            (`unlikeness`).
        start: File with weights to begin with, of this kind or another; what fits is taken.
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
    pairing: str = ""
    latent: int = 32
    pair_steps: int = 1500
    perceptual: float = 0.0
    start: str | None = None
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
        pair_history: Validation loss of the pair encoder.
        loaded: What was taken of the weights to begin with.
    """

    encoder: Encoder
    epochs: int
    best_epoch: int
    history: list[float] = field(default_factory=list)
    sources: list[PairSource] = field(default_factory=list)
    pair_history: list[float] = field(default_factory=list)
    loaded: train.Loaded | None = None


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
    if config.pairing not in ("", "vae"):
        raise UserError(f"style: of the pairings only 'vae' learns here, got {config.pairing!r}")
    torch.manual_seed(config.seed)
    encoder = make_encoder(config.kind, training.sample_rate)
    if not (isinstance(encoder, Conv) or config.pairing):
        raise UserError(
            f"style: the encoder {config.kind!r} has nothing to learn; use conv or vae, "
            "or give it a pair encoder (pairing 'vae')"
        )
    if config.perceptual and not isinstance(encoder, Vae):
        raise UserError(f"style: perceptual ties the latent of a vae, got kind {config.kind!r}")
    loaded = train.load_matching(encoder, config.start) if config.start else None
    return _Run(encoder, effects, training, validation, config).go(loaded)


class _Run:
    def __init__(
        self,
        encoder: Encoder,
        effects: Sequence[AnyEffect],
        training: Clips,
        validation: Clips,
        config: Pretraining,
    ) -> None:
        self.encoder = encoder
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

    def go(self, loaded: train.Loaded | None) -> Pretrained:
        """The encoder, then its pair encoder, as far as they learn."""
        epochs, best = self._ears() if isinstance(self.encoder, Conv) else (0, 0)
        self.encoder.freeze()
        paired: list[float] = []
        if self.config.pairing:
            folder = Path(self.config.folder) / "pairs" if self.config.folder else None
            paired = train_pair_encoder(
                self.encoder, self.sources, self.fixed, latent=self.config.latent,
                steps=self.config.pair_steps,
                seed=self.config.seed, folder=folder, progress=self.config.progress,
            )  # fmt: skip
        return Pretrained(self.encoder, epochs, best, self.history, self.sources, paired, loaded)

    def _ears(self) -> tuple[int, int]:
        config = self.config
        assert isinstance(self.encoder, Conv)
        sizes = [e.num_params for e in self.effects]
        model = _Ears(self.encoder, sizes, config.beta, config.perceptual)
        turns = self.count if config.schedule == "per-epoch" else 1
        keep: Any = nullcontext(config.folder) if config.folder else tempfile.TemporaryDirectory()
        with keep as folder:
            done = train.fit(
                model,
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
            train.load_weights(model, Path(str(folder)))
        return done.step // self.steps, done.best_step // self.steps


class _Ears(nn.Module):
    """An encoder with what it has to say while it learns."""

    def __init__(
        self, encoder: Conv, params: Sequence[int], beta: float, perceptual: float
    ) -> None:
        super().__init__()
        self.encoder, self.beta, self.perceptual = encoder, beta, perceptual
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
            both = torch.cat([dry, reference])
            parts = self.encoder.loss(self.encoder.spectrogram(both), self.beta)
            if self.perceptual:
                heard = timbre(both, self.encoder.sample_rate)
                parts["unlike"] = unlikeness(self.encoder.features(both), heard)
                parts["loss"] = parts["loss"] + self.perceptual * parts["unlike"]
            return parts
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
