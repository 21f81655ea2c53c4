"""The filter with four stages that sings."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Choice, Param
from dspcore.ops.ladder import MODES

_LOOP = {"linear": 3.9, "tanh": 4.4}  # feedback at full resonance
_LONGEST_S = 10.0  # a tail that would go on for ever


class LadderFilter(Effect):
    """R. Moog's ladder: four stages and feedback around them, with moving corner and resonance.

    The loop has no delay of its own, so the corner stays in tune. Full resonance is a feedback of
    3.9 where the ladder is linear, just short of ringing for ever, and of 4.4 with `tanh`, where
    the input of the first stage saturates: from 0.91 on it sings at the corner. Resonance takes
    level away below the corner, ``1 / (1 + feedback)`` at 0 Hz, as in the instrument.
    """

    mode = Choice(*MODES, default="lowpass_24", doc="What is left of the sound, with dB an octave.")
    loop = Choice(*_LOOP, default="linear", doc="Whether the loop saturates.")
    cutoff_hz = Param(20.0, 20_000.0, default=1_000.0, scale="log", doc="Corner of each stage.")
    resonance = Param(0.0, 1.0, default=0.2, doc="Feedback; on the verge of singing at 1.")
    drive_db = Param(-24.0, 36.0, default=0.0, doc="Gain before the ladder, taken back after it.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """One ladder a channel."""
        p = {name: value[:, None] for name, value in params.items()}
        drive = (10 ** (p["drive_db"] / 20)).to(audio.dtype)
        y, state = ops.ladder(
            drive * audio,
            p["cutoff_hz"] / self.sample_rate,
            _LOOP[self.loop] * p["resonance"],
            self.mode,
            state,
            saturated=self.loop == "tanh",
        )
        return y / drive, state

    def tail_seconds(self) -> float:
        """Until the slowest pole has fallen by 60 dB, ten seconds where it never does.

        The poles are ``-1 + k ** (1/4) exp(i pi / 4)`` and its mirror images, times the corner.
        """
        g = math.tan(math.pi * self.values["cutoff_hz"] / self.sample_rate)
        k = _LOOP[self.loop] * self.values["resonance"]
        pole = g * (-1 + k**0.25 * complex(0.5**0.5, 0.5**0.5))
        size = max(abs((1 + pole) / (1 - pole)), 1e-3)
        most = _LONGEST_S * self.sample_rate
        # Four poles near one another fall as a cubic times an exponential.
        samples = (math.log(1000) + 6) / -math.log(size) if size < 1 else most
        fastest = abs((1 - g) / (1 + g))
        return min(most, samples + 12 / max(1e-3, 1 - fastest)) / self.sample_rate
