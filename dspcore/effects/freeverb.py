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

    def _lengths(self, *tuning: int) -> list[float]:
        """Whole samples, those of the left and then of the right."""
        scale = self.sample_rate / 44_100
        return [max(2.0, float(round((n + s) * scale))) for s in (0, _SPREAD) for n in tuning]

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Two networks of lines: the combs of both sides, and for each side the all-passes."""
        comb_state, pass_state = (None, None) if state is None else state
        b, _, t = audio.shape
        combs, loop, passes, matrix = self.settled(params, lambda: self._networks(audio, params))
        wet, comb_state = ops.delay(
            (_INPUT * audio.sum(1, keepdim=True)).expand(-1, combs.shape[1], -1),
            combs,
            torch.eye(combs.shape[1], dtype=audio.dtype, device=audio.device)[None],
            loop,
            comb_state,
            max_delay=max(self._lengths(*_COMBS)),
        )
        wet = wet.unflatten(1, (2, -1)).sum(2)
        late, pass_state = ops.delay(
            wet.reshape(2 * b, 1, t).expand(-1, passes.shape[1], -1),
            passes,
            matrix,
            state=pass_state,
            max_delay=max(self._lengths(*_ALLPASSES)),
        )
        wet = wet - late.sum(1).reshape(b, 2, t)
        p = {name: value[:, None] for name, value in params.items()}
        width = p["width"].to(audio.dtype)
        own, other = _OUTPUT * (0.5 + width / 2), _OUTPUT * (0.5 - width / 2)
        room = own * wet + other * wet.flip(1)
        mix = p["mix"].to(audio.dtype)
        return audio + mix * (room - audio), (comb_state, pass_state)

    def _networks(self, audio: Tensor, params: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """Lengths of the combs, (b, 16), and their loops; lengths of the all-passes, (2 b, 4), and
        what goes from line to line there.

        With a_k the input of all-pass k, its sign changed where k is odd, and u_k what its line
        gives, a_k+1 is ``a_k - u_k``, and what goes into the line is ``a_k + u_k / 2``.
        """
        b = audio.shape[0]
        combs = torch.tensor(self._lengths(*_COMBS), dtype=torch.float64, device=audio.device)
        feedback, d = torch.broadcast_tensors(0.7 + 0.28 * params["room"], 0.4 * params["damping"])
        zero, one = torch.zeros_like(d), torch.ones_like(d)
        loop = torch.stack([feedback * (1 - d), zero, zero, one, -d, zero], 1)[:, None, None]
        count = len(_ALLPASSES)
        passes = combs.new_tensor(self._lengths(*_ALLPASSES)).reshape(2, count)
        matrix = 0.5 * torch.eye(count, dtype=audio.dtype, device=audio.device)
        matrix = matrix - torch.ones_like(matrix).tril(-1)
        lines = len(combs)
        return (
            combs.expand(b, -1),
            loop.expand(-1, lines, -1, -1, -1),
            passes.repeat(b, 1),
            matrix[None],
        )

    def decay_seconds(self) -> float:
        """How long lows take to fall by 60 dB in the longest comb."""
        turn = max(self._lengths(*_COMBS)) / self.sample_rate
        return -3.0 * turn / math.log10(0.7 + 0.28 * self.values["room"])

    def tail_seconds(self) -> float:
        """The decay, and that of the all-passes."""
        passes = sum(self._lengths(*_ALLPASSES)) / 2 / self.sample_rate
        return self.decay_seconds() + 10 * passes
