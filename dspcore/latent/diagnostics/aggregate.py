"""How far what the encoder makes of the whole set is from the prior."""

from __future__ import annotations

import torch
from torch import Tensor

from dspcore.latent.divergence import mmd


def aggregate_mmd(
    mean: Tensor, std: Tensor | None = None, *, most: int = 512, seed: int = 0
) -> float:
    """Unbiased `mmd` between draws of the aggregate posterior and of N(0, I); near 0 where alike.

    Args:
        mean: Of the posterior, (n, d) or (n, d, f).
        std: Its standard deviation, the shape of `mean`; 0 when left out.
        most: Vectors at most, drawn from all items and frames.
        seed: Of the draws.
    """
    draw = torch.Generator().manual_seed(seed)
    rows = _vectors(mean)
    picks = torch.randperm(len(rows), generator=draw)[:most]
    z = rows[picks]
    if std is not None:
        z = z + _vectors(std)[picks] * torch.randn(z.shape, generator=draw, dtype=z.dtype)
    return float(mmd(z, torch.randn(z.shape, generator=draw, dtype=z.dtype)))


def _vectors(latent: Tensor) -> Tensor:
    """(n, d) as it is, (n, d, f) as (n f, d)."""
    flat = latent if latent.ndim == 2 else latent.transpose(1, 2).flatten(0, 1)
    return flat.detach().double().cpu()
