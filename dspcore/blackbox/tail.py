"""How long a plug-in rings, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from dspcore.blackbox.effect import BlackBox

BURST_S = 0.5
LONGEST_S = 10.0


def ringing_seconds(effect: BlackBox) -> float:
    """Seconds until half a second of noise has died away by 60 dB; `LONGEST_S` at most.

    What the plug-in makes of silence, a hum or a hiss of its own, does not count.
    """
    rate = effect.sample_rate
    burst, samples = int(BURST_S * rate), int((BURST_S + LONGEST_S) * rate)
    generator = torch.Generator().manual_seed(0)
    sounds = torch.zeros(2, effect.box.info.hears, samples)
    sounds[0, :, :burst] = 0.1 * torch.randn(sounds.shape[1], burst, generator=generator)
    with torch.no_grad():
        loud, silent = effect(sounds)
    ringing = (loud - silent).abs().amax(0)
    peak = float(ringing.max())
    above = (ringing > 1e-3 * peak).nonzero() if peak > 0 else ringing.new_zeros(0)
    last = int(above[-1]) + 1 if len(above) else 0
    return max(0, last - burst) / rate
