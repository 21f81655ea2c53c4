"""What lies between encoder and decoder: gaussian, mmd, sphere, none, or residual vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dspcore.errors import UserError, nearest
from dspcore.latent.divergence import kl_nats, mmd

#: Least standard deviation of a gaussian latent.
LEAST_STD = 1e-4


@dataclass
class Coded:
    """A latent and what it costs.

    Attributes:
        z: What the decoder gets, (b, d, f).
        mean: What stands for the sound when nothing is drawn, (b, d, f).
        std: (b, d, f) where it is a distribution.
        kl: In nats, (b, d, f), where it is one.
        penalty: Further parts of the loss by name, numbers; each has the weight of the divergence,
            but for "commitment", which has its own.
        codes: Of vectors, (b, stages, f).
    """

    z: Tensor
    mean: Tensor
    std: Tensor | None = None
    kl: Tensor | None = None
    penalty: dict[str, Tensor] = field(default_factory=dict)
    codes: Tensor | None = None


class Bottleneck(nn.Module):
    """Base: ``coded = bottleneck(h)`` for h of `channels` channels, (b, channels, f).

    Args:
        dims: Of the latent.
    """

    #: Channels that it wants from the encoder, for each dimension.
    inputs_per_dim = 1

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.dims = dims

    @property
    def channels(self) -> int:
        """What the encoder must give."""
        return self.inputs_per_dim * self.dims

    def bits(self) -> float | None:
        """Of a frame, where that is fixed."""
        return None

    def forward(self, h: Tensor, mask: Tensor | None = None) -> Coded:
        """The latent of h; in training mode it may be drawn. `mask`, (b, f): frames that count."""
        raise NotImplementedError


class Gauss(Bottleneck):
    """``z = mean + std * noise`` with ``std = softplus(s) + 1e-4``, paid by its KL divergence."""

    inputs_per_dim = 2

    def forward(self, h: Tensor, mask: Tensor | None = None) -> Coded:
        """Drawn in training mode, the mean otherwise."""
        mean, s = h.chunk(2, 1)
        std = functional.softplus(s) + LEAST_STD
        z = mean + std * torch.randn_like(mean) if self.training else mean
        return Coded(z, mean, std, kl_nats(mean, std))


class MMD(Bottleneck):
    """``z = h``, paid by the maximum mean discrepancy of all frames from a standard normal.

    Source:
        S. Zhao, J. Song, S. Ermon, "InfoVAE", AAAI 2019; I. Tolstikhin et al., "Wasserstein
        Auto-Encoders", ICLR 2018: deterministic encoder, kernels of fixed widths.
    """

    #: Frames that are compared at most, as the cost grows with their square.
    most = 256

    def forward(self, h: Tensor, mask: Tensor | None = None) -> Coded:
        """The same in training and after it."""
        frames = h.movedim(1, 2).flatten(0, 1)
        if mask is not None:
            frames = frames[mask.flatten()]
        penalty = h.new_zeros(())
        if self.training and len(frames) > 1:
            frames = frames[torch.randperm(len(frames), device=h.device)[: self.most]]
            widths = math.sqrt(2 * self.dims) * h.new_tensor([0.25, 0.5, 1.0])
            penalty = mmd(frames, torch.randn_like(frames), widths)
        return Coded(h, h, penalty={"mmd": penalty})


class Sphere(Bottleneck):
    """``z = h / |h| * sqrt(d)`` for every frame: a direction, with unit power in each dimension."""

    def forward(self, h: Tensor, mask: Tensor | None = None) -> Coded:
        """The same in training and after it."""
        z = functional.normalize(h, dim=1) * math.sqrt(self.dims)
        return Coded(z, z)


class Plain(Bottleneck):
    """``z = h``: an autoencoder that nothing regularises."""

    def forward(self, h: Tensor, mask: Tensor | None = None) -> Coded:
        """The same in training and after it."""
        return Coded(h, h)


class RVQ(Bottleneck):
    """Residual vector quantisation: each stage names the nearest of its vectors to what is left.

    Vectors follow what they stand for (an exponential average, in training mode); one that nothing
    is near to any more is put on a frame of the batch. Gradients pass straight through.

    Args:
        dims: Of the latent.
        stages: How many vectors stand for a frame.
        size: Vectors to choose from in each stage; a frame costs stages * log2(size) bits.
        decay: Of the average.
        commitment: Weight of the distance between h and its vectors.

    Source:
        N. Zeghidour et al., "SoundStream", IEEE/ACM TASLP 30, 2022, algorithm 1.
    """

    def __init__(
        self,
        dims: int,
        stages: int = 8,
        size: int = 256,
        decay: float = 0.99,
        commitment: float = 0.25,
    ) -> None:
        super().__init__(dims)
        if stages < 1 or size < 2 or not 0 < decay < 1:
            raise UserError(
                f"rvq: stages 1 or more, size 2 or more, decay between 0 and 1, "
                f"got {stages}, {size}, {decay}"
            )
        self.stages, self.size, self.decay, self.commitment = stages, size, decay, commitment
        self.register_buffer("vectors", torch.randn(stages, size, dims) / math.sqrt(dims))
        self.register_buffer("counts", torch.zeros(stages, size))
        self.register_buffer("sums", torch.zeros(stages, size, dims))
        self.vectors: Tensor
        self.counts: Tensor
        self.sums: Tensor

    def bits(self) -> float:
        """Of a frame."""
        return self.stages * math.log2(self.size)

    def forward(self, h: Tensor, mask: Tensor | None = None) -> Coded:
        """Vectors move in training mode; a batch with NaN moves none."""
        frames = h.movedim(1, 2)
        left, total = frames, torch.zeros_like(frames)
        learns = self.training and bool(torch.isfinite(h.detach().sum()))
        codes, commitment = [], h.new_zeros(())
        for stage in range(self.stages):
            flat = left.detach().flatten(0, 1)
            code = torch.cdist(flat, self.vectors[stage]).argmin(1).unflatten(0, left.shape[:2])
            if learns:
                kept = flat if mask is None else flat[mask.flatten()]
                named = code.flatten() if mask is None else code[mask]
                self._follow(stage, kept, named)
            chosen = self.vectors[stage][code]
            commitment = commitment + (left - chosen.detach()).square().mean()
            total = total + chosen
            left = left - chosen.detach()
            codes.append(code)
        z = (frames + (total - frames).detach()).movedim(1, 2)
        penalty = {"commitment": self.commitment * commitment}
        return Coded(z, total.movedim(1, 2).detach(), penalty=penalty, codes=torch.stack(codes, 1))

    def decoded(self, codes: Tensor) -> Tensor:
        """The latent that codes (b, stages, f) stand for, (b, d, f)."""
        each = [self.vectors[stage][codes[:, stage]] for stage in range(codes.shape[1])]
        return torch.stack(each).sum(0).movedim(2, 1)

    @torch.no_grad()
    def _follow(self, stage: int, frames: Tensor, code: Tensor) -> None:
        if not len(frames):
            return
        chosen = functional.one_hot(code, self.size).to(frames.dtype)
        self.counts[stage].lerp_(chosen.sum(0), 1 - self.decay)
        self.sums[stage].lerp_(chosen.T @ frames, 1 - self.decay)
        alive = self.counts[stage] > 0.01
        drawn = frames[torch.randint(len(frames), (self.size,), device=frames.device)]
        moved = self.sums[stage] / self.counts[stage].clamp(min=1e-9)[:, None]
        self.vectors[stage] = torch.where(alive[:, None], moved, drawn)
        self.counts[stage] = torch.where(alive, self.counts[stage], 0.1)
        self.sums[stage] = torch.where(alive[:, None], self.sums[stage], 0.1 * drawn)


BOTTLENECKS: dict[str, type[Bottleneck]] = {
    "gauss": Gauss,
    "mmd": MMD,
    "sphere": Sphere,
    "none": Plain,
    "rvq": RVQ,
}


def make_bottleneck(name: str, dims: int, **options: Any) -> Bottleneck:
    """The bottleneck called `name`; `UserError` with the nearest names when there is none."""
    if name not in BOTTLENECKS:
        raise UserError(f"latent: no bottleneck {name!r}; {nearest(name, BOTTLENECKS)}")
    if dims < 1:
        raise UserError(f"latent: dims must be 1 or more, got {dims}")
    return BOTTLENECKS[name](dims, **options)
