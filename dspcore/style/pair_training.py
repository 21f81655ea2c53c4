"""The pair encoder learns from pairs through many effects, once, on features that stay."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dspcore import train
from dspcore.style.encoders import Encoder
from dspcore.style.pair_encoder import PairEncoder
from dspcore.style.pairs import Pairs, PairSource


def train_pair_encoder(
    encoder: Encoder,
    sources: Sequence[PairSource],
    fixed: Sequence[Pairs],
    *,
    latent: int = 32,
    beta: float = 0.1,
    steps: int = 1500,
    batch: int = 64,
    patience: int = 12,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: bool = False,
) -> list[float]:
    """Give a frozen encoder a pair encoder, frozen with it.

    Args:
        encoder: Frozen; what it gives for the pairs is computed once.
        sources: Training pairs of every effect.
        fixed: Validation pairs of every effect.
        latent: Size of the latent.
        beta: Weight of the divergence.
        steps: At most.
        batch: Pairs in a step, of all effects.
        patience: Validations without a better value, of which 20 are made.
        seed: Of everything.
        folder: Of the run, which goes on from there when it was stopped.
        progress: Show a progress bar.

    Returns:
        Validation loss, each time.
    """
    known = [source.heard(encoder) for source in sources]
    dry, reference = (torch.cat([pair[side] for pair in known]) for side in (0, 1))
    asked = [torch.cat([encoder.embed(getattr(p, n)) for p in fixed]) for n in ("dry", "reference")]
    torch.manual_seed(seed)
    made = PairEncoder(dry.shape[1], latent)
    made.standardise(dry, reference)
    history: list[float] = []

    def rows(step: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed + step)
        return torch.randint(len(dry), (min(batch, len(dry)),), generator=generator)

    def loss(model: Any, chosen: Tensor, step: int) -> dict[str, Tensor]:
        return model(dry[chosen], reference[chosen])

    def validate(model: Any, step: int) -> float:
        torch.manual_seed(seed)  # it draws
        history.append(float(model(*asked)["loss"]))
        return history[-1]

    keep: Any = nullcontext(folder) if folder else tempfile.TemporaryDirectory()
    learner = _Learner(made, beta)
    with keep as place:
        config = train.FitConfig(
            folder=str(place),
            resume=True,
            steps=steps,
            seed=seed,
            optimizer=train.OptimizerConfig("adamw", 2e-3, clip_norm=5.0),
            log_every=max(1, steps // 20),
            validate_every=max(1, steps // 20),
            patience=patience,
            trackers=[],
            progress=progress,
            accelerator="cpu",
        )
        train.fit(learner, loss, rows, config, validate=validate)
        train.load_weights(learner, Path(str(place)))
    encoder.pair_encoder = made
    encoder.freeze()
    return history


class _Learner(nn.Module):
    def __init__(self, made: PairEncoder, beta: float) -> None:
        super().__init__()
        self.made, self.beta = made, beta

    def forward(self, dry: Tensor, reference: Tensor) -> dict[str, Tensor]:
        """Loss and its parts."""
        return self.made.loss(dry, reference, self.beta)
