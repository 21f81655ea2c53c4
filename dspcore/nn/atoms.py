"""Sines that sound for a while: what an analysis of speech starts from."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dspcore.estimate import matching_pursuit


class WindowedSines(nn.Module):
    """``sum_k w((t - c_k) / s_k) (a_k cos v + b_k sin v)``, ``v = 2 pi f_k (t - c_k)``.

    w(u) = cos^2(pi u) for |u| < 1/2, so where no wave sounds the silence is exact. Five numbers a
    wave. Start it by `from_clip`; a random start does not find its way.

    Args:
        waves: k.
        num_samples: Over which the random centres are spread.
        generator: Of the random start.
    """

    def __init__(
        self, waves: int, num_samples: int = 16_000, *, generator: torch.Generator | None = None
    ) -> None:
        """Draws the waves."""
        super().__init__()
        drawn = torch.rand(5, waves, generator=generator)
        self.center = nn.Parameter(drawn[0] * num_samples)
        self.size = nn.Parameter(256 * 16 ** drawn[1])
        self.frequency = nn.Parameter(0.002 * 100 ** drawn[2])
        self.cosine = nn.Parameter(0.1 * (2 * drawn[3] - 1))
        self.sine = nn.Parameter(0.1 * (2 * drawn[4] - 1))

    def forward(self, t: Tensor) -> Tensor:
        """Times in samples, (...), to the sum, (...)."""
        parts = [self._at(part) for part in t.reshape(-1).split(2048)]
        return torch.cat(parts).reshape(t.shape)

    def _at(self, t: Tensor) -> Tensor:
        distance = t[:, None] - self.center
        u = distance / self.size
        window = torch.cos(math.pi * u).square() * (u.abs() < 0.5)
        angle = 2 * math.pi * torch.remainder(self.frequency * distance, 1.0)
        return (window * (self.cosine * angle.cos() + self.sine * angle.sin())).sum(1)

    @classmethod
    def from_clip(cls, clip: Tensor, waves: int, *, rounds: int = 3) -> WindowedSines:
        """The waves that matching pursuit finds in a clip (t,), refined `rounds` times."""
        made = cls(waves)
        made.start(clip, rounds=rounds)
        return made

    @torch.no_grad()
    def start(self, clip: Tensor, *, rounds: int = 3) -> None:
        """Take the waves that matching pursuit finds in a clip (t,), refined `rounds` times."""
        found = matching_pursuit(clip, len(self.center), rounds=rounds)
        for parameter, column in zip(self.parameters(), found.values.T, strict=True):
            parameter.copy_(column)
