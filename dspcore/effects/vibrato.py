"""A pitch that swings."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.lfo import Moving, phase_param, rate_param, shape_choice, swing
from dspcore.effects.modulation_search import delay_swings
from dspcore.effects.param import Param

_SLOWEST, _DEEPEST = 0.5, 100.0


class Vibrato(Moving):
    """Let the pitch swing: a delay that grows and shrinks, as of a source that comes and goes.

    The delay is ``a (1 + w(t)) + 2 samples`` with w the wave and a such that where it shrinks
    fastest the pitch is `depth_cents` higher: ``2 pi rate a = 2 ** (cents / 1200) - 1`` for a sine,
    with 4 in place of 2 pi for a triangle. The sound is a + 2 samples late on average.
    """

    shape = shape_choice()
    rate_hz = rate_param(14.0, default=5.0, minimum=_SLOWEST)
    depth_cents = Param(0.0, _DEEPEST, default=20.0, doc="How far the pitch rises, 100 a semitone.")
    phase = phase_param()

    def _reach(self, rate_hz: Tensor, cents: Tensor) -> Tensor:
        """The a of the docstring, in samples."""
        slope = 2 * math.pi if self.shape == "sine" else 4.0
        return torch.expm1(cents * (math.log(2) / 1200)) / (slope * rate_hz) * self.sample_rate

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Read a line at a moving place."""
        turned, line = state or (None, None)
        wave, turned = swing(self, params, audio.shape[2], turned)
        reach = self._reach(params["rate_hz"], params["depth_cents"])[:, None]
        most = torch.expm1(torch.tensor(_DEEPEST * math.log(2) / 1200, dtype=torch.float64))
        longest = 2 * float(most) / (4 * _SLOWEST) * self.sample_rate + 3
        y, line = ops.comb(
            audio, 2 + reach * (1 + wave), 0.0, 1.0, 0.0, line, max_delay=math.ceil(longest)
        )
        return y, (turned, line)

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """Rates and phases at which the delay between the two sounds swings."""
        low, high = type(self).rate_hz.range(self.sample_rate)
        found = delay_swings(dry.sum(0), reference.sum(0), self.sample_rate, low, high)
        return [{"rate_hz": hz, "phase": phase} for hz, phase in found]

    def tail_seconds(self) -> float:
        """The longest delay."""
        rate, cents = (torch.tensor(self.values[k]).double() for k in ("rate_hz", "depth_cents"))
        return (2 * float(self._reach(rate, cents)) + 4) / self.sample_rate
