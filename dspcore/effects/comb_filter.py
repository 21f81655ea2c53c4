"""A row of peaks or notches."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from dspcore import ops
from dspcore.effects.echo_times import echo_times
from dspcore.effects.effect import Effect
from dspcore.effects.param import Param


class CombFilter(Effect):
    """Ring at a frequency and all its multiples, or silence what lies between them.

    ``y = x + (feedback + feedforward) w(t - d)`` with ``w = x + feedback w(t - d)`` and d one cycle
    of the frequency: its gain is ``(1 + feedforward) / (1 - feedback)`` at the multiples and ``(1 -
    feedforward) / (1 + feedback)`` in between; below 0 the two change places. A mix with the dry
    sound would be a smaller sum of the two gains. The line is read
    between samples by third-order Lagrange interpolation, which dulls the top octave at every pass.
    """

    frequency_hz = Param(
        20.0, 4_000.0, default=220.0, scale="log", fine=True, doc="First peak; one over the delay."
    )
    feedback = Param(-0.98, 0.98, default=0.7, doc="Sharpens peaks; between multiples below 0.")
    feedforward = Param(-1.0, 1.0, default=0.0, doc="Deepens notches; at the multiples below 0.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """One line a channel."""
        p = {name: value[:, None] for name, value in params.items()}
        longest = self.sample_rate / type(self).frequency_hz.minimum
        delay = self.sample_rate / p["frequency_hz"]
        gains = p["feedback"], p["feedforward"]
        return ops.comb(audio, delay, *gains, 1.0, state, max_delay=longest * 1.001)

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """Frequencies whose cycle is the delay of an echo."""
        low, high = type(self).frequency_hz.range(self.sample_rate)
        rate = self.sample_rate
        found = echo_times(dry, reference, rate / high, rate / low, max(1, rate // 20_000))
        return [{"frequency_hz": rate / samples} for samples in found]

    def tail_seconds(self) -> float:
        """Until what goes round has fallen by 60 dB."""
        v = self.values
        size = abs(v["feedback"])
        rounds = math.log(1e-3 * (1 - size)) / math.log(size) if size > 1e-3 else 1.0
        return (1 + math.ceil(rounds)) / v["frequency_hz"] + 4 / self.sample_rate
