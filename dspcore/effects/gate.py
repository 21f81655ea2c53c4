"""A noise gate with hysteresis and hold."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dspcore import ops
from dspcore.effects import level
from dspcore.effects.effect import Effect
from dspcore.effects.param import Param


class Gate(Effect):
    """Silence what lies between the notes.

    The gate opens where the greatest magnitude over the channels reaches the threshold, and closes
    when it has stayed `hysteresis_db` below that for the hold time. The linear gain moves with the
    attack while open, with the release while closed. Points of opening and closing lie between
    samples, which gives threshold, hysteresis and hold a gradient (see `ops.gate_gain`). With a
    `sidechain` (audio of the same length) the level is that signal's; with `lookahead` the sound
    waits, and the gate is open when a note begins.

    Source: U. Zoelzer (editor), "DAFX: Digital Audio Effects", 2011, section 4.2.3.
    """

    inputs = ("sidechain",)

    lookahead = level.lookahead_choice()
    threshold_db = Param(-80.0, 0.0, default=-40.0, doc="Level that opens the gate.")
    hysteresis_db = Param(0.0, 24.0, default=6.0, doc="How far below it the gate closes.")
    range_db = Param(0.0, 100.0, default=80.0, doc="How much quieter the closed gate is.")
    attack_ms = Param(0.05, 100.0, default=1.0, scale="log", doc="Time constant of opening.")
    hold_ms = Param(0.0, 500.0, default=20.0, doc="How long the level is low before it closes.")
    release_ms = Param(5.0, 2_000.0, default=100.0, scale="log", doc="Time constant of closing.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """One gain for all channels."""
        gain_state, past = (None, None) if state is None else state
        key = level.linked(level.listened(self, audio, params))
        p, rate = level.controls(self, params), self.sample_rate
        gain, gain_state = ops.gate_gain(
            key,
            level.linear(p["threshold_db"]),
            level.linear(p["threshold_db"] - p["hysteresis_db"]),
            level.linear(-p["range_db"]),
            level.smoothing(p["attack_ms"], rate),
            level.smoothing(p["release_ms"], rate),
            p["hold_ms"] * (rate / 1000),
            gain_state,
        )
        audio, past = level.delayed(audio, self.latency_samples(), past)
        return audio * gain, (gain_state, past)

    def latency_samples(self) -> int:
        """The look-ahead."""
        return level.lookahead_samples(self.lookahead, self.sample_rate)

    def tail_seconds(self) -> float:
        """What waits for its gain."""
        return self.latency_samples() / self.sample_rate
