"""Three compressors, one for each band of the spectrum."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.crossover import BANDS, crossover_seconds, split
from dspcore.effects.effect import Effect
from dspcore.effects.level import smoothing
from dspcore.effects.param import Param


def _threshold() -> Param:
    return Param(-60.0, 0.0, default=-24.0, doc="Level of the band above which its gain falls.")


def _ratio() -> Param:
    return Param(1.0, 20.0, default=2.0, scale="log", doc="dB in for one dB out above it.")


def _attack(default: float) -> Param:
    return Param(0.1, 200.0, default=default, scale="log", doc="Time constant of falling gain.")


def _release(default: float) -> Param:
    return Param(5.0, 2_000.0, default=default, scale="log", doc="That of recovering gain.")


def _makeup() -> Param:
    return Param(-24.0, 24.0, default=0.0, doc="Gain of the compressed band.")


class MultibandCompressor(Effect):
    """Turn the loud parts down, band by band.

    Linkwitz-Riley crossovers divide the sound into lows, middle and highs; each has a compressor
    like `Compressor`; at rest the bands add up to an all-pass, so nothing is coloured. A
    `sidechain` (audio of the same length) is divided in the same way, and its levels count.

    Source: D. Giannoulis, M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design",
    JAES 2012; S. Linkwitz, "Active Crossover Networks for Noncoincident Drivers", JAES 1976.
    """

    aliases = ("multiband",)
    inputs = ("sidechain",)

    low_crossover_hz = Param(30.0, 2_000.0, default=200.0, scale="log", doc="Lows lie below.")
    high_crossover_hz = Param(500.0, 16_000.0, default=3_000.0, scale="log", doc="Highs above.")
    low_threshold_db = _threshold()
    low_ratio = _ratio()
    low_attack_ms = _attack(20.0)
    low_release_ms = _release(200.0)
    low_makeup_db = _makeup()
    mid_threshold_db = _threshold()
    mid_ratio = _ratio()
    mid_attack_ms = _attack(8.0)
    mid_release_ms = _release(120.0)
    mid_makeup_db = _makeup()
    high_threshold_db = _threshold()
    high_ratio = _ratio()
    high_attack_ms = _attack(3.0)
    high_release_ms = _release(80.0)
    high_makeup_db = _makeup()
    knee_db = Param(0.0, 24.0, default=6.0, doc="Width of the soft bend at every threshold.")
    channel_link = Param(0.0, 1.0, default=1.0, doc="Each channel by itself at 0.")
    band_link = Param(0.0, 1.0, default=0.0, doc="Each band by itself at 0, all alike at 1.")
    mix = Param(0.0, 1.0, default=1.0, doc="Uncompressed at 0, compressed at 1.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """All bands and channels as rows of one pass."""
        filters, key_filters, envelopes = state or (None, None, None)
        corners = [params["low_crossover_hz"], params["high_crossover_hz"]]
        bands, filters = split(audio, corners, self.sample_rate, filters)
        b, n, c, t = bands.shape
        keys = bands
        if "sidechain" in params:
            key = params["sidechain"].to(audio.dtype)
            if key.shape[1] not in (1, c) or key.shape[2] != t:
                raise ValueError(
                    f"{self.name}: sidechain must be mono or have {c} channels, and {t} samples, "
                    f"got {tuple(key.shape[1:])}"
                )
            keys, key_filters = split(key.expand(-1, c, -1), corners, self.sample_rate, key_filters)
        level = keys.abs()
        link = params["channel_link"][:, None, None].to(audio.dtype)
        level = level + link * (level.amax(2, keepdim=True) - level)
        controls = {
            "threshold_db": self._rows(params, "threshold_db", c),
            "ratio": self._rows(params, "ratio", c),
            "knee_db": params["knee_db"][:, None],
            "attack": smoothing(self._rows(params, "attack_ms", c), self.sample_rate),
            "release": smoothing(self._rows(params, "release_ms", c), self.sample_rate),
        }
        rows = level.reshape(b, n * c, t)
        gain, envelopes = ops.compressor_gain(rows, **controls, state=envelopes)
        gain = self._linked(gain.reshape(b, n, c, t), params["band_link"])
        makeup = (10 ** (self._rows(params, "makeup_db", 1) / 20)).to(audio.dtype)[:, :, None]
        mix = params["mix"][:, None, None].to(audio.dtype)
        out = (bands * (1 - mix + mix * makeup * gain)).sum(1)
        return out, (filters, key_filters, envelopes)

    @staticmethod
    def _rows(params: dict[str, Tensor], key: str, channels: int) -> Tensor:
        """A setting of the three bands for every row, (b, 3 c, 1) or (b, 3 c, t)."""
        each = torch.broadcast_tensors(*(params[f"{band}_{key}"] for band in BANDS))
        return torch.stack(each, 1).repeat_interleave(channels, 1)

    @staticmethod
    def _linked(gain: Tensor, link: Tensor) -> Tensor:
        """Gains (b, bands, c, t) drawn towards their mean in dB."""
        share = link[:, None, None].to(gain.dtype)
        own = gain.clamp(min=1e-6).log()
        return (own + share * (own.mean(1, keepdim=True) - own)).exp()

    def tail_seconds(self) -> float:
        """Until the crossovers have rung out."""
        corners = [self.values["low_crossover_hz"], self.values["high_crossover_hz"]]
        return crossover_seconds(corners, self.sample_rate)
