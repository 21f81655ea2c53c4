"""Four echoes, each where it is wanted."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Param
from dspcore.effects.tap_search import taps

_TAPS = (1, 2, 3, 4)


def _time(default: float) -> Param:
    return Param(1.0, 2_000.0, default=default, scale="log", fine=True, doc="When this echo comes.")


def _gain(default: float) -> Param:
    return Param(-60.0, 6.0, default=default, doc="Level of this echo.")


def _pan(default: float) -> Param:
    return Param(-1.0, 1.0, default=default, doc="Its side: left at -1, right at 1.")


class MultiTapDelay(Effect):
    """Repeat the sound four times, each time at its own time, level and side.

    Each echo is panned at constant power, as by `Panner`; times may move, as in `Delay`.
    """

    channels = "stereo"

    tap_1_time_ms = _time(125.0)
    tap_1_gain_db = _gain(-3.0)
    tap_1_pan = _pan(-0.7)
    tap_2_time_ms = _time(250.0)
    tap_2_gain_db = _gain(-6.0)
    tap_2_pan = _pan(0.7)
    tap_3_time_ms = _time(375.0)
    tap_3_gain_db = _gain(-9.0)
    tap_3_pan = _pan(-0.3)
    tap_4_time_ms = _time(500.0)
    tap_4_gain_db = _gain(-12.0)
    tap_4_pan = _pan(0.3)
    mix = Param(0.0, 1.0, default=0.4, doc="Dry at 0, echoes alone at 1.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """A line for each echo and channel."""
        b, c, t = audio.shape

        def of_taps(key: str) -> Tensor:
            """(b, 4, 1, 1 or t)"""
            values = torch.broadcast_tensors(*(params[f"tap_{i}_{key}"] for i in _TAPS))
            return torch.stack(values, 1)[:, :, None]

        in_samples = self.sample_rate / 1000
        delay = (of_taps("time_ms") * in_samples).expand(-1, -1, c, -1).flatten(1, 2)
        longest = type(self).tap_1_time_ms.maximum * in_samples
        lines = audio[:, None].expand(-1, len(_TAPS), -1, -1).reshape(b, len(_TAPS) * c, t)
        # A sample rate below 2,000 Hz would put the shortest time before the soonest reading.
        echoes, state = ops.comb(
            lines, delay.clamp(min=2.0), 0.0, 1.0, 0.0, state, max_delay=longest + 1
        )
        angle = (of_taps("pan") + 1) * (math.pi / 4)
        sides = math.sqrt(2) * torch.cat([torch.cos(angle), torch.sin(angle)], 2)
        gains = (10 ** (of_taps("gain_db") / 20) * sides).to(audio.dtype)
        wet = (gains * echoes.reshape(b, len(_TAPS), c, t)).sum(1)
        mix = params["mix"][:, None].to(audio.dtype)
        return audio + mix * (wet - audio), state

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """All of it, where the echoes are found one after the other, and the times alone."""
        low, high = type(self).tap_1_time_ms.range(self.sample_rate)
        in_ms = 1000 / self.sample_rate
        dry = dry.expand(len(reference), -1)
        if not (dry.any(1).all() and reference.any()):
            return []
        plain, found = taps(dry, reference, low / in_ms, high / in_ms, len(_TAPS))
        if len(found) < len(_TAPS):
            return []
        mix = min(1.0, max(0.01, 1.0 - float(plain.mean())))
        whole = {"mix": mix}
        for i, tap in zip(_TAPS, sorted(found, key=lambda tap: tap.samples), strict=True):
            left, right = max(tap.gains[0], 0.0), max(tap.gains[-1], 0.0)
            level = math.hypot(left, right) / (math.sqrt(2) * mix)
            whole[f"tap_{i}_time_ms"] = tap.samples * in_ms
            whole[f"tap_{i}_gain_db"] = 20 * math.log10(max(level, 1e-3))
            whole[f"tap_{i}_pan"] = math.atan2(right, left) * 4 / math.pi - 1
        times = {name: value for name, value in whole.items() if name.endswith("time_ms")}
        return [whole, times]

    def canonical(self, values: dict[str, float]) -> dict[str, float]:
        """Echoes in the order of their times: exchanging two changes nothing."""
        order = sorted(_TAPS, key=lambda i: values[f"tap_{i}_time_ms"])
        taps = {
            f"tap_{to}_{key}": values[f"tap_{of}_{key}"]
            for to, of in zip(_TAPS, order, strict=True)
            for key in ("time_ms", "gain_db", "pan")
        }
        return {name: taps.get(name, value) for name, value in values.items()}

    def tail_seconds(self) -> float:
        """The latest echo."""
        times = (self.values[f"tap_{i}_time_ms"] for i in _TAPS)
        return max(times) / 1000 + 4 / self.sample_rate
