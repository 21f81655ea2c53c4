"""What makes features of a log-mel spectrum: networks of several kinds and sizes, without heads."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from dspcore.errors import UserError, nearest

#: Channels of the four stages of a convolutional network, and the width of its features.
SIZES = {"small": (12, 24, 48, 64), "medium": (24, 48, 96, 128), "large": (48, 96, 160, 224)}


class Normalised(nn.Module):
    """Subtracts each mel band's mean over the training set, and divides by its deviation."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(bands, 1))
        self.register_buffer("deviation", torch.ones(bands, 1))
        self.mean: Tensor
        self.deviation: Tensor

    def learn(self, mel: Tensor) -> None:
        """From the training set, (n, bands, frames)."""
        some = mel[:: max(1, len(mel) // 2000)].float()
        self.mean.copy_(some.mean((0, 2))[:, None])
        self.deviation.copy_(some.std((0, 2)).clamp(min=1e-3)[:, None])

    def forward(self, mel: Tensor) -> Tensor:
        """(b, bands, frames), the same shape."""
        return (mel - self.mean) / self.deviation


class Backbone(nn.Module):
    """From a mel spectrum (b, bands, frames) to (b, features)."""

    features: int


class Plain(Backbone):
    """Four convolutions that each halve time and frequency, then a layer over all places.

    Args:
        bands: Of the mel spectrum.
        frames: Of the same.
        size: small, medium or large.
        features: What comes out.
        normed: Whether batches are normalised after every layer.
        dropout: Share of what comes from all places that is left out while learning.
    """

    def __init__(
        self,
        bands: int,
        frames: int,
        size: str = "medium",
        features: int = 256,
        normed: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.features = features
        widths = sizes(size)
        layers: list[nn.Module] = []
        before = 1
        for i, width in enumerate(widths):
            layers += [
                nn.Conv2d(
                    before, width, 5 if i == 0 else 3, 2, 2 if i == 0 else 1, bias=not normed
                ),
                nn.BatchNorm2d(width) if normed else nn.Identity(),
                nn.GELU(),
            ]
            before = width
        self.layers = nn.Sequential(*layers)
        self.out = flattened(self.layers, bands, frames, features, normed, dropout)

    def forward(self, mel: Tensor) -> Tensor:
        """(b, bands, frames) to (b, features)."""
        return self.out(self.layers(mel[:, None]))


class Residual(Backbone):
    """Four stages of residual blocks that each halve time and frequency, then all places.

    Args:
        bands: As of `Plain`.
        frames: As of `Plain`.
        size: As of `Plain`.
        features: As of `Plain`.
        dropout: As of `Plain`.
    """

    def __init__(
        self,
        bands: int,
        frames: int,
        size: str = "medium",
        features: int = 256,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.features = features
        widths = sizes(size)
        layers: list[nn.Module] = [
            nn.Conv2d(1, widths[0], 5, 2, 2, bias=False), nn.BatchNorm2d(widths[0]), nn.GELU()
        ]  # fmt: skip
        for before, width in pairwise(widths):
            layers += [_Block(before, width, 2), _Block(width, width, 1)]
        self.layers = nn.Sequential(*layers)
        self.out = flattened(self.layers, bands, frames, features, dropout=dropout)

    def forward(self, mel: Tensor) -> Tensor:
        """(b, bands, frames) to (b, features)."""
        return self.out(self.layers(mel[:, None]))


class _Block(nn.Module):
    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(width), nn.BatchNorm2d(width)])
        self.way: nn.Module = nn.Identity()
        if stride > 1 or before != width:
            self.way = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(before, width, 1, bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.gelu(self.norms[0](self.first(x)))
        return nn.functional.gelu(self.way(x) + self.norms[1](self.second(y)))


class Spectrogram(Backbone):
    """Patches of the spectrogram as tokens of a transformer with a class token (AST).

    Args:
        bands: As of `Plain`.
        frames: As of `Plain`.
        size: small, medium or large.
        features: What comes out.

    Source:
        Y. Gong et al., "AST: Audio Spectrogram Transformer", Interspeech 2021.
    """

    patch = (16, 8)

    def __init__(self, bands: int, frames: int, size: str = "medium", features: int = 256) -> None:
        super().__init__()
        self.features = features
        width, depth = {"small": (64, 3), "medium": (128, 4), "large": (192, 6)}[checked(size)]
        self.cut = nn.Conv2d(1, width, self.patch, self.patch)
        tokens = (bands // self.patch[0]) * (frames // self.patch[1])
        self.first = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.place = nn.Parameter(torch.randn(1, tokens + 1, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, features), nn.GELU())

    def forward(self, mel: Tensor) -> Tensor:
        """(b, bands, frames) to (b, features)."""
        tokens = self.cut(mel[:, None]).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(mel), -1, -1), tokens], 1) + self.place
        return self.out(self.layers(tokens)[:, 0])


def flattened(
    layers: nn.Module,
    bands: int,
    frames: int,
    features: int,
    normed: bool = True,
    dropout: float = 0.0,
) -> nn.Module:
    """From all places of what convolutions give to (b, features)."""
    layers.eval()
    with torch.no_grad():
        width = layers(torch.zeros(1, 1, bands, frames)).numel()
    layers.train()
    norm = nn.BatchNorm1d(features) if normed else nn.Identity()
    return nn.Sequential(_Places(dropout), nn.Linear(width, features), norm, nn.GELU())


class _Places(nn.Module):
    """Flatten and dropout as one layer: checkpoints know the layers after it by their numbers."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x.flatten(1), self.dropout, self.training)


def sizes(size: str) -> tuple[int, int, int, int]:
    """Channels of a size by name."""
    return SIZES[checked(size)]


def checked(size: str) -> str:
    """The size, when there is one of that name."""
    if size not in SIZES:
        raise UserError(f"unknown size {size!r}; {nearest(size, SIZES)}")
    return size
