"""Darker or brighter by one knob."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Param


class TiltEQ(Effect):
    """Tilt the spectrum about a pivot: the highs rise by half of `tilt_db`, the lows fall as much.

    One first-order section, ``(a s + w) / (s + a w)`` through the bilinear transform, with
    ``a = 10 ** (tilt_db / 40)``: 0 dB at the pivot, half the tilt to either side.
    """

    aliases = ("tilt",)

    pivot_hz = Param(100.0, 10_000.0, default=800.0, scale="log", doc="What keeps its level.")
    tilt_db = Param(-24.0, 24.0, default=0.0, doc="Highs against lows.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """One section for all channels."""
        a, w = (
            10 ** (params["tilt_db"] / 40),
            torch.tan(math.pi * params["pivot_hz"] / self.sample_rate),
        )
        a, w = torch.broadcast_tensors(a, w)
        none = torch.zeros_like(a)
        sos = torch.stack([a + w, w - a, none, 1 + a * w, a * w - 1, none], 1)
        return ops.sosfilt(audio, sos[:, None, None], state)

    def tail_seconds(self) -> float:
        """Until the section's pole has fallen by 60 dB."""
        a = 10 ** (self.values["tilt_db"] / 40)
        w = a * math.tan(math.pi * self.values["pivot_hz"] / self.sample_rate)
        pole = abs((1 - w) / (1 + w))
        return math.log(1e-3) / math.log(max(pole, 1e-3)) / self.sample_rate
