"""The phases of a run as a state machine: represent, freeze, adversarial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from dspcore.errors import UserError, nearest
from dspcore.latent.autoencoder import Autoencoder

PHASES = ("represent", "freeze", "adversarial")
SWITCHES = ("never", "step", "metric", "hand")

#: A file of this name in a run's folder asks for the next phase.
HAND = "next-phase"


@dataclass
class PhaseConfig:
    """When the representation is done and the discriminator comes in.

    Attributes:
        switch: never, step, metric, or hand. The file "next-phase" in the run's folder
            (``dspcore latent next RUN``) asks for the next phase whatever this says.
        step: Batches of the first phase, for step.
        metric: For metric: the first phase ends when this has not become less by `least` of itself
            over `patience` validations.
        patience: For metric.
        least: For metric, as a share.
        freeze_steps: Batches in which the encoder is frozen and only the discriminator learns.
        every: Batches from one step of the discriminator to the next.
        adversarial: Weight of the verdict.
        features: Weight of the feature matching.
        scales: Of the discriminator.
        width: Of the discriminator.
    """

    switch: str = "never"
    step: int = 1_000
    metric: str = "validation/loss"
    patience: int = 5
    least: float = 0.01
    freeze_steps: int = 0
    every: int = 2
    adversarial: float = 1.0
    features: float = 10.0
    scales: int = 3
    width: int = 16

    def __post_init__(self) -> None:
        """Checks."""
        if self.switch not in SWITCHES:
            raise UserError(f"phases: no switch {self.switch!r}; {nearest(self.switch, SWITCHES)}")
        if self.every < 1 or self.freeze_steps < 0 or self.patience < 1:
            raise UserError("phases: every and patience must be 1 or more, freeze_steps 0 or more")


class Machine(nn.Module):
    """Which phase a run is in, since when, and what was counted; its buffers are in checkpoints.

    represent: encoder, bottleneck and decoder learn. freeze: encoder and bottleneck stay as they
    are from now on, and only the discriminator learns. adversarial: the decoder learns against it.
    There is no way back.

    Attributes:
        batches: Batches seen.
        generator_steps: Steps of the autoencoder, in any phase.
        discriminator_steps: Steps of the discriminator.
    """

    _phase: Tensor
    _since: Tensor
    _batches: Tensor
    _generator_steps: Tensor
    _discriminator_steps: Tensor
    _best: Tensor
    _waited: Tensor
    _asked: Tensor

    def __init__(self, config: PhaseConfig) -> None:
        super().__init__()
        self.config = config
        for name in ("phase", "since", "batches", "generator_steps", "discriminator_steps"):
            self.register_buffer(f"_{name}", torch.tensor(0))
        self.register_buffer("_best", torch.tensor(math.inf, dtype=torch.float64))
        self.register_buffer("_waited", torch.tensor(0))
        self.register_buffer("_asked", torch.tensor(False))

    @property
    def phase(self) -> str:
        """represent, freeze or adversarial."""
        return PHASES[int(self._phase)]

    @property
    def since(self) -> int:
        """Batches that had been seen when the phase began."""
        return int(self._since)

    @property
    def batches(self) -> int:
        """Batches seen."""
        return int(self._batches)

    @property
    def generator_steps(self) -> int:
        """Steps of the autoencoder, in any phase."""
        return int(self._generator_steps)

    @property
    def discriminator_steps(self) -> int:
        """Steps of the discriminator."""
        return int(self._discriminator_steps)

    def counters(self) -> dict[str, float]:
        """What is logged."""
        return {
            "phase": float(self._phase),
            "batches": float(self._batches),
            "generator_steps": float(self._generator_steps),
            "discriminator_steps": float(self._discriminator_steps),
        }

    def judges(self) -> bool:
        """Whether the discriminator has a turn at this batch."""
        if self.phase == "freeze":
            return True
        return self.phase == "adversarial" and (self.batches - self.since) % self.config.every == 0

    def moved(self, name: str) -> None:
        """Count a step of "generator" or "discriminator"."""
        counter: Tensor = getattr(self, f"_{name}_steps")
        counter += 1

    def observe(self, metrics: Mapping[str, float]) -> None:
        """Look at a validation, for a switch by metric."""
        if self.config.switch != "metric" or self.phase != "represent":
            return
        if self.config.metric not in metrics:
            known = ", ".join(sorted(metrics))
            raise UserError(f"phases: no metric {self.config.metric!r}; there are {known}")
        value = metrics[self.config.metric]
        if value < float(self._best) * (1 - self.config.least):
            self._best.fill_(value)
            self._waited.zero_()
        else:
            self._waited += 1
            if int(self._waited) >= self.config.patience:
                self._asked.fill_(True)

    def advance(self, model: Autoencoder, folder: Path | None = None) -> str | None:
        """Count a batch, and go on to the next phase when it is time; returns its name then."""
        self._batches += 1
        if not self._due(folder):
            return None
        if self.phase == "represent":
            model.freeze()
        self._phase += 1
        self._since.copy_(self._batches)
        if self.phase == "freeze" and not self.config.freeze_steps:
            self._phase += 1
        return self.phase

    def _due(self, folder: Path | None) -> bool:
        if self.phase == "adversarial":
            return False
        if folder is not None and (folder / HAND).exists():
            (folder / HAND).unlink()
            return True
        if self.phase == "freeze":
            return self.batches - self.since >= self.config.freeze_steps
        asked = bool(self._asked)
        self._asked.fill_(False)
        return asked or (self.config.switch == "step" and self.batches >= self.config.step)
