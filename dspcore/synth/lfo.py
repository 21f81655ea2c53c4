"""A slow wave for vibrato, sweeps and swells."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dspcore.effects.lfo import turns, wave

SHAPES = ("sine", "triangle", "saw", "square")


def lfo(
    rate_hz: Tensor,
    num_samples: int,
    *,
    sample_rate: int,
    shape: str = "sine",
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """A wave from -1 to 1 for controls: naive, so steps of "saw" and "square" are steps.

    Args:
        rate_hz: Cycles a second, (b, 1), or (b, t) where it moves.
        num_samples: Length t.
        sample_rate: In Hz.
        shape: "sine" and "triangle" begin at 0 and rise, "saw" at -1, "square" at 1.
        state: Phase at the first sample in cycles, (b,); 0 when left out.

    Returns:
        The wave, (b, t) float64, and the phase after its last sample, (b,). Exact gradients to the
        rate, but none through the steps.
    """
    if shape not in SHAPES:
        raise ValueError(f"lfo: shape must be one of {', '.join(SHAPES)}, got {shape!r}")
    phase, after = turns(rate_hz, num_samples, sample_rate, state)
    if shape in ("sine", "triangle"):
        return wave(phase, shape), after
    place = phase - phase.detach().floor()
    if shape == "saw":
        return 2 * place - 1, after
    return torch.where(place < 0.5, 1.0, -1.0).double() + 0 * place, after


class LFO(nn.Module):
    """`lfo` of one shape at one rate of samples: ``wave, state = LFO("sine", 48_000)(hz, n)``.

    Args:
        shape: "sine", "triangle", "saw" or "square".
        sample_rate: In Hz.
    """

    def __init__(self, shape: str = "sine", sample_rate: int = 48_000) -> None:
        super().__init__()
        self.shape, self.sample_rate = shape, sample_rate

    def forward(
        self, rate_hz: Tensor, num_samples: int, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The wave, (b, num_samples) float64, and the phase after it."""
        return lfo(
            rate_hz, num_samples, sample_rate=self.sample_rate, shape=self.shape, state=state
        )
