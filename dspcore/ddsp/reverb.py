"""A room as an impulse response that is learnt."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dspcore import ops


class LearnedReverb(nn.Module):
    """The sound and its echo in a learnt room, ``y = x + h * x`` with h silent at 0.

    Args:
        seconds: Length of the impulse response.
        sample_rate: In Hz.
        decay_seconds: Of the noise it begins as, to -60 dB.
        level: Its amplitude at the beginning.

    Source: J. Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020, 3.5.
    """

    def __init__(
        self,
        seconds: float = 1.0,
        sample_rate: int = 48_000,
        *,
        decay_seconds: float = 0.3,
        level: float = 1e-3,
    ) -> None:
        super().__init__()
        samples = max(2, round(seconds * sample_rate))
        falls = math.log(1000) / (decay_seconds * sample_rate)
        fade = torch.exp(-falls * torch.arange(samples))
        self.response = nn.Parameter(level * fade * torch.randn(samples))

    def masked(self) -> Tensor:
        """The response without its first sample, which is the dry sound's, (1, 1, n)."""
        mask = torch.ones_like(self.response)
        mask[0] = 0.0
        return (mask * self.response)[None, None]

    def forward(self, x: Tensor, state: Tensor | None = None) -> Tensor:
        """(b, 1, t), as long as `x`: what rings on is in the state that `step` returns."""
        return self.step(x, state)[0]

    def step(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Like `forward`, and the tail that goes into the next block, (b, 1, n - 1)."""
        wet, after = ops.convolve(x, self.masked().to(x.dtype), state)
        return x + wet, after
