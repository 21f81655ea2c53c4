"""Notches that wander."""

from __future__ import annotations

import cmath
import math
from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.chorus import rates_and_phases, sides
from dspcore.effects.lfo import Moving, phase_param, rate_param, swing
from dspcore.effects.param import HIGHEST_SHARE, Choice, Param

_STAGES = {"four": 4, "six": 6, "eight": 8, "twelve": 12}


class Phaser(Moving):
    """Mix with a copy whose phase is turned by first-order all-passes that swing.

    Each of n stages turns by ``2 atan(tan(pi f / rate) / tan(pi c / rate))``, a quarter at the
    centre c. With a mix of 0.5 and no feedback there are n / 2 notches, at ``tan(pi f / rate) =
    tan(pi c / rate) tan((2 k + 1) pi / (2 n))``. The centre is ``center_hz * 2 ** (depth w(t))``,
    up to 0.45 of the sample rate. Feedback goes round the stages without delay.
    """

    stages = Choice(*_STAGES, default="four", doc="How many all-passes: twice the notches.")
    rate_hz = rate_param(10.0, default=0.5)
    center_hz = Param(100.0, 4_000.0, default=800.0, scale="log", doc="Middle of the sweep.")
    depth = Param(0.0, 3.0, default=1.0, doc="How far it sweeps either way, in octaves.")
    feedback = Param(-0.95, 0.95, default=0.0, doc="What goes round again, upside down below 0.")
    spread = Param(0.0, 1.0, default=0.0, doc="How far the right side swings apart; opposite at 1.")
    phase = phase_param()
    mix = Param(0.0, 1.0, default=0.5, doc="Share of the copy; the notches are deepest at 0.5.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """All stages in one pass."""
        turned, stages = state or (None, None)
        channels, samples = audio.shape[1:]
        here = torch.zeros(1, dtype=torch.float64, device=audio.device)
        wave, turned = swing(self, params, samples, turned, sides(params["spread"], channels, here))
        p = {name: value[:, None] for name, value in params.items()}
        centre = p["center_hz"] * torch.exp2(p["depth"] * wave)
        g = torch.tan(math.pi * (centre / self.sample_rate).clamp(max=HIGHEST_SHARE))
        pole = (1 - g) / (1 + g)
        wet, stages = ops.allpass_chain(
            audio, pole, p["feedback"], stages, stages=_STAGES[self.stages]
        )
        mix = p["mix"].to(audio.dtype)
        return audio + mix * (wet - audio), (turned, stages)

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """Rates at which the response swings, each at four phases."""
        return rates_and_phases(self, dry, reference)

    def tail_seconds(self) -> float:
        """Until the slowest pole has fallen by 60 dB, at either end of the sweep.

        With w an nth root of 1 / feedback the loop has the pole ``z = (1 + a w) / (a + w)``; where
        there is hardly any, n poles lie near a, and fall as a polynomial times an exponential.
        """
        v, n = self.values, _STAGES[self.stages]
        slowest = 1e-3
        for octaves in (-v["depth"], v["depth"]):
            share = min(v["center_hz"] * 2**octaves / self.sample_rate, HIGHEST_SHARE)
            g = math.tan(math.pi * share)
            a = (1 - g) / (1 + g)
            for k in range(n):
                w = complex(v["feedback"] or 1e-9) ** (-1 / n) * cmath.exp(2j * math.pi * k / n)
                slowest = max(slowest, abs((1 + a * w) / (a + w)))
        return ((math.log(1000) + 1.5 * n) / -math.log(slowest) + n) / self.sample_rate
