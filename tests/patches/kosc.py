"""k identical sine oscillators: a synth that is nothing but symmetry."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dspcore.patches import Examples, Layout, LogMel
from dspcore.patches.hearing import log_mel

RATE, SAMPLES, K = 8_000, 4_096, 3
FRONTEND = LogMel(RATE, size=1024, hop=1024, bands=80, low_hz=60.0, floor=1e-3)

#: Frequency and level of each oscillator, in this order; the three may change places.
LAYOUT = Layout((0,) * (2 * K), (tuple((2 * i, 2 * i + 1) for i in range(K)),))


def render(u: Tensor) -> Tensor:
    """Settings (n, 6) to sounds (n, 1, t): 100 Hz to 3 kHz, -30 to 0 dB."""
    pairs = u.double().unflatten(1, (K, 2))
    frequency = 100 * 30 ** pairs[..., 0]
    level = 10 ** ((pairs[..., 1] - 1) * 30 / 20)
    time = torch.arange(SAMPLES, dtype=torch.float64) / RATE
    waves = (2 * math.pi * frequency[..., None] * time).sin() * level[..., None]
    return waves.sum(1, keepdim=True).float()


def examples(count: int, seed: int) -> Examples:
    """Random patches and their spectra."""
    u = torch.rand(count, 2 * K, generator=torch.Generator().manual_seed(seed))
    mel = torch.cat([log_mel(FRONTEND, render(part)[:, 0]) for part in u.split(256)])
    return Examples(u, mel.half(), LAYOUT, FRONTEND)
