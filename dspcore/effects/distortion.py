"""Distortion by a memoryless curve, anti-aliased by antiderivatives."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Choice, Param
from dspcore.effects.parametric_eq import ring_seconds
from dspcore.ops.antialiased import CURVES


class Distortion(Effect):
    """Drive the sound into a curve that bends it.

    The curve is averaged between samples (first-order antiderivative anti-aliasing), which delays
    it by half a sample; the dry part of `mix` is averaged over the same two samples, so the two
    stay in step.
    """

    curve = Choice(*CURVES, default="tanh", doc="How the peaks are bent.")
    drive_db = Param(-12.0, 48.0, default=12.0, doc="Gain into the curve.")
    tone_hz = Param(200.0, 20_000.0, default=20_000.0, scale="log", doc="Low-pass corner after it.")
    output_db = Param(-36.0, 12.0, default=0.0, doc="Gain of the bent signal.")
    mix = Param(0.0, 1.0, default=1.0, doc="Dry at 0, bent at 1.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Curve, tone and mix."""
        curve_state, tone_state, last = state or (None, None, audio.new_zeros(audio.shape[:2]))
        p = {name: value[:, None] for name, value in params.items()}
        bent, curve_state = ops.antialiased(
            audio, self.curve, 10 ** (p["drive_db"] / 20), curve_state
        )
        sos = ops.design.lowpass(p["tone_hz"], 0.5**0.5, self.sample_rate)
        sos = sos.movedim(2, -1)[:, :, None]
        bent, tone_state = ops.sosfilt(bent, sos, tone_state)
        dry = (audio + torch.cat([last[..., None], audio[..., :-1]], -1)) / 2
        mix = p["mix"].to(audio.dtype)
        bent = bent * (10 ** (p["output_db"] / 20)).to(audio.dtype)
        return dry + mix * (bent - dry), (curve_state, tone_state, audio[..., -1])

    def tail_seconds(self) -> float:
        """Until the tone's low-pass, which first rises, has fallen to 60 dB below its peak."""
        rate = self.sample_rate
        return 1.2 * ring_seconds(self.values["tone_hz"], 0.5**0.5, rate) + 3 / rate
