"""Fewer bits and fewer samples."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore.effects.effect import Effect
from dspcore.effects.hold_search import dry_share, hold, rounding
from dspcore.effects.param import Param


class Bitcrusher(Effect):
    """Hold samples, and round them to a few levels.

    A value is taken every `hold_samples` samples, between two of them where that is no whole
    number, and held: the sound of a low sample rate, with all its aliases. It is rounded to the
    nearest multiple of ``2 ** (1 - bits)``, `bits` bits from -1 to 1; 0 is a level.

    The gradient to `hold_samples` is that of the places where values are taken. Rounding has none
    of its own: straight-through, the gradient to the audio is that without rounding, and the step
    is learned as if the rounded number of steps stayed the same (S. Esser et al., "Learned Step
    Size Quantization", ICLR 2020). It points the right way and is not a derivative.
    """

    moves = True  # what is held depends on when the sound comes

    bits = Param(1.0, 24.0, default=8.0, doc="Of a sample; need not be whole.")
    hold_samples = Param(1.0, 64.0, default=4.0, scale="log", doc="How long a value is held.")
    mix = Param(0.0, 1.0, default=1.0, doc="Dry at 0, crushed at 1.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Hold, then round; the last two terms are zeros that carry the gradient."""
        held, state = self._held(audio, params["hold_samples"], state)
        step = (2 ** (1 - params["bits"]))[:, None].to(audio.dtype)
        rounded = (step * torch.round(held / step)).detach()
        error = ((rounded - held) / step).detach()
        crushed = rounded + (held - held.detach()) + error * (step - step.detach())
        return audio + params["mix"][:, None].to(audio.dtype) * (crushed - audio), state

    def _held(self, audio: Tensor, period: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Values at the passings of whole numbers of a phase that grows by 1 / period."""
        b, c, t = audio.shape
        rate = (1 / period).expand(b, t)
        if state is None:
            state = (-rate[:, :1], audio.new_zeros(b, c), audio.new_zeros(b, c))
        begin, last, held = state
        # The sum from the very first sample, in order: the same whatever the blocks.
        phase = torch.cat([begin, rate], 1).cumsum(1)
        whole = torch.floor(phase + 1e-6).detach()
        passed = whole[:, 1:] > whole[:, :-1]
        ago = ((phase[:, 1:] - whole[:, 1:]).clamp(min=0) / rate).to(audio.dtype)[:, None]
        before = torch.cat([last[..., None], audio[..., :-1]], -1)
        taken = torch.cat([held[..., None], audio + ago * (before - audio)], -1)
        places = torch.arange(1, t + 1, device=audio.device).expand(b, t)
        latest = torch.where(passed, places, 0).cummax(1).values
        y = taken.gather(2, latest[:, None].expand(b, c, t))
        return y, (phase[:, -1:], audio[..., -1], y[..., -1])

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """What the sound that stands still now and then shows: the mix, the hold, the bits."""
        dry = dry.expand_as(reference)
        share = dry_share(dry, reference)
        if share is None or share > 0.99:
            return []
        found = {"mix": 1 - share}
        wet = (reference.double() - share * dry.double()) / (1 - share)
        if (samples := hold(wet)) is not None:
            found["hold_samples"] = samples
        if (step := rounding(wet)) is not None:
            found["bits"] = 1 - math.log2(step)
        return [found]

    def tail_seconds(self) -> float:
        """As long as a value is held."""
        return (self.values["hold_samples"] + 1) / self.sample_rate
