"""Convolutions over time that keep to the length they are given, causal or centred."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Dilations of the residual units of a stage.
DILATIONS = (1, 3, 9)

SLOPE = 0.2


class Conv(nn.Module):
    """``y = conv(x)``, (b, c, t) to (b, k, t / stride), t a multiple of the stride.

    Causal: sample i of `y` knows nothing after sample ``(i + 1) * stride - 1`` of `x`.
    """

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(before, after, kernel, stride, dilation=dilation)
        spare = (kernel - 1) * dilation - (stride - 1)
        self.sides = (spare, 0) if causal else (spare - spare // 2, spare // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Padded with zeros."""
        return self.conv(functional.pad(x, self.sides))


class Up(nn.Module):
    """``y = up(x)``, (b, c, t) to (b, k, t * stride), by a transposed convolution."""

    def __init__(self, before: int, after: int, stride: int, *, causal: bool = False) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(before, after, 2 * stride, stride)
        self.stride, self.begin = stride, 0 if causal else stride // 2

    def forward(self, x: Tensor) -> Tensor:
        """The part of the result that belongs to `x`."""
        made = self.conv(x)
        return made[..., self.begin : self.begin + x.shape[-1] * self.stride]


class Unit(nn.Module):
    """``y = x + conv(act(conv(act(x))))``, the first convolution dilated."""

    def __init__(self, width: int, dilation: int, *, causal: bool = False) -> None:
        super().__init__()
        self.wide = Conv(width, width, 3, dilation=dilation, causal=causal)
        self.narrow = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The shape of `x`."""
        inner = self.wide(functional.leaky_relu(x, SLOPE))
        return x + self.narrow(functional.leaky_relu(inner, SLOPE))


def encoder(
    bands: int, width: int, outputs: int, ratios: Sequence[int], causal: bool, norm: str
) -> nn.Sequential:
    """Bands (b, bands, t) to (b, outputs, t / product of ratios)."""
    sizes = [width * 2**i for i in range(len(ratios) + 1)]
    layers: list[nn.Module] = [Conv(bands, width, 7, causal=causal)]
    for (before, after), ratio in zip(pairwise(sizes), ratios, strict=True):
        layers += [nn.BatchNorm1d(before)] if norm == "batch" else []
        layers += [
            nn.LeakyReLU(SLOPE),
            Conv(before, after, 2 * ratio + 1, stride=ratio, causal=causal),
        ]
    layers += [nn.LeakyReLU(SLOPE), Conv(sizes[-1], outputs, 5, causal=causal)]
    return nn.Sequential(*layers)


def decoder(
    dims: int, width: int, outputs: int, ratios: Sequence[int], causal: bool
) -> nn.Sequential:
    """A latent (b, dims, f) to (b, outputs, f * product of ratios)."""
    sizes = [width * 2**i for i in range(len(ratios) + 1)][::-1]
    layers: list[nn.Module] = [Conv(dims, sizes[0], 5, causal=causal)]
    for (before, after), ratio in zip(pairwise(sizes), reversed(ratios), strict=True):
        layers += [nn.LeakyReLU(SLOPE), Up(before, after, ratio, causal=causal)]
        layers += [Unit(after, dilation, causal=causal) for dilation in DILATIONS]
    last = Conv(sizes[-1], outputs, 7, causal=causal)
    with torch.no_grad():
        last.conv.weight.mul_(0.3)
    layers += [nn.LeakyReLU(SLOPE), last]
    return nn.Sequential(*layers)
