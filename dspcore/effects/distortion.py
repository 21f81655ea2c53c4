"""Distortion by a memoryless curve, with a choice of ways to keep aliases down."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects import oversampling
from dspcore.effects.effect import Effect
from dspcore.effects.param import Choice, Param
from dspcore.effects.parametric_eq import ring_seconds
from dspcore.ops.antialiased import CURVES

# How the dry part is averaged to stay in step: the weights of the last samples.
_AVERAGES = {"antiderivative": (1 / 2, 1 / 2), "antiderivative_2": (1 / 6, 4 / 6, 1 / 6)}
_FACTORS = {"oversampling_2x": 2, "oversampling_4x": 4, "oversampling_8x": 8}


class Distortion(Effect):
    """Drive the sound into a curve that bends it.

    A curve makes overtones; those above half the sample rate come back as aliases, out of tune. By
    `antiderivative` the curve is averaged between samples (first-order antiderivative
    anti-aliasing), which delays it by half a sample; by `antiderivative_2` under a triangle over
    two samples, which delays it by one and lowers aliases further; the dry part of `mix` is
    averaged alike, so the two stay in step. By `oversampling` it runs at a multiple of the sample
    rate between two linear-phase filters, 48 samples late, dry part and all. `off` is the plain
    curve.

    The `bias` moves what goes into the curve, and what it makes of silence is taken off again: the
    two halves of a wave are bent unlike, as by a tube that is not biased in its middle. The curve
    `tube` is so by itself. Either leaves a constant part that follows the level.
    """

    curve = Choice(*CURVES, default="tanh", doc="How the peaks are bent.")
    antialiasing = Choice(
        *_AVERAGES, *_FACTORS, "off", default="antiderivative", doc="What lowers aliases."
    )
    drive_db = Param(-12.0, 48.0, default=12.0, doc="Gain into the curve.")
    tone_hz = Param(200.0, 20_000.0, default=20_000.0, scale="log", doc="Low-pass corner after it.")
    output_db = Param(-36.0, 12.0, default=0.0, doc="Gain of the bent signal.")
    mix = Param(0.0, 1.0, default=1.0, doc="Dry at 0, bent at 1.")
    bias = Param(-1.0, 1.0, default=0.0, doc="What is added before the curve.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Curve, tone and mix."""
        curve_state, tone_state, last = (None, None, None) if state is None else state
        p = {name: value[:, None] for name, value in params.items()}
        bent, dry, curve_state, last = self._bent(audio, p, curve_state, last)
        sos = ops.design.lowpass(p["tone_hz"], 0.5**0.5, self.sample_rate)
        sos = sos.movedim(2, -1)[:, :, None]
        bent, tone_state = ops.sosfilt(bent, sos, tone_state)
        mix = p["mix"].to(audio.dtype)
        bent = bent * (10 ** (p["output_db"] / 20)).to(audio.dtype)
        return dry + mix * (bent - dry), (curve_state, tone_state, last)

    def _bent(
        self, audio: Tensor, p: dict[str, Tensor], state: Any, last: Any
    ) -> tuple[Tensor, Tensor, Any, Any]:
        """Bent and dry sound in step, and the states of both."""
        drive, bias = 10 ** (p["drive_db"] / 20), p["bias"]
        if self.antialiasing in _AVERAGES:
            weights = _AVERAGES[self.antialiasing]
            order = len(weights) - 1
            # One channel more, of silence: what the bias makes of it is taken off the others.
            moved = torch.cat([audio, torch.zeros_like(audio[:, :1])], 1)
            moved = moved + (bias / drive).to(audio.dtype)
            if state is None:
                state = bias[..., 0].expand(moved.shape[:2]).to(audio.dtype)
                if order == 2:
                    state = torch.stack([state, ops.curve_of(state, self.curve) / 2], -1)
                last = audio.new_zeros(*audio.shape[:2], order)
            bent, state = ops.antialiased(moved, self.curve, drive, state, order=order)
            heard = torch.cat([last, audio], -1)
            size = audio.shape[-1]
            parts = [w * heard[..., i : i + size] for i, w in enumerate(weights)]
            dry = torch.stack(parts).sum(0)
            return bent[:, :-1] - bent[:, -1:], dry, state, heard[..., size:]
        driven = audio * drive.to(audio.dtype)
        still = bias.to(audio.dtype)
        rest = ops.curve_of(still, self.curve)
        if self.antialiasing == "off":
            return ops.curve_of(driven + still, self.curve) - rest, audio, None, None
        factor = _FACTORS[self.antialiasing]
        if still.shape[2] > 1:
            still, rest = (v.repeat_interleave(factor, -1) for v in (still, rest))
        bent, state = oversampling.oversampled(
            driven, factor, lambda x: ops.curve_of(x + still, self.curve) - rest, state
        )
        dry, last = ops.lookahead(audio, oversampling.LATENCY, last)
        return bent, dry, state, last

    def latency_samples(self) -> int:
        """That of the oversampling filters, or of the triangle."""
        if self.antialiasing in _FACTORS:
            return oversampling.LATENCY
        return int(self.antialiasing == "antiderivative_2")

    def tail_seconds(self) -> float:
        """Until the tone's low-pass, which first rises, has fallen to 60 dB below its peak."""
        rate = self.sample_rate
        late = 2 * self.latency_samples() + 3
        return 1.2 * ring_seconds(self.values["tone_hz"], 0.5**0.5, rate) + late / rate
