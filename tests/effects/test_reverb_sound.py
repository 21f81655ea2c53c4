"""How long a room rings, band by band, and where."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor

from dspcore.effects import Reverb

RATE = 48_000


def response(samples: int, channels: int = 1, **values: float | str) -> Tensor:
    """What a click leaves, the room alone."""
    x = torch.zeros(1, channels, samples, dtype=torch.float64)
    x[..., 0] = 1.0
    return Reverb(RATE, mix=1.0, **values)(x)[0]


def from_side_to_side(samples: int, **values: float | str) -> Tensor:
    """What a click on either side leaves on either side, (4, samples)."""
    x = torch.zeros(2, 2, samples, dtype=torch.float64)
    x[[0, 1], [0, 1], 0] = 1.0
    return Reverb(RATE, mix=1.0, **values)(x).flatten(0, 1)


def decay_s(y: Tensor, centre_hz: float) -> float:
    """Time to -60 dB of an octave, by Schroeder's integral between -5 and -35 dB."""
    edges = [centre_hz / 2**0.5, centre_hz * 2**0.5]
    band = scipy.signal.sosfilt(
        scipy.signal.butter(4, edges, "band", fs=RATE, output="sos"), y.numpy()
    )
    left = np.cumsum((band**2).sum(0)[::-1])[::-1]
    level = 10 * np.log10(left / left[0] + 1e-30)
    fit = (level < -5) & (level > -35)
    slope, _ = np.polyfit(np.flatnonzero(fit) / RATE, level[fit], 1)
    return float(-60 / slope)


@pytest.mark.parametrize(
    ("size", "low", "mid", "high"),
    [
        ("small", 0.4, 0.4, 0.4),
        ("small", 1.5, 0.8, 0.4),
        ("medium", 1.8, 1.5, 0.8),
        ("small", 0.8, 1.5, 1.0),
        ("large", 2.5, 2.0, 1.2),
    ],
)
def test_every_band_falls_by_60_db_in_its_time(
    size: str, low: float, mid: float, high: float
) -> None:
    samples = int(1.2 * RATE * max(low, mid, high))
    values: dict[str, float | str] = {
        "size": size,
        "decay_low_s": low,
        "decay_mid_s": mid,
        "decay_high_s": high,
        "low_crossover_hz": 300.0,
        "high_crossover_hz": 3_000.0,
    }
    y = from_side_to_side(samples, **values)  # a few modes beat in the low octave: four say more
    found = {hz: decay_s(y, hz) for hz in (100.0, 1_000.0, 8_000.0)}
    wanted = dict(zip(found, (low, mid, high), strict=True))
    print({hz: f"{found[hz]:.3f} s for {wanted[hz]} s" for hz in found})
    for hz in found:
        assert found[hz] == pytest.approx(wanted[hz], rel=0.05), hz


@pytest.mark.parametrize("size", Reverb.choices["size"].words)
def test_a_room_has_two_sides_and_its_energy_is_bounded(size: str) -> None:
    left, right = response(2 * RATE, 2, size=size)
    for side in (left, right):
        assert 0.01 < float(side.square().sum()) < 10
    likeness = (left * right).sum() / (left.norm() * right.norm())
    assert abs(float(likeness)) < 0.3
    assert float(left.square().sum() / right.square().sum()) == pytest.approx(1, abs=0.5)


def test_mono_stays_mono() -> None:
    assert response(RATE).shape == (1, RATE)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_single_response_falls_at_its_rate_over_100_db(channels: int) -> None:
    """A fit to the first 30 dB of one response at 100 Hz is a fifth short: few low modes, beating.

    With the decay undone, what is left must stand still from 0.1 to 0.8 s.
    """
    decay, begin, end, window_s = 0.4, 0.1, 0.8, 0.15
    decays = {f"decay_{band}_s": decay for band in ("low", "mid", "high")}
    y = response(RATE, channels, size="small", **decays)
    for centre in (100.0, 1_000.0, 8_000.0):
        edges = [centre / 2**0.5, centre * 2**0.5]
        sos = scipy.signal.butter(4, edges, "band", fs=RATE, output="sos")
        undone = scipy.signal.sosfilt(sos, y.numpy()) * 1000 ** (np.arange(RATE) / (decay * RATE))
        early, late = (
            (undone[:, int(at * RATE) : int((at + window_s) * RATE)] ** 2).sum()
            for at in (begin, end)
        )
        fallen_db = 60 * (end - begin) / decay - 10 * np.log10(late / early)
        assert 60 * (end - begin) / fallen_db == pytest.approx(decay, rel=0.02), centre
