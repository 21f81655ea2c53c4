"""Attacks and decays louder or quieter, whatever the level."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from dspcore import ops
from dspcore.effects import level
from dspcore.effects.effect import Effect
from dspcore.effects.param import Param

_FAST_MS, _FALL_MS = 1.0, 30.0  # of the envelope that others are compared with


class TransientShaper(Effect):
    """Make the beginnings of sounds, and how they ring on, louder or quieter.

    Envelopes of the same level are compared. One that rises slower than the sound (`attack_ms`)
    lies below it while a sound begins; one that falls slower (`sustain_ms`) lies above it while a
    sound fades. With `a` and `s` the shares of the greater that are missing in the lesser, from 0
    in a steady sound to 1, the gain is ``a attack_db + s sustain_db``: it needs no threshold.

    Source: the differential envelopes of SPL's Transient Designer (1998), with ratios in place of
    differences in dB, so that the gain has an end.
    """

    attack_db = Param(-24.0, 24.0, default=6.0, doc="Gain of the beginning of a sound.")
    sustain_db = Param(-24.0, 24.0, default=0.0, doc="Gain of its end.")
    attack_ms = Param(2.0, 200.0, default=20.0, scale="log", doc="How long a beginning is.")
    sustain_ms = Param(50.0, 2_000.0, default=300.0, scale="log", doc="How long an end is.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Three envelopes, one gain for all channels."""
        fast_state, slow_state, long_state = (None, None, None) if state is None else state
        p, rate = level.controls(self, params), self.sample_rate
        rise, fall = (-math.expm1(-1000 / (ms * rate)) for ms in (_FAST_MS, _FALL_MS))
        key = level.linked(audio)
        fast, fast_state = ops.envelope(key, rise, fall, fast_state)
        slow, slow_state = ops.envelope(
            key, level.smoothing(p["attack_ms"], rate), fall, slow_state
        )
        long, long_state = ops.envelope(
            key, rise, level.smoothing(p["sustain_ms"], rate), long_state
        )
        begins = (1 - slow / fast.clamp(min=1e-6)).clamp(min=0)
        ends = (1 - fast / long.clamp(min=1e-6)).clamp(min=0)
        gain_db = begins * p["attack_db"] + ends * p["sustain_db"]
        return audio * level.linear(gain_db).to(audio.dtype), (fast_state, slow_state, long_state)
