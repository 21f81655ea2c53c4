"""Encoders with weights: convolutions over the mel spectrum, plain and as a beta-VAE."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from dspcore.style.encoders import LogMel


class Conv(LogMel):
    """Four strided convolutions over the mel spectrum, then means and deviations over time.

    Args:
        sample_rate: In Hz.
        bands: On the mel scale.
        width: Channels of the first layer.
        dims: Of what it gives.
    """

    name = "conv"
    shortest_s = 0.5

    def __init__(self, sample_rate: int, bands: int = 64, width: int = 16, dims: int = 64) -> None:
        super().__init__(sample_rate, bands)
        self.options = {"bands": bands, "width": width, "dims": dims}
        sizes = [1, width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Conv2d(before, after, 3, (2, 2), 1), nn.BatchNorm2d(after), nn.GELU()]
        self.layers = nn.Sequential(*layers)
        self.out = nn.Linear(2 * sizes[-1] * (bands // 16), dims)

    def features(self, sound: Tensor) -> Tensor:
        """(b, dims)."""
        return self.encoded(self.spectrogram(sound))

    def encoded(self, mel: Tensor) -> Tensor:
        """Of a mel spectrogram (b, bands, frames) in tens of dB."""
        deep = self.layers(mel[:, None] / 4 + 1)
        flat = deep.flatten(1, 2)
        spread = flat.var(2, unbiased=False).clamp(min=1e-8).sqrt()
        return self.out(torch.cat([flat.mean(2), spread], dim=1))


class Vae(Conv):
    """A beta-VAE of windows of the mel spectrum; gives the means of its latent, averaged over time.

    Args:
        sample_rate: In Hz.
        bands: On the mel scale.
        width: Channels of the first layer.
        dims: Of the latent.

    Source:
        I. Higgins et al., "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
        Framework", ICLR 2017.
    """

    name = "vae"
    #: Frames of a window that is encoded and rebuilt.
    frames = 64

    def __init__(self, sample_rate: int, bands: int = 64, width: int = 16, dims: int = 64) -> None:
        super().__init__(sample_rate, bands, width, dims)
        self.spread = nn.Linear(self.out.in_features, dims)
        wide, small = 4 * width, (bands // 16, self.frames // 16)
        self.unfold = nn.Linear(dims, wide * small[0] * small[1])
        self.small = (wide, *small)
        layers: list[nn.Module] = []
        for before, after in ((wide, wide), (wide, 2 * width), (2 * width, width), (width, 1)):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.GELU()]
        self.decoder = nn.Sequential(*layers[:-1])

    def features(self, sound: Tensor) -> Tensor:
        """(b, dims): means of the latent, never drawn."""
        windows = self.windows(self.spectrogram(sound))
        means = self.moments(windows.flatten(0, 1))[0]
        return means.unflatten(0, windows.shape[:2]).mean(1)

    def windows(self, mel: Tensor) -> Tensor:
        """Half-overlapping windows, (b, n, bands, frames); a short spectrogram is padded."""
        lack = max(0, self.frames - mel.shape[2])
        mel = nn.functional.pad(mel, (0, lack), mode="replicate")
        return mel.unfold(2, self.frames, self.frames // 2).movedim(2, 1)

    def moments(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the latent, (n, dims) each."""
        deep = self.layers(windows[:, None] / 4 + 1).flatten(1, 2)
        flat = torch.cat([deep.mean(2), deep.var(2, unbiased=False).clamp(min=1e-8).sqrt()], dim=1)
        return self.out(flat), self.spread(flat).clamp(-10, 5)

    def loss(self, mel: Tensor, beta: float) -> dict[str, Tensor]:
        """Mean square of the rebuilt spectrogram, and beta times the KL divergence in nats."""
        windows = self.windows(mel).flatten(0, 1)
        mean, log_variance = self.moments(windows)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        rebuilt = self.decoder(self.unfold(z).unflatten(1, self.small))[:, 0]
        miss = (rebuilt - (windows / 4 + 1)).square().mean()
        kl = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1).mean()
        return {"loss": miss + beta * kl / windows[0].numel(), "rebuilt": miss, "kl": kl}
