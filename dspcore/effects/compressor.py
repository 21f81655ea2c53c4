"""A feed-forward compressor with a soft knee."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Param


def smoothing(time_ms: Tensor, sample_rate: int) -> Tensor:
    """The coefficient whose first-order smoother covers 63 % of a step in `time_ms`."""
    return -torch.expm1(-1000.0 / (time_ms * sample_rate))


class Compressor(Effect):
    """Turn the loud parts down.

    The level is the greatest magnitude over the channels, so a stereo image stays where it is. It
    is taken sample by sample, without averaging; the gain is smoothed in dB. With a `sidechain`
    (audio of the same length) the level is that signal's.

    Source: D. Giannoulis, M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design",
    JAES 2012.
    """

    inputs = ("sidechain",)

    threshold_db = Param(-60.0, 0.0, default=-18.0, doc="Level above which the gain falls.")
    ratio = Param(1.0, 20.0, default=4.0, scale="log", doc="dB in for one dB out above it.")
    knee_db = Param(0.0, 24.0, default=6.0, doc="Width of the soft bend at the threshold.")
    attack_ms = Param(0.1, 200.0, default=5.0, scale="log", doc="Time constant of falling gain.")
    release_ms = Param(5.0, 2_000.0, default=100.0, scale="log", doc="That of recovering gain.")
    makeup_db = Param(-12.0, 24.0, default=0.0, doc="Gain of the compressed signal.")
    mix = Param(0.0, 1.0, default=1.0, doc="Dry at 0, compressed at 1, parallel between.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """One gain for all channels, from one pass over the level."""
        key = params.get("sidechain", audio)
        if key.shape[2] != audio.shape[2]:
            raise ValueError(
                f"{self.name}: sidechain must be as long as the audio, {audio.shape[2]} samples, "
                f"got {key.shape[2]}"
            )
        level = key.abs().amax(1, keepdim=True).to(audio.dtype)
        p = {name: value[:, None] for name, value in params.items() if name in self.params}
        controls = {
            "threshold_db": p["threshold_db"],
            "ratio": p["ratio"],
            "knee_db": p["knee_db"],
            "attack": smoothing(p["attack_ms"], self.sample_rate),
            "release": smoothing(p["release_ms"], self.sample_rate),
        }
        gain, state = ops.compressor_gain(level, **controls, state=state)
        makeup = (10 ** (p["makeup_db"] / 20)).to(audio.dtype)
        mix = p["mix"].to(audio.dtype)
        return audio * (1 - mix + mix * makeup * gain), state
