"""A run as its callbacks see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dspcore.latent.autoencoder import Autoencoder
from dspcore.latent.config import LatentConfig
from dspcore.latent.discriminator import Discriminator
from dspcore.latent.distance import BandDistance
from dspcore.latent.items import LatentData
from dspcore.latent.machine import Machine
from dspcore.latent.schedules import Beta
from dspcore.train import Fitted, Moved, Trackers


@dataclass
class Validation:
    """What the validation set gave at a step, clip by clip.

    Attributes:
        step: Steps done before it, counted from 0.
        indices: Of the clips in the shards, (n,).
        parts: Every term of the distance by name, (n,) each.
        kl: Divergence of every dimension in nats, mean over the clip's frames, (n, d); None where
            the latent is no distribution.
        means: Mean of the latent over the clip's frames, (n, d).
        phase: represent, freeze or adversarial.
    """

    step: int
    indices: Tensor
    parts: dict[str, Tensor]
    kl: Tensor | None
    means: Tensor
    phase: str

    @property
    def distance(self) -> Tensor:
        """Of each clip, (n,): the sum of the parts."""
        return torch.stack(list(self.parts.values())).sum(0)


@dataclass
class LatentRun:
    """What a run is made of.

    Attributes:
        config: Its settings.
        folder: Where it is written.
        model: The autoencoder.
        discriminator: Learns in phases freeze and adversarial.
        machine: The phases and their counters.
        beta: Weight of the divergence, ``beta(step)``.
        distance: What a rebuilt sound is judged by.
        data: Clips and shards.
        skipped: Files whose clips were not finite, with how often they were left out.
    """

    config: LatentConfig
    folder: Path
    model: Autoencoder
    discriminator: Discriminator
    machine: Machine
    beta: Beta
    distance: BandDistance
    data: LatentData
    skipped: dict[str, int] = field(default_factory=dict)

    @property
    def models(self) -> dict[str, Any]:
        """What is in every checkpoint."""
        return {
            "model": self.model,
            "discriminator": self.discriminator,
            "machine": self.machine,
            "beta": self.beta,
            "distance": self.distance,
        }

    def batches(self, clips: Any, size: int | None = None) -> Iterator[dict[str, Tensor]]:
        """Clips in order as batches, on the model's device: audio, length and index."""
        device = next(self.model.parameters()).device
        size = size or self.config.data.batch_size
        for begin in range(0, len(clips), size):
            some = [clips[i] for i in range(begin, min(begin + size, len(clips)))]
            yield {
                "audio": torch.stack([clip["audio"] for clip in some]).to(device),
                "length": torch.tensor([clip["length"] for clip in some], device=device),
                "index": torch.tensor([clip["index"] for clip in some], device=device),
            }

    @torch.no_grad()
    def validated(self, step: int) -> Validation:
        """The validation set through the model, which must be in eval mode."""
        indices, parts, divergences, means = [], [], [], []
        for batch in self.batches(self.data.validation):
            found, coded = self.model(batch["audio"], batch["length"])
            parts.append(self.distance.parts(found, batch["audio"], batch["length"]))
            mask = self.model.frame_mask(batch["length"], coded.mean.shape[-1])
            means.append(_clip_mean(coded.mean, mask))
            if coded.kl is not None:
                divergences.append(_clip_mean(coded.kl, mask))
            indices.append(batch["index"])
        return Validation(
            step,
            torch.cat(indices),
            {name: torch.cat([part[name] for part in parts]) for name in parts[0]},
            torch.cat(divergences) if divergences else None,
            torch.cat(means),
            self.machine.phase,
        )


class Callback:
    """Looks on while a run goes; subclasses do what they like in any of these.

    What `validated` returns is logged beside the loss as "validation/<name>". Arrays and pictures
    go into ``run.folder``, numbers and sounds to the trackers.
    """

    def begin(self, run: LatentRun, step: int) -> None:
        """Before the first step, or the first after a resume."""

    def moved(self, run: LatentRun, moved: Moved) -> None:
        """After an optimiser's step: "represent", "generator" or "discriminator"."""

    def phase(self, run: LatentRun, step: int, name: str) -> None:
        """A phase begins."""

    def validated(self, run: LatentRun, validation: Validation) -> dict[str, float] | None:
        """After a validation, the model still in eval mode and without gradient."""

    def log(self, run: LatentRun, step: int, trackers: Trackers) -> None:
        """After metrics were written."""

    def end(self, run: LatentRun, fitted: Fitted) -> None:
        """After the last step."""


def _clip_mean(value: Tensor, mask: Tensor) -> Tensor:
    """Mean over the frames that count, (b, d, f) to (b, d)."""
    weight = mask[:, None].to(value.dtype)
    return (value * weight).sum(2) / weight.sum(2).clamp(min=1)
