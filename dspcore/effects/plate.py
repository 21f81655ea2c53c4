"""Dattorro's plate."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Param

# Samples at 29761 Hz. The tank, left and then right: an all-pass that moves, a delay, an all-pass,
# a delay; and the all-passes before it, with their gains.
_RATE = 29_761
_TANK = (672, 4453, 1800, 3720, 908, 4217, 2656, 3163)
_DIFFUSERS = ((142, 0.75), (107, 0.75), (379, 0.625), (277, 0.625))
_FIRST = -0.7  # gain of the all-passes that move: "decay diffusion 1"
# Where each side listens: line, place in it, sign.
_TAPS = (
    (
        *((5, 266, 1), (5, 2974, 1), (6, 1913, -1), (7, 1996, 1)),
        *((1, 1990, -1), (2, 187, -1), (3, 1066, -1)),
    ),
    (
        *((1, 353, 1), (1, 3627, 1), (2, 1228, -1), (3, 2673, 1)),
        *((5, 2111, -1), (6, 335, -1), (7, 121, -1)),
    ),
)
# Tones that all-passes delay more than others go round more slowly and ring longer: the octave at
# 250 Hz by this much longer than the lengths alone say, measured for decays of 2 to 8 s.
_SLOW = 1.14
_DAMPED = (1, 5)  # lines that a low-pass follows


class Plate(Effect):
    """Let the sound ring on as a steel plate does: dense at once, bright, without a room.

    Low-pass, four all-passes, then a loop in the shape of an 8, in which two all-passes swing so
    that no tone stays; each side listens at seven places in it. The loop is one network of eight
    delay lines (`ops.delay`). What goes round it passes the gain that comes of the decay four
    times; lows fall by 60 dB in `decay_s`, which short all-passes blur below a second.

    Where the paper reads moving delays by an all-pass, these are read by third-order Lagrange
    interpolation; other lengths are as near to the paper's as whole samples come.

    Source: J. Dattorro, "Effect Design, Part 1: Reverberator and Other Filters", JAES 45(9), 1997.
    """

    channels = "stereo"

    bandwidth_hz = Param(200.0, 20_000.0, default=16_000.0, scale="log", doc="Corner at the entry.")
    decay_s = Param(0.5, 30.0, default=3.0, scale="log", doc="Decay to -60 dB of the lows.")
    damping_hz = Param(200.0, 20_000.0, default=8_000.0, scale="log", doc="Low-pass in the loop.")
    mod_rate_hz = Param(0.05, 5.0, default=1.0, scale="log", doc="Swings of two delays a second.")
    mod_depth_ms = Param(0.0, 1.0, default=0.27, doc="How far they swing to either side.")
    mix = Param(0.0, 1.0, default=0.25, doc="Dry at 0, the plate alone at 1.")

    def _samples(self, length: float) -> int:
        return max(2, round(length * self.sample_rate / _RATE))

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Entry, loop, taps."""
        entry_state, diffuser_states, loop_state, filter_state, line_past, turns = (
            (None, (None,) * len(_DIFFUSERS), None, None, None, None) if state is None else state
        )
        rate = self.sample_rate
        x, entry_state = ops.onepole(
            audio.mean(1, keepdim=True), self._pole(params["bandwidth_hz"]), "lowpass", entry_state
        )
        after = []
        for (length, gain), before in zip(_DIFFUSERS, diffuser_states, strict=True):
            n = self._samples(length)
            x, kept = ops.schroeder(x, float(n), gain, before, max_delay=n)
            after.append(kept)
        steps = (params["mod_rate_hz"] / rate).expand(-1, audio.shape[2])
        begin = torch.zeros_like(steps[:, :1]) if turns is None else turns
        phase = torch.cat([begin, steps], 1).cumsum(1)
        matrix = self._matrix(params["decay_s"])
        damping = self._pole(params["damping_hz"])[:, 0]
        zero, one = torch.zeros_like(damping), torch.ones_like(damping)
        lowpass = torch.stack([1 - damping, zero, zero, one, -damping, zero], 1)[:, None]
        through = torch.stack([one, zero, zero, one, zero, zero], 1)[:, None]
        sections = [lowpass if line in _DAMPED else through for line in range(8)]
        into = x * x.new_tensor([1.0, -_FIRST, 0.0, 0.0] * 2)[:, None]
        lines, loop_state = ops.delay(
            into,
            self._delays(phase[:, 1:], params["mod_depth_ms"]),
            matrix,
            torch.stack(sections, 1),
            loop_state,
            max_delay=max(self._samples(n) for n in _TANK) + self._swing(),
        )
        # What goes into the lines: taps lie between there and their ends.
        damped = torch.stack([lines[:, i] for i in _DAMPED], 1)
        damped, filter_state = ops.sosfilt(damped, lowpass[:, None], filter_state)
        rest = list(lines.unbind(1))
        rest[_DAMPED[0]], rest[_DAMPED[1]] = damped.unbind(1)
        inner = into + (matrix.to(x.dtype) * torch.stack(rest, 1)[:, None]).sum(2)
        wet, line_past = self._tapped(inner, line_past)
        mix = params["mix"][:, None].to(audio.dtype)
        out = audio + mix * (wet - audio)
        return out, (
            *(entry_state, tuple(after), loop_state, filter_state, line_past, phase[:, -1:]),
        )

    def _pole(self, corner_hz: Tensor) -> Tensor:
        return torch.exp(-2 * math.pi / self.sample_rate * corner_hz)[:, None]

    def _swing(self) -> float:
        return math.ceil(type(self).mod_depth_ms.maximum * self.sample_rate / 1000)

    def _delays(self, turns: Tensor, depth_ms: Tensor) -> Tensor:
        """Lengths of the lines in samples, (b, 8, t); the sides swing a quarter turn apart."""
        lengths = [torch.full_like(turns, float(self._samples(n))) for n in _TANK]
        swing = depth_ms * (self.sample_rate / 1000)
        lengths[0] = lengths[0] + swing * torch.sin(2 * math.pi * turns)
        lengths[4] = lengths[4] + swing * torch.cos(2 * math.pi * turns)
        return torch.stack(lengths, 1)

    def _matrix(self, decay_s: Tensor) -> Tensor:
        """From the ends of the lines to their beginnings, (b, 8, 8, 1) or (b, 8, 8, t)."""
        turn = _SLOW * sum(self._samples(n) for n in _TANK) / self.sample_rate
        k = 10 ** (-3 * turn / 4 / decay_s)
        second = (k + 0.15).clamp(0.25, 0.5)
        zero, one = torch.zeros_like(k), torch.ones_like(k)
        rows = [[zero] * 8 for _ in range(8)]
        for side in (0, 4):
            other = 7 - side  # where the other half of the 8 ends
            rows[side][side], rows[side][other] = _FIRST * one, k
            rows[side + 1][side], rows[side + 1][other] = (1 - _FIRST**2) * one, -_FIRST * k
            rows[side + 2][side + 1], rows[side + 2][side + 2] = k, second
            rows[side + 3][side + 1], rows[side + 3][side + 2] = -second * k, 1 - second**2
        return torch.stack([torch.stack(row, 1) for row in rows], 1)

    def _tapped(self, inner: Tensor, past: Any) -> tuple[Tensor, Tensor]:
        """What both sides hear, (b, 2, t), and the last samples that went into the lines."""
        b, count, t = inner.shape
        reach = max(self._samples(place) for side in _TAPS for _, place, _ in side)
        both = torch.cat([inner.new_zeros(b, count, reach) if past is None else past, inner], -1)
        sides = []
        for taps in _TAPS:
            heard = inner.new_zeros(b, t)
            for line, place, sign in taps:
                start = reach - self._samples(place)
                heard = heard + sign * both[:, line, start : start + t]
            sides.append(0.6 * heard)
        return torch.stack(sides, 1), both[..., t:]

    def tail_seconds(self) -> float:
        """The decay, and what the all-passes add to it."""
        return 1.1 * self.values["decay_s"] + 1.0
