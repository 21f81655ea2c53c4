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

    room = Param(0.0, 1.0, default=0.5, doc="How large the room is: how long it rings.")
    damping = Param(0.0, 1.0, default=0.5, doc="How much sooner highs end.")
    width = Param(0.0, 1.0, default=1.0, doc="Both sides the same at 0, apart at 1.")
    mix = Param(0.0, 1.0, default=0.3, doc="Dry at 0, the room alone at 1.")

    def _lengths(self, *tuning: int) -> list[float]:
        """Whole samples, those of the left and then of the right."""
        scale = self.sample_rate / 44_100
        return [max(2.0, float(round((n + s) * scale))) for s in (0, _SPREAD) for n in tuning]

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Every comb is a row of its own; rows run side by side."""
        comb_state, *pass_states = (None,) * 5 if state is None else state
        b, _, t = audio.shape
        p = {name: value[:, None] for name, value in params.items()}
        lengths = self._lengths(*_COMBS)
        rows, delays = len(lengths), p["room"].new_tensor(lengths)
        feedback = (0.7 + 0.28 * p["room"]).expand(-1, rows, -1).flatten(0, 1)[:, None, None]
        d = 0.4 * p["damping"][:, 0]  # (b, 1) or (b, t)
        zero, one = torch.zeros_like(d), torch.ones_like(d)
        lowpass = torch.stack([1 - d, zero, zero, one, -d, zero], 1)  # (b, 6, n)
        lowpass = lowpass[:, None].expand(-1, rows, -1, -1).flatten(0, 1)[:, None, None]
        into = (_INPUT * audio.sum(1))[:, None].expand(-1, rows, -1).reshape(b * rows, 1, t)
        combs, comb_state = ops.delay(
            into,
            delays.expand(b, -1).reshape(b * rows, 1),
            feedback,
            lowpass,
            comb_state,
            max_delay=max(lengths),
        )
        wet = combs.reshape(b, 2, -1, t).sum(2)
        after = []
        for length, before in zip(_ALLPASSES, pass_states, strict=True):
            both = self._lengths(length)
            n = delays.new_tensor(both)[None]
            wet, kept = ops.comb(wet, n, 0.5, 1.5, -1.0, before, max_delay=max(both))
            after.append(kept)
        width = p["width"].to(audio.dtype)
        own, other = _OUTPUT * (0.5 + width / 2), _OUTPUT * (0.5 - width / 2)
        room = own * wet + other * wet.flip(1)
        mix = p["mix"].to(audio.dtype)
        return audio + mix * (room - audio), (comb_state, *after)

    def decay_seconds(self) -> float:
        """How long lows take to fall by 60 dB in the longest comb."""
        turn = max(self._lengths(*_COMBS)) / self.sample_rate
        return -3.0 * turn / math.log10(0.7 + 0.28 * self.values["room"])

    def tail_seconds(self) -> float:
        """The decay, and that of the all-passes."""
        passes = sum(self._lengths(*_ALLPASSES)) / 2 / self.sample_rate
        return self.decay_seconds() + 10 * passes
