"""A split-band de-esser."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects import level
from dspcore.effects.effect import Effect
from dspcore.effects.param import Param
from dspcore.effects.parametric_eq import ring_seconds


class DeEsser(Effect):
    """Turn down the sharp s-sounds of a voice, and nothing below them.

    A Linkwitz-Riley crossover of fourth order splits the sound; the upper band goes through a
    compressor of its own level, the same gain for all channels. While nothing is turned down, the
    two bands add up to an all-pass: the spectrum is unchanged.

    Source: S. Linkwitz, "Active Crossover Networks for Noncoincident Drivers", JAES 24(1), 1976;
    the compressor is that of `Compressor`.
    """

    aliases = ("deesser",)

    crossover_hz = Param(1_000.0, 12_000.0, default=5_500.0, scale="log", doc="S-sounds lie above.")
    threshold_db = Param(-60.0, 0.0, default=-30.0, doc="Level of them above which they fall.")
    ratio = Param(1.0, 20.0, default=4.0, scale="log", doc="dB in for one dB out above it.")
    range_db = Param(0.0, 36.0, default=12.0, doc="The most that they fall, softly reached.")
    attack_ms = Param(0.1, 50.0, default=1.0, scale="log", doc="Time constant of falling gain.")
    release_ms = Param(5.0, 500.0, default=50.0, scale="log", doc="That of recovering gain.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Two Butterworth sections each way; the gain on the upper band."""
        low_state, high_state, gain_state = (None, None, None) if state is None else state
        p, rate = level.controls(self, params), self.sample_rate
        bands = []
        for design in (ops.design.lowpass, ops.design.highpass):
            section = design(p["crossover_hz"], 0.5**0.5, rate).movedim(2, -1)
            bands.append(torch.stack([section, section], 2))
        low, low_state = ops.sosfilt(audio, bands[0], low_state)
        high, high_state = ops.sosfilt(audio, bands[1], high_state)
        gain, gain_state = ops.compressor_gain(
            level.linked(high),
            p["threshold_db"],
            p["ratio"],
            6.0,
            level.smoothing(p["attack_ms"], rate),
            level.smoothing(p["release_ms"], rate),
            gain_state,
        )
        # r (1 - exp(-fall / r)) ends at the range r and is the fall itself where that is small.
        most = p["range_db"].clamp(min=1e-6)
        fall_db = -20 * torch.log10(gain.double())
        limited = -most * torch.expm1(-fall_db / most)
        out = low + high * level.linear(-limited).to(audio.dtype)
        return out, (low_state, high_state, gain_state)

    def tail_seconds(self) -> float:
        """Until the crossover has rung out."""
        return 2 * ring_seconds(self.values["crossover_hz"], 0.5**0.5, self.sample_rate)
