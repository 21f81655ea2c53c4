"""A sound that wanders from side to side."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore.effects.lfo import Moving, phase_param, rate_param, shape_choice, swing
from dspcore.effects.modulation_search import gain_swings
from dspcore.effects.param import Param


class AutoPan(Moving):
    """Move the sound left and right at constant power, as `Panner` would; it begins rightwards."""

    channels = "stereo"

    shape = shape_choice()
    rate_hz = rate_param(20.0, default=1.0)
    depth = Param(0.0, 1.0, default=1.0, doc="How far it goes: to the sides at 1.")
    phase = phase_param()

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Multiply each side by its part of the circle."""
        wave, state = swing(self, params, audio.shape[2], state)
        angle = (params["depth"][:, None] * wave + 1) * (math.pi / 4)
        gains = math.sqrt(2) * torch.cat([torch.cos(angle), torch.sin(angle)], 1)
        return audio * gains.to(audio.dtype), state

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """Rates and phases at which the level of the right side swings."""
        low, high = type(self).rate_hz.range(self.sample_rate)
        swings = gain_swings(dry[-1], reference[-1], self.sample_rate, low, high)
        return [{"rate_hz": hz, "phase": phase} for hz, phase in swings]
