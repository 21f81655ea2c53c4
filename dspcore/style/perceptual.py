"""A latent in which sounds that are heard alike lie near."""

from __future__ import annotations

import torch
from torch import Tensor


def unlikeness(z: Tensor, heard: Tensor) -> Tensor:
    """How far distances between latents are from those between what is heard; 0 where they agree.

    ``mean (|z_i - z_j| / mean |z_i - z_j|  -  |h_i - h_j| / mean |h_i - h_j|)^2`` over the pairs of
    a batch: shapes are compared, not sizes. Each column of `heard` weighs alike.

    Args:
        z: (b, d), b of 3 at least.
        heard: (b, k), such as brightness and depth; no gradient is taken.

    Source:
        P. Esling, A. Chemla--Romeu-Santos, A. Bitton, "Generative timbre spaces: regularizing
        variational auto-encoders with perceptual metrics", DAFx 2018 (its euclidean distances).
    """
    if len(z) < 3 or len(z) != len(heard):
        raise ValueError(
            f"unlikeness: wanted as many latents as sounds, 3 at least, got {len(z)}, {len(heard)}"
        )
    heard = heard.detach().to(z)
    heard = (heard - heard.mean(0)) / heard.std(0).clamp(min=1e-6)
    found = []
    for points in (z, heard):
        ways = points[:, None] - points
        above = torch.ones(len(z), len(z), dtype=torch.bool, device=z.device).triu(1)
        far = (ways.square().sum(2)[above] + 1e-12).sqrt()
        found.append(far / far.mean().clamp(min=1e-6))
    return (found[0] - found[1]).square().mean()
