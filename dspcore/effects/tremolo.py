"""A level that swings."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dspcore.effects.lfo import Moving, phase_param, rate_param, shape_choice, swing
from dspcore.effects.modulation_search import gain_swings
from dspcore.effects.param import Param


class Tremolo(Moving):
    """Let the level swing between 1 and ``1 - depth``, beginning in the middle and rising."""

    shape = shape_choice()
    rate_hz = rate_param(20.0, default=5.0)
    depth = Param(0.0, 1.0, default=0.5, doc="How far the level falls: to silence at 1.")
    phase = phase_param()

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Multiply by the wave."""
        wave, state = swing(self, params, audio.shape[2], state)
        gain = 1 - params["depth"][:, None] * (0.5 - 0.5 * wave)
        return audio * gain.to(audio.dtype), state

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """Rates and phases at which the level of the reference swings against that of `dry`."""
        low, high = type(self).rate_hz.range(self.sample_rate)
        ratio = gain_swings(dry.sum(0), reference.sum(0), self.sample_rate, low, high)
        return [{"rate_hz": hz, "phase": phase} for hz, phase in ratio]
