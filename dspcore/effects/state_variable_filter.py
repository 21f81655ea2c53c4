"""The filter of many synthesisers: every answer from one, with corner and resonance on the move."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Choice, Param
from dspcore.effects.parametric_eq import ring_seconds
from dspcore.ops.svf import MODES

_SLOPES = ("12_db", "24_db")
#: The poles of a fourth-order Butterworth: sections of 1 / (2 cos(pi / 8)) and 1 / (2 cos(3 pi/8)).
_WIDE = 0.5 / math.cos(math.pi / 8)
_NARROW = 0.5 / math.cos(3 * math.pi / 8)


class StateVariableFilter(Effect):
    """Low-pass, high-pass, band-pass, notch, peak or all-pass with a moving corner and resonance.

    Of 12 dB an octave: ``(h s^2 + b s/q + l) / (s^2 + s/q + 1)`` with s = (z - 1) / (z + 1) /
    tan(pi cutoff / rate); band-pass 0 dB, peak 2 q and all-pass 180 degrees at the corner. With 24
    dB, low-pass and high-pass have a second section of fixed q, so that both slopes are ``20
    log10(q)`` dB at the corner and flat at 0.707; all others are passed twice.
    """

    aliases = ("svf",)

    mode = Choice(*MODES, default="lowpass", doc="What is left of the sound.")
    slope = Choice(*_SLOPES, default="12_db", doc="How steep, an octave.")
    cutoff_hz = Param(20.0, 20_000.0, default=1_000.0, scale="log", doc="Corner or centre.")
    q = Param(0.3, 20.0, default=0.5**0.5, scale="log", doc="Resonance at the corner.")

    def _qs(self, q: Any) -> list[Any]:
        """The q of each section: (b, 1), (b, t) or a number."""
        if self.slope == "12_db":
            return [q]
        if self.mode in ("lowpass", "highpass"):
            return [0 * q + _WIDE, q * (_NARROW / 0.5**0.5)]
        return [q, q]

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """One section or two."""
        cutoff = params["cutoff_hz"][:, None] / self.sample_rate
        sections = self._qs(params["q"][:, None])
        after = []
        for q, before in zip(sections, state or [None] * len(sections), strict=True):
            audio, memory = ops.svf(audio, cutoff, q, self.mode, before)
            after.append(memory)
        return audio, after

    def tail_seconds(self) -> float:
        """Until the sections, one after another, have fallen by 60 dB."""
        corner, rate = self.values["cutoff_hz"], self.sample_rate
        return (
            1.2 * sum(ring_seconds(corner, q, rate) for q in self._qs(self.values["q"])) + 2 / rate
        )
