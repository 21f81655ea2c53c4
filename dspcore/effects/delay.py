"""Echoes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.echo_times import echo_times
from dspcore.effects.effect import Effect
from dspcore.effects.param import Choice, Param
from dspcore.effects.parametric_eq import ring_seconds


class Delay(Effect):
    """Repeat the sound, each echo quieter and duller than the one before.

    Echoes are read between samples by third-order Lagrange interpolation, so the time may move.
    Filters sit in the loop: the first echo has passed none, the second has passed them once. In
    `ping_pong` mode (stereo; mono is made stereo) both channels enter on the left and echoes change
    sides.
    """

    mode = Choice("straight", "ping_pong", default="straight", doc="Whether echoes change sides.")
    time_ms = Param(1.0, 2_000.0, default=300.0, scale="log", fine=True, doc="From echo to echo.")
    feedback = Param(0.0, 0.95, default=0.4, doc="Gain from one echo to the next.")
    low_cut_hz = Param(10.0, 2_000.0, default=20.0, scale="log", doc="High-pass in the loop.")
    high_cut_hz = Param(500.0, 20_000.0, default=8_000.0, scale="log", doc="Low-pass in the loop.")
    mix = Param(0.0, 1.0, default=0.3, doc="Dry at 0, echoes alone at 1.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """One line a channel, fed back to itself or to its neighbour."""
        crossed = self.mode == "ping_pong"
        if crossed and audio.shape[1] > 2:
            raise ValueError(
                f"{self.name}: ping_pong wants mono or stereo, got {audio.shape[1]} channels; "
                "use mode='straight'"
            )
        dry = audio.expand(-1, 2, -1) if crossed else audio
        lines, rate = dry.shape[1], self.sample_rate
        into, matrix = dry, torch.eye(lines, dtype=torch.float64, device=audio.device)
        if crossed:
            into = torch.stack([dry.mean(1), torch.zeros_like(dry[:, 0])], 1)
            matrix = matrix.flip(0)
        p = {name: value[:, None] for name, value in params.items()}
        sos = self.settled(params, lambda: self._loop(p))
        longest = type(self).time_ms.maximum * rate / 1000
        echoes, state = ops.delay(
            into,
            (p["time_ms"] * (rate / 1000)).expand(-1, lines, -1),
            p["feedback"][:, :, None] * matrix[..., None],
            sos.expand(-1, lines, -1, -1, -1),
            state,
            max_delay=longest,
        )
        mix = p["mix"].to(audio.dtype)
        return dry + mix * (echoes - dry), state

    def _loop(self, p: dict[str, Tensor]) -> Tensor:
        """The sections that an echo passes on its way back, (b, 1, 2, 6, n)."""
        cuts = [
            ops.design.highpass(p["low_cut_hz"], 0.5**0.5, self.sample_rate),
            ops.design.lowpass(p["high_cut_hz"], 0.5**0.5, self.sample_rate),
        ]
        length = max(cut.shape[2] for cut in cuts)
        return torch.stack([cut.expand(-1, -1, length, -1) for cut in cuts], 2).movedim(3, -1)

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """Echo times, from the response that would turn `dry` into `reference`.

        A gradient sees an echo only from a few samples away.
        """
        low, high = type(self).time_ms.range(self.sample_rate)
        in_ms = 1000 / self.sample_rate
        found = echo_times(dry, reference, low / in_ms, high / in_ms, self.sample_rate // 500)
        return [{"time_ms": samples * in_ms} for samples in found]

    def tail_seconds(self) -> float:
        """Until an echo is 60 dB below the first, and the high-pass in the loop has rung out."""
        feedback = self.values["feedback"]
        repeats = math.ceil(math.log(1e-3) / math.log(feedback)) if feedback > 0 else 0
        filters = ring_seconds(self.values["low_cut_hz"], 0.5**0.5, self.sample_rate)
        return self.values["time_ms"] / 1000 * (1 + repeats) + (filters if feedback > 0 else 0.0)
