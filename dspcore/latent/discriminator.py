"""Judges of waveforms at several rates, and the losses of an adversarial phase."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

#: What a scale hears, from its input to its verdict.
Features = list[Tensor]


class Discriminator(nn.Module):
    """``scales = discriminator(audio)``: features and a verdict of the audio at falling rates.

    Args:
        audio_channels: Of the audio.
        scales: How many; each hears half the rate of the one before.
        width: Channels of the first layer.
        layers: Strided layers of a scale, each by four.

    Source:
        K. Kumar et al., "MelGAN", NeurIPS 2019, section 2.2.
    """

    def __init__(
        self, audio_channels: int = 1, scales: int = 3, width: int = 16, layers: int = 4
    ) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_scale(audio_channels, width, layers) for _ in range(scales))

    def forward(self, audio: Tensor) -> list[Features]:
        """Of audio (b, c, t), for each scale its features, the verdict (b, 1, f) last."""
        found = []
        for scale in self.scales:
            features: Features = []
            x = audio
            for layer in scale:  # type: ignore[attr-defined]
                x = layer(x)
                features.append(x)
            found.append(features)
            audio = functional.avg_pool1d(audio, 4, 2, 1)
        return found


def hinge_discriminator(real: Sequence[Features], fake: Sequence[Features]) -> Tensor:
    """``mean max(0, 1 - D(real)) + mean max(0, 1 + D(fake))``, averaged over scales."""
    each = [
        functional.relu(1 - r[-1]).mean() + functional.relu(1 + f[-1]).mean()
        for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(each).mean()


def hinge_generator(fake: Sequence[Features]) -> Tensor:
    """``-mean D(fake)``, averaged over scales."""
    return torch.stack([-f[-1].mean() for f in fake]).mean()


def feature_matching(real: Sequence[Features], fake: Sequence[Features]) -> Tensor:
    """Mean distance of the features before the verdict, averaged over layers and scales."""
    each = [
        (a.detach() - b).abs().mean()
        for r, f in zip(real, fake, strict=True)
        for a, b in zip(r[:-1], f[:-1], strict=True)
    ]
    return torch.stack(each).mean()


def _scale(channels: int, width: int, layers: int) -> nn.Sequential:
    made: list[nn.Module] = [
        nn.Sequential(nn.Conv1d(channels, width, 15, padding=7), nn.LeakyReLU(0.2))
    ]
    size = width
    for _ in range(layers):
        after = min(size * 4, width * 16)
        made.append(
            nn.Sequential(
                nn.Conv1d(size, after, 41, 4, 20, groups=max(1, size // 4)), nn.LeakyReLU(0.2)
            )
        )
        size = after
    made.append(nn.Sequential(nn.Conv1d(size, size, 5, padding=2), nn.LeakyReLU(0.2)))
    made.append(nn.Conv1d(size, 1, 3, padding=1))
    return nn.Sequential(*made)
