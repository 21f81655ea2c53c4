"""Weights that a run begins with: another run's, pushed a little."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from dspcore import train
from dspcore.errors import UserError
from dspcore.latent.autoencoder import Autoencoder


@dataclass
class StartConfig:
    """What a run begins with.

    Attributes:
        run: Folder of another run with the same autoencoder; empty draws weights anew.
        which: Its checkpoint: best, latest, represent-end.
        noise: Added to every tensor of weights, as a share of its own RMS.
    """

    run: str = ""
    which: str = "best"
    noise: float = 0.0

    def __post_init__(self) -> None:
        """Checks."""
        if self.noise < 0:
            raise UserError(f"start: noise must be 0 or more, got {self.noise}")
        if self.noise and not self.run:
            raise UserError("start: noise is added to the weights of another run; give start.run")


def started(model: Autoencoder, config: StartConfig, seed: int) -> None:
    """Give a new autoencoder the weights that it begins with; nothing of it is frozen then."""
    path = Path(config.run, f"{config.which}.safetensors")
    if not path.is_file():
        raise UserError(f"start: {config.run} has no {path.name}; wanted the folder of a run")
    train.load_weights(model, path)
    model.frozen.fill_(False)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters() if config.noise else ():
            size = config.noise * parameter.square().mean().sqrt()
            parameter.add_(size * torch.randn(parameter.shape, generator=draw))
