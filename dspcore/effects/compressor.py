"""A compressor with a soft knee: peak or RMS, feed-forward or feedback."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects import level
from dspcore.effects.effect import Effect
from dspcore.effects.level import smoothing
from dspcore.effects.param import Choice, Param


class Compressor(Effect):
    """Turn the loud parts down.

    The level is the greatest magnitude over the channels, so a stereo image stays where it is:
    sample by sample, or with `rms` the root of its square averaged over `averaging_ms`. The gain is
    smoothed in dB. With a `sidechain` (audio of the same length) the level is that signal's. With
    `lookahead` the sound waits, and the gain begins to fall before a peak arrives.

    `feedback` hears what left the compressor a sample before (of a side-chain, what would have
    left): the ratio is that of the whole loop, which makes attack and release of loud parts `ratio`
    times as quick as set. `auto` make-up adds half of the gain that a full-scale level loses.

    Source: D. Giannoulis, M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design",
    JAES 2012, and "Parameter Automation in a Dynamic Range Compressor", JAES 2013.
    """

    inputs = ("sidechain",)

    detection = Choice("peak", "rms", default="peak", doc="What the level is.")
    topology = Choice("feed_forward", "feedback", default="feed_forward", doc="Whose level it is.")
    lookahead = level.lookahead_choice()
    makeup = Choice("manual", "auto", default="manual", doc="Whether the settings give some gain.")
    threshold_db = Param(-60.0, 0.0, default=-18.0, doc="Level above which the gain falls.")
    ratio = Param(1.0, 20.0, default=4.0, scale="log", doc="dB in for one dB out above it.")
    knee_db = Param(0.0, 24.0, default=6.0, doc="Width of the soft bend at the threshold.")
    attack_ms = Param(0.1, 200.0, default=5.0, scale="log", doc="Time constant of falling gain.")
    release_ms = Param(5.0, 2_000.0, default=100.0, scale="log", doc="That of recovering gain.")
    makeup_db = Param(-12.0, 24.0, default=0.0, doc="Gain of the compressed signal.")
    mix = Param(0.0, 1.0, default=1.0, doc="Dry at 0, compressed at 1, parallel between.")
    hold_ms = Param(0.0, 500.0, default=0.0, doc="From the last fall until the gain recovers.")
    averaging_ms = Param(1.0, 200.0, default=10.0, scale="log", doc="Of the mean square, with rms.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """One gain for all channels, from one pass over the level."""
        gain_state, mean_state, past = (None, None, None) if state is None else state
        key = level.linked(level.listened(self, audio, params))
        p, rate = level.controls(self, params), self.sample_rate
        settings, made_up = self.settled(params, lambda: self._settings_of(p))
        rms = self.detection == "rms"
        if self.topology == "feedback":
            averaging = smoothing(p["averaging_ms"], rate) if rms else 1.0
            gain, gain_state = ops.feedback_gain(
                key, **settings, averaging=averaging, state=gain_state
            )
        else:
            if rms:
                pole = torch.exp(-1000.0 / (p["averaging_ms"] * rate))
                square, mean_state = ops.onepole(key * key, pole, "lowpass", mean_state)
                key = square.clamp(min=1e-12).sqrt()
            gain, gain_state = ops.compressor_gain(key, **settings, state=gain_state)
        mix = p["mix"].to(audio.dtype)
        audio, past = level.delayed(audio, self.latency_samples(), past)
        wet = mix * made_up.to(audio.dtype) * gain
        return audio * (1 - mix + wet), (gain_state, mean_state, past)

    def _settings_of(self, p: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        """What the ops want of the parameters, and the make-up gain."""
        rate = self.sample_rate
        settings = {
            "threshold_db": p["threshold_db"],
            "ratio": p["ratio"],
            "knee_db": p["knee_db"],
            "attack": smoothing(p["attack_ms"], rate),
            "release": smoothing(p["release_ms"], rate),
            "hold": p["hold_ms"] * (rate / 1000),
        }
        makeup_db = p["makeup_db"]
        if self.makeup == "auto":
            makeup_db = makeup_db + 0.5 * (1 / p["ratio"] - 1) * p["threshold_db"]
        return settings, level.linear(makeup_db)

    def latency_samples(self) -> int:
        """The look-ahead."""
        return level.lookahead_samples(self.lookahead, self.sample_rate)

    def tail_seconds(self) -> float:
        """What waits for its gain."""
        return self.latency_samples() / self.sample_rate
