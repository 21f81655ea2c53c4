"""The pair encoder g: what is heard in two sounds, as one latent that many effects share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class PairEncoder(nn.Module):
    """A beta-VAE of the features of two sounds; gives the means of its latent, never drawn.

    It hears both, and rebuilds what the reference changes in the features of the input: the decoder
    is told the input, so that the latent need not hold it. Features are standardised once. It
    belongs to one encoder: weights, hash, freezing and file are the encoder's.

    Args:
        dims: Of the features of one sound.
        latent: Of what it gives.
        hidden: Width of the layers between.

    Source:
        I. Higgins et al., "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
        Framework", ICLR 2017.
    """

    def __init__(self, dims: int, latent: int = 32, hidden: int = 128) -> None:
        super().__init__()
        self.options: dict[str, Any] = {"dims": dims, "latent": latent, "hidden": hidden}
        self.latent = latent
        self.register_buffer("mean", torch.zeros(2 * dims))
        self.register_buffer("deviation", torch.ones(2 * dims))
        self.mean: Tensor
        self.deviation: Tensor
        self.layers = nn.Sequential(nn.Linear(2 * dims, hidden), nn.LayerNorm(hidden), nn.GELU())
        self.out, self.spread = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent + dims, hidden), nn.GELU(), nn.Linear(hidden, dims)
        )

    def standardise(self, dry: Tensor, reference: Tensor) -> None:
        """Take mean and deviation of these pairs, (n, d) each, once."""
        both = torch.cat([dry, reference - dry], dim=1)
        self.mean.copy_(both.mean(0))
        self.deviation.copy_(both.std(0, unbiased=False).clamp(min=1e-4))

    def forward(self, dry: Tensor, reference: Tensor) -> Tensor:
        """(b, d) of each to (b, latent)."""
        return self.out(self.layers(self._even(dry, reference)))

    def loss(self, dry: Tensor, reference: Tensor, beta: float) -> dict[str, Tensor]:
        """Mean square of what is rebuilt, and beta times the KL divergence in nats per feature."""
        even = self._even(dry, reference)
        deep = self.layers(even)
        mean, log_variance = self.out(deep), self.spread(deep).clamp(-10, 5)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        told, change = even.chunk(2, dim=1)
        miss = (self.decoder(torch.cat([z, told], dim=1)) - change).square().mean()
        kl = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1).mean()
        return {"loss": miss + beta * kl / change.shape[1], "rebuilt": miss, "kl": kl}

    def _even(self, dry: Tensor, reference: Tensor) -> Tensor:
        both = torch.cat([dry, reference - dry], dim=1)
        return ((both - self.mean) / self.deviation).clamp(-6.0, 6.0)
