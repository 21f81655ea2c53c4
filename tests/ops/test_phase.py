"""Ten minutes in blocks of ten seconds: oscillators do not drift."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dspcore import ops

RATE, SECONDS, BLOCKS, HOP = 48_000, 600, 60, 256
SAMPLES = RATE * SECONDS // BLOCKS
FRAMES = SAMPLES // HOP
HZ = [440.1, 2_345.678]


def sinusoids(f: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
    y, phase = ops.sinusoids(f[:, None], torch.ones(2, 1, FRAMES), hop=HOP, phase=state)
    return y, phase[:, 0], phase


def harmonics(f: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
    y, phase = ops.harmonics(f, torch.ones(2, 2, FRAMES), hop=HOP, phase=state)
    return y, phase, phase


def oscillator(f: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
    y, phase = ops.oscillator(f, torch.ones(2, FRAMES), shape="triangle", hop=HOP, phase=state)
    return y, phase, phase


def wavetable(f: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
    cycle = torch.sin(2 * math.pi * torch.arange(16) / 16)
    y, phase = ops.wavetable(f, cycle, hop=HOP, phase=state)
    return y, phase, phase


def fm(f: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
    """The carrier has the frequency; a modulator a third of it moves its phase back and forth."""
    both = torch.stack([f / 3, f], 1)
    amplitudes = torch.tensor([0.0, 1.0])[None, :, None].expand(2, 2, FRAMES)
    index = torch.tensor([[0.0, 0.0], [0.5, 0.0]])
    y, state = ops.fm(both, amplitudes, index, hop=HOP, state=state)
    return y, state[0][:, 1], state


@pytest.mark.slow
@pytest.mark.parametrize(
    "play", [sinusoids, harmonics, oscillator, wavetable, fm], ids=lambda play: play.__name__
)
def test_ten_minutes_end_where_whole_numbers_say(play: Callable[..., Any]) -> None:
    """The phase handed on, and that of the fundamental in the last block's sound, within 1 mrad."""
    cycles = torch.tensor(HZ, dtype=torch.float64) / RATE
    f = cycles[:, None].expand(2, FRAMES)
    state = None
    for _ in range(BLOCKS):
        y, phase, state = play(f, state)
    assert y.dtype == torch.float32
    exact = cycles.numpy().astype(np.longdouble)
    end = exact * (RATE * SECONDS) % 1
    drift = (phase.numpy() - end + 0.5) % 1 - 0.5
    assert abs(drift).max() * 2 * math.pi < 1e-3
    start = torch.from_numpy((exact * (RATE * SECONDS - SAMPLES) % 1).astype(np.float64))
    turns = start[:, None] + cycles[:, None] * torch.arange(SAMPLES, dtype=torch.float64)
    heard = (y * torch.exp(-2j * math.pi * turns)).mean(-1) * 2j  # real for a sine that is on time
    assert (torch.angle(heard).abs() < 1e-3).all()
    assert (heard.abs() > 0.1).all()
