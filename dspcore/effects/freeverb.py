"""Schroeder and Moorer's room, as tuned by Jezar."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Param

# Samples at 44.1 kHz; the right side has 23 more.
_COMBS = (1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617)
_ALLPASSES = (556, 441, 341, 225)
_SPREAD = 23
_INPUT, _OUTPUT = 0.015, 3.0


class Freeverb(Effect):
    """Let the sound ring on in the room of the program of that name.

    Eight combs side by side, each with a low-pass ``(1 - d) / (1 - d/z)`` in its loop, d = 0.4
    `damping`, and a feedback of ``0.7 + 0.28 room``; then four all-passes ``(-1 + 1.5 z^-n) / (1 -
    0.5 z^-n)`` one after the other; twice, for left and right, with lengths that differ by 23
    samples. All lengths are those at 44.1 kHz, as near as whole samples come. Lows fall by ``-20
    log10(feedback)`` dB with each pass of a comb.

    Source: Jezar at Dreampoint, Freeverb, June 2000, in the public domain; M. Schroeder, 1962; J.
    Moorer, "About This Reverberation Business", CMJ 3(2), 1979.
    """

    channels = "stereo"
    piece = 16_384

    room = Param(0.0, 1.0, default=0.5, doc="How large the room is: how long it rings.")
    damping = Param(0.0, 1.0, default=0.5, doc="How much sooner highs end.")
    width = Param(0.0, 1.0, default=1.0, doc="Both sides the same at 0, apart at 1.")
    mix = Param(0.0, 1.0, default=0.3, doc="Dry at 0, the room alone at 1.")

    def _lengths(self, *tuning: int, more: int = 0) -> list[int]:
        """Whole samples; on the right there are more."""
        return [max(2, round((n + more) * self.sample_rate / 44_100)) for n in tuning]

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Both sides hear the same; what they make of it is crossed as the width says."""
        feedback, damping = self.settled(params, lambda: self._loops(params))
        wet, state = ops.freeverb(
            (_INPUT * audio.sum(1, keepdim=True)).expand(-1, 2, -1),
            feedback,
            damping,
            state,
            lengths=self._sides(),
        )
        width = _OUTPUT * params["width"][:, None].to(audio.dtype)
        own, other = (_OUTPUT + width) / 2, (_OUTPUT - width) / 2
        room = torch.addcmul(own * wet, other, wet.flip(1))
        return torch.lerp(audio, room, params["mix"][:, None].to(audio.dtype)), state

    @staticmethod
    def _loops(params: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Gain and pole of every loop, (b, 1, 1) or (b, 1, t)."""
        return (0.7 + 0.28 * params["room"])[:, None], (0.4 * params["damping"])[:, None]

    def _sides(self) -> list[list[int]]:
        """Lengths of the combs and then of the all-passes, for the left and for the right."""
        return [self._lengths(*_COMBS, *_ALLPASSES, more=more) for more in (0, _SPREAD)]

    def decay_seconds(self) -> float:
        """How long lows take to fall by 60 dB in the longest comb."""
        turn = max(self._sides()[1]) / self.sample_rate
        return -3.0 * turn / math.log10(0.7 + 0.28 * self.values["room"])

    def tail_seconds(self) -> float:
        """The decay, and that of the all-passes."""
        passes = sum(self._lengths(*_ALLPASSES, more=_SPREAD)) / self.sample_rate
        return self.decay_seconds() + 10 * passes
