"""A horn and a drum that turn."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.chorus import sides
from dspcore.effects.lfo import Moving, phase_param, rate_param, turns
from dspcore.effects.modulation_search import rates
from dspcore.effects.param import Param

_BUTTERWORTH = 0.5**0.5
_LOWS_HZ, _HIGHS_HZ = 400.0, 1_600.0  # where usual crossovers leave a rotor alone


def _reach(default: float, part: str) -> Param:
    return Param(0.0, 1.5, default=default, doc=f"How much later the {part} is at its far side.")


def _fade(default: float, part: str) -> Param:
    return Param(0.0, 1.0, default=default, doc=f"How much quieter the {part} is facing away.")


class RotarySpeaker(Moving):
    """Send the highs through a turning horn and the lows through a turning drum (a Leslie cabinet).

    A crossover of 24 dB an octave (S. Linkwitz, R. Riley, JAES 1976) parts the two, so that they
    add up to an all-pass where nothing turns. Each is read from a line whose delay is ``reach (1 -
    cos a) / 2 + 2 samples``, which bends the pitch as the source comes and goes (Doppler), with the
    gain ``1 - fade (1 - cos a) / 2``. The angle a of a microphone grows by a cycle a turn; the one
    of the right is half the `spread` ahead. A horn of 20 cm has a reach of 1.2 ms.

    Source: J. Smith, S. Serafin, J. Abel, D. Berners, "Doppler Simulation and the Leslie", DAFx
    2002; reflections inside the cabinet are left out.
    """

    channels = "stereo"

    horn_rate_hz = rate_param(12.0, default=6.7)
    drum_rate_hz = rate_param(12.0, default=5.7)
    crossover_hz = Param(200.0, 3_000.0, default=800.0, scale="log", doc="The horn's lie above.")
    horn_reach_ms = _reach(1.0, "horn")
    drum_reach_ms = _reach(0.6, "drum")
    horn_fade = _fade(0.6, "horn")
    drum_fade = _fade(0.4, "drum")
    spread = Param(0.0, 1.0, default=0.5, doc="Between the microphones: opposite each other at 1.")
    phase = phase_param()
    mix = Param(0.0, 1.0, default=1.0, doc="Dry at 0, the cabinet alone at 1.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Crossover, then a line for each rotor and microphone."""
        b, c, t = audio.shape
        filters, horn_turn, drum_turn, lines = state or (None,) * 4
        p = {name: value[:, None] for name, value in params.items()}
        parts, filters = self._crossover(audio, p["crossover_hz"] / self.sample_rate, filters)
        here = torch.zeros(1, dtype=torch.float64, device=audio.device)
        ahead = sides(params["spread"], c, here) + p["phase"]
        delays, gains = [], []
        after = []
        for rotor, turn in (("horn", horn_turn), ("drum", drum_turn)):
            phase, turn = turns(params[f"{rotor}_rate_hz"], t, self.sample_rate, turn)
            away = 0.5 - 0.5 * torch.cos(2 * math.pi * (phase[:, None] + ahead))
            delays.append(2 + p[f"{rotor}_reach_ms"] * (self.sample_rate / 1000) * away)
            gains.append(1 - p[f"{rotor}_fade"] * away)
            after.append(turn)
        longest = type(self).horn_reach_ms.maximum * self.sample_rate / 1000 + 3
        heard, lines = ops.comb(
            parts, torch.cat(delays, 1), 0.0, 1.0, 0.0, lines, max_delay=math.ceil(longest)
        )
        wet = (heard * torch.cat(gains, 1).to(audio.dtype)).reshape(b, 2, c, t).sum(1)
        mix = p["mix"].to(audio.dtype)
        return audio + mix * (wet - audio), (filters, *after, lines)

    def _crossover(self, audio: Tensor, cutoff: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Highs, then lows, (b, 2 c, t): every slope is a Butterworth section passed twice."""
        after, parts = [], []
        for i, mode in enumerate(("highpass", "lowpass")):
            part = audio
            for j in range(2):
                before = None if state is None else state[2 * i + j]
                part, memory = ops.svf(part, cutoff, _BUTTERWORTH, mode, before)
                after.append(memory)
            parts.append(part)
        return torch.cat(parts, 1), after

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """Rates at which the response swings: the horn's in the highs, the drum's in the lows."""
        rate = self.sample_rate
        low, high = type(self).horn_rate_hz.range(rate)
        horns, drums = (
            rates(_band(dry, rate, *band), _band(reference, rate, *band), rate, low, high)
            for band in ((_HIGHS_HZ, rate / 2), (0.0, _LOWS_HZ))
        )
        pairs = [
            (i + j, horn, drum) for i, horn in enumerate(horns) for j, drum in enumerate(drums)
        ]
        return [
            {"horn_rate_hz": horn, "drum_rate_hz": drum, "phase": phase}
            for _, horn, drum in sorted(pairs)[:8]
            for phase in (0.0, 0.25, 0.5, -0.25)
        ]

    def tail_seconds(self) -> float:
        """The crossover, and the longest delay."""
        g = math.tan(math.pi * self.values["crossover_hz"] / self.sample_rate)
        ring = 14 / (g * 2 * _BUTTERWORTH) / self.sample_rate
        return ring + type(self).horn_reach_ms.maximum / 1000 + 10 / self.sample_rate


def _band(sound: Tensor, sample_rate: int, low_hz: float, high_hz: float) -> Tensor:
    """What of `sound` (c, t) lies between two frequencies."""
    spectrum = torch.fft.rfft(sound.double())
    hz = torch.arange(spectrum.shape[1]) * (sample_rate / sound.shape[1])
    return torch.fft.irfft(spectrum * ((hz >= low_hz) & (hz <= high_hz)), sound.shape[1])
