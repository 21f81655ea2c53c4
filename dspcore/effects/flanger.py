"""A comb that sweeps."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.chorus import rates_and_phases, sides
from dspcore.effects.lfo import Moving, phase_param, rate_param, shape_choice, swing
from dspcore.effects.param import Choice, Param
from dspcore.effects.sweep_search import sweeps

_LATEST_MS = 5.0  # of the dry sound where the wet one passes it


class Flanger(Moving):
    """Mix with a copy that is a little late, and less and more so.

    Plain, the copy is ``delay + depth (1 + w(t)) / 2`` late, w being the wave, and part of it goes
    round again. With `through_zero` the dry sound is 5 ms late (the declared latency) and the copy
    ``delay + depth w(t)`` later than that, or earlier: where the two meet, a mix of 0.5 doubles
    the sound or, inverted, leaves nothing. Its feedback then goes round the whole line.
    """

    mode = Choice("plain", "through_zero", default="plain", doc="Whether it may come first.")
    shape = shape_choice()
    rate_hz = rate_param(5.0, default=0.3)
    delay_ms = Param(0.0, 5.0, default=1.0, doc="Where the sweep begins, or its middle.")
    depth_ms = Param(0.0, 4.5, default=2.0, doc="How far it sweeps; both ways through zero.")
    feedback = Param(-0.95, 0.95, default=0.3, doc="What goes round again, upside down below 0.")
    spread = Param(0.0, 1.0, default=0.0, doc="How far the right side swings apart; opposite at 1.")
    phase = phase_param()
    mix = Param(-1.0, 1.0, default=0.5, doc="Share of the copy, upside down below 0.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """A line for each channel, and one for the dry sound where that is late."""
        turned, line, late = state or (None, None, None)
        channels, samples = audio.shape[1:]
        here = torch.zeros(1, dtype=torch.float64, device=audio.device)
        wave, turned = swing(self, params, samples, turned, sides(params["spread"], channels, here))
        p = {name: value[:, None] for name, value in params.items()}
        in_samples, latency = self.sample_rate / 1000, self.latency_samples()
        if self.mode == "plain":
            delay = p["delay_ms"] + p["depth_ms"] * (0.5 + 0.5 * wave)
            dry = audio
        else:
            delay = p["delay_ms"] + p["depth_ms"] * wave
            dry, late = ops.lookahead(audio, latency, late)
        # The line cannot be read sooner than after two samples.
        delay = (delay * in_samples + latency).clamp(min=2.0)
        longest = latency + (type(self).delay_ms.maximum + type(self).depth_ms.maximum) * in_samples
        feedback = p["feedback"].to(audio.dtype)
        wet, line = ops.comb(
            audio, delay, feedback, 1.0, 0.0, line, max_delay=math.ceil(longest) + 2
        )
        mix = p["mix"].to(audio.dtype)
        return (1 - mix.abs()) * dry + mix * wet, (turned, line, late)

    def latency_samples(self) -> int:
        """How late the dry sound is."""
        if self.mode == "plain":
            return 0
        return math.ceil(_LATEST_MS * self.sample_rate / 1000) + 2

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """Sweeps of the copy on the left, and rates at which the response swings."""
        in_samples, late = self.sample_rate / 1000, self.latency_samples()
        plain = self.mode == "plain"
        kind = type(self)
        found = sweeps(
            dry[0],
            reference[0],
            self.sample_rate,
            rates_hz=kind.rate_hz.range(self.sample_rate),
            centre=(late, late + 6.0 * in_samples),
            reach=(0.1 * in_samples, 3.0 * in_samples),
        )
        offers = [
            {
                "rate_hz": sweep.rate_hz,
                "phase": sweep.phase,
                "delay_ms": (sweep.centre - late - plain * sweep.reach) / in_samples,
                "depth_ms": (1 + plain) * sweep.reach / in_samples,
            }
            for sweep in found
        ]
        return offers + rates_and_phases(self, dry, reference)[:8]

    def tail_seconds(self) -> float:
        """Until what goes round has fallen by 60 dB."""
        v = self.values
        once = (v["delay_ms"] + v["depth_ms"]) / 1000 + (
            self.latency_samples() + 4
        ) / self.sample_rate
        size = abs(v["feedback"])
        rounds = math.ceil(math.log(1e-3 * (1 - size)) / math.log(size)) if size > 1e-3 else 1
        return once * (1 + rounds)
