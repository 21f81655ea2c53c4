"""A limiter that looks ahead."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dspcore import ops
from dspcore.effects import level
from dspcore.effects.effect import Effect
from dspcore.effects.param import Choice, Param

# Phases of the interpolating filter of ITU-R BS.1770-4, annex 2; the other two are these reversed.
_ANNEX_2 = (
    (
        *(0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000),
        *(-0.0594482421875, 0.1373291015625, 0.9721679687500, -0.1022949218750),
        *(0.0476074218750, -0.0266113281250, 0.0148925781250, -0.0083007812500),
    ),
    (
        *(-0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250),
        *(-0.1665039062500, 0.4650878906250, 0.7797851562500, -0.2003173828125),
        *(0.1015625000000, -0.0582275390625, 0.0330810546875, -0.0189208984375),
    ),
)
_AROUND = 4  # samples before and after a peak that the gain is down for, too
_MARGIN_DB = 3e-6  # for the rounding of float32


class Limiter(Effect):
    """Let nothing above the ceiling, without an audible edge.

    The gain glides down over the look-ahead, so that it is low enough when a peak arrives, and
    recovers with the release; it is one gain for all channels. With `sample` detection no sample
    passes the ceiling. With `true_peak_4x` and `true_peak_8x` peaks between samples count too, as
    an interpolating filter sees them: that of ITU-R BS.1770-4 annex 2 at four points a sample, a
    longer one (24 taps, Kaiser) at eight. Between those points a peak may rise higher still, at
    most 0.69 dB at four and 0.17 dB at eight points for a sine of half the sample rate (annex 2,
    attachment 1).

    Source: `ops.limiter_gain`; ITU-R BS.1770-4, annex 2.
    """

    detection = Choice(
        "sample", "true_peak_4x", "true_peak_8x", default="sample", doc="What must stay below."
    )
    lookahead = level.lookahead_choice(default="5_ms", off=False)
    input_db = Param(-12.0, 36.0, default=0.0, doc="Gain into the limiter.")
    ceiling_db = Param(-24.0, 0.0, default=-1.0, doc="Highest level of the output.")
    release_ms = Param(1.0, 1_000.0, default=100.0, scale="log", doc="Time constant of recovery.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """The level in float64: the gain must be right to the last digit."""
        past, peak_state, gain_state = (None, None, None) if state is None else state
        p, rate = level.controls(self, params), self.sample_rate
        driven = audio * level.linear(p["input_db"]).to(audio.dtype)
        key = driven.double()
        if self.detection != "sample":
            key, peak_state = self._between(key, peak_state)
        gain, gain_state = ops.limiter_gain(
            level.linked(key),
            p["ceiling_db"] - _MARGIN_DB,
            level.smoothing(p["release_ms"], rate),
            gain_state,
            lookahead=level.lookahead_samples(self.lookahead, rate),
        )
        late, past = ops.lookahead(driven, self.latency_samples(), past)
        return late * gain.to(audio.dtype), (past, peak_state, gain_state)

    def _between(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The largest of |x| and of the points after it, in each channel, and around there."""
        b, c, t = x.shape
        weights = phases(self._points()).to(x)
        reach = weights.shape[1] - 1
        past, before = state or (x.new_zeros(b, c, reach), x.new_zeros(b, c, 2 * _AROUND))
        both = torch.cat([past, x], -1)
        points = functional.conv1d(both.reshape(b * c, 1, -1), weights.flip(1)[:, None])
        largest = points.abs().amax(1).reshape(b, c, t)
        middle = both[..., reach - reach // 2 - 1 :][..., :t]
        peaks = torch.cat([before, torch.maximum(largest, middle.abs())], -1)
        wide = functional.max_pool1d(peaks, 2 * _AROUND + 1, 1)
        return wide, (both[..., t:], peaks[..., t:])

    def _points(self) -> int:
        """How many points between two samples are looked at."""
        return {"sample": 0, "true_peak_4x": 4, "true_peak_8x": 8}[self.detection]

    def latency_samples(self) -> int:
        """The look-ahead, and what the interpolating filter looks ahead."""
        own = level.lookahead_samples(self.lookahead, self.sample_rate)
        if self.detection == "sample":
            return own
        return own + phases(self._points()).shape[1] // 2 + _AROUND

    def tail_seconds(self) -> float:
        """What waits for its gain."""
        return self.latency_samples() / self.sample_rate


@functools.cache
def phases(points: int) -> Tensor:
    """Taps for `points` (4 or 8) places between two samples, (points, taps), newest sample first.

    Place i of n lies ``(2 i + 1) / (2 n)`` of a sample after the one that is ``taps / 2`` old.
    """
    if points == 4:
        half = torch.tensor(_ANNEX_2, dtype=torch.float64)
        return torch.cat([half, half.flip(0).flip(1)])
    taps = 24
    at = torch.arange(points * taps, dtype=torch.float64) - (points * taps - 1) / 2
    window = torch.kaiser_window(points * taps, False, 8.0, dtype=torch.float64)
    whole = torch.sinc(at / points) * window
    bank = whole.reshape(taps, points).T
    return bank / bank.sum(1, keepdim=True)
