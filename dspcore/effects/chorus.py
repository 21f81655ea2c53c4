"""Several voices out of one."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.lfo import Moving, phase_param, rate_param, swing, within_half
from dspcore.effects.modulation_search import rates
from dspcore.effects.param import Choice, Param
from dspcore.effects.sweep_search import sweeps

_VOICES = {"two": 2, "three": 3, "four": 4}


class Chorus(Moving):
    """Add copies whose delays swing, each at another point of the same sine.

    Voice i of n is read ``delay + depth (1 + sin(2 pi (rate t + phase + i / n + side))) / 2`` ago;
    side is 0 on the left and half the `spread` cycles on the right. The voices' mean is the wet
    sound.
    """

    channels = "stereo"

    voices = Choice(*_VOICES, default="three", doc="How many copies.")
    rate_hz = rate_param(5.0, default=0.8)
    delay_ms = Param(1.0, 40.0, default=10.0, scale="log", doc="Shortest delay of a copy.")
    depth_ms = Param(0.0, 10.0, default=3.0, doc="By how much it grows.")
    spread = Param(0.0, 1.0, default=0.5, doc="How far the right side swings apart; opposite at 1.")
    phase = phase_param()
    mix = Param(0.0, 1.0, default=0.5, doc="Dry at 0, the copies alone at 1.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """A line for each voice and channel."""
        b, c, t = audio.shape
        turned, line = state or (None, None)
        n, in_samples = _VOICES[self.voices], self.sample_rate / 1000
        voice = torch.arange(n, dtype=torch.float64, device=audio.device) / n
        wave, turned = swing(self, params, t, turned, sides(params["spread"], c, voice))
        p = {name: value[:, None] for name, value in params.items()}
        delay = in_samples * (p["delay_ms"] + p["depth_ms"] * (0.5 + 0.5 * wave))
        longest = (type(self).delay_ms.maximum + type(self).depth_ms.maximum) * in_samples
        copies = audio[:, :, None].expand(-1, -1, n, -1).reshape(b, c * n, t)
        copies, line = ops.comb(
            copies, delay, 0.0, 1.0, 0.0, line, max_delay=math.ceil(longest) + 1
        )
        wet = copies.reshape(b, c, n, t).mean(2)
        mix = p["mix"].to(audio.dtype)
        return audio + mix * (wet - audio), (turned, line)

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """Sweeps of the voices on the left, and rates at which the response swings.

        What n voices share comes round n times in a cycle of each.
        """
        in_samples, n = self.sample_rate / 1000, _VOICES[self.voices]
        found = sweeps(
            dry[0],
            reference[0],
            self.sample_rate,
            rates_hz=type(self).rate_hz.range(self.sample_rate),
            centre=(1.0 * in_samples, 25.0 * in_samples),
            reach=(0.25 * in_samples, 5.0 * in_samples),
            voices=n,
            soonest=1.0 * in_samples,
        )
        offers = [
            {
                "rate_hz": sweep.rate_hz,
                "phase": sweep.phase,
                "delay_ms": (sweep.centre - sweep.reach) / in_samples,
                "depth_ms": 2 * sweep.reach / in_samples,
            }
            for sweep in found
        ]
        return offers + rates_and_phases(self, dry, reference, n)[:8]

    def canonical(self, values: dict[str, float]) -> dict[str, float]:
        """The phase less what would exchange the voices."""
        n = _VOICES[self.voices]
        return {**values, "phase": within_half(values["phase"] * n) / n}

    def tail_seconds(self) -> float:
        """The longest delay."""
        return (self.values["delay_ms"] + self.values["depth_ms"]) / 1000 + 4 / self.sample_rate


def sides(spread: Tensor, channels: int, voices: Tensor) -> Tensor:
    """Cycles by which each voice of each channel is ahead, (b, channels * voices, 1 or t).

    Every other channel is half the spread ahead, (b, 1) or (b, t), on top of `voices`, (n,).
    """
    odd = torch.arange(channels, device=voices.device) % 2
    ahead = 0.5 * spread[:, None, None] * odd[:, None, None] + voices[:, None]
    return ahead.flatten(1, 2)


def rates_and_phases(
    effect: Effect, dry: Tensor, reference: Tensor, voices: int = 1
) -> list[dict[str, float]]:
    """Settings of ``rate_hz`` and ``phase`` worth trying, where only the rate can be seen.

    Args:
        effect: Whose sample rate and range of ``rate_hz`` count.
        dry: (c, t).
        reference: (c, t), as long.
        voices: How often the response comes round in a cycle.
    """
    low, high = effect.params["rate_hz"].range(effect.sample_rate)
    found = rates(dry, reference, effect.sample_rate, low * voices, high * voices)
    return [
        {"rate_hz": hz / voices, "phase": phase}
        for hz in found
        for phase in (0.0, 0.25, 0.5, -0.25)
    ]
