"""A downward expander with a soft knee."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects import level
from dspcore.effects.effect import Effect
from dspcore.effects.param import Param


class Expander(Effect):
    """Turn the quiet parts down, the more the quieter they are.

    A level `u` dB below the threshold loses ``(ratio - 1) u`` dB, in the knee ``(ratio - 1) (u +
    knee/2)^2 / (2 knee)``, and never more than `range_db`. The gain is smoothed in dB. With a
    `sidechain` (audio of the same length) the level is that signal's.

    Source: U. Zoelzer (editor), "DAFX: Digital Audio Effects", 2011, section 4.2.2; the curve is
    that of D. Giannoulis, M. Massberg, J. Reiss, JAES 2012, upside down.
    """

    inputs = ("sidechain",)

    threshold_db = Param(-80.0, 0.0, default=-40.0, doc="Level below which the gain falls.")
    ratio = Param(1.0, 10.0, default=2.0, scale="log", doc="dB out for one dB in below it.")
    knee_db = Param(0.0, 24.0, default=6.0, doc="Width of the soft bend at the threshold.")
    range_db = Param(0.0, 80.0, default=40.0, doc="The most that the gain falls.")
    attack_ms = Param(0.1, 200.0, default=2.0, scale="log", doc="Time constant of rising gain.")
    release_ms = Param(5.0, 2_000.0, default=150.0, scale="log", doc="That of falling gain.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """The curve, and a smoother that begins with the gain of silence."""
        key = level.linked(level.listened(self, audio, params))
        p, rate = level.controls(self, params), self.sample_rate
        half = p["knee_db"] / 2
        under = p["threshold_db"] - level.decibels(key.double())
        inside = (under + half).clamp(min=0).square() / (2 * p["knee_db"].clamp(min=1e-9))
        amount = torch.where(under > half, under, inside)
        wanted = -torch.minimum((p["ratio"] - 1) * amount, p["range_db"])
        start = wanted.new_zeros(wanted.shape[:2])
        if state is None:
            silence = (p["ratio"] - 1) * (p["threshold_db"] + 120)
            start = start - torch.minimum(silence, p["range_db"])[..., 0]
        gain_db, state = ops.envelope(
            wanted.to(audio.dtype),
            level.smoothing(p["attack_ms"], rate),
            level.smoothing(p["release_ms"], rate),
            start.to(audio.dtype) if state is None else state,
        )
        return audio * level.linear(gain_db), state
