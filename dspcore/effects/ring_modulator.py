"""A sound times a sine."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dspcore.effects.lfo import Moving, phase_param, swing
from dspcore.effects.modulation_search import carriers
from dspcore.effects.param import Param


class RingModulator(Moving):
    """Multiply by a sine: every partial gives way to two, at its sum and difference with it.

    Sums above half the sample rate fold back; the sound must leave room for them.
    """

    frequency_hz = Param(1.0, 5_000.0, default=300.0, scale="log", fine=True, doc="Of the sine.")
    phase = phase_param()
    mix = Param(0.0, 1.0, default=1.0, doc="Dry at 0, the product alone at 1.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Multiply and mix."""
        moved = {**params, "rate_hz": params["frequency_hz"]}
        wave, state = swing(self, moved, audio.shape[2], state)
        mix = params["mix"][:, None]
        return audio * (1 - mix + mix * wave).to(audio.dtype), state

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """Frequencies at which the product of `dry` and the reference has a peak."""
        low, high = type(self).frequency_hz.range(self.sample_rate)
        found = carriers(dry, reference, self.sample_rate, low, high)
        return [{"frequency_hz": hz, "phase": phase} for hz, phase in found]
