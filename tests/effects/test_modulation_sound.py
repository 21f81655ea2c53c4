"""What moves, how far, how fast and where from, against the formulas of the docstrings."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dspcore.effects import (
    Chorus,
    Effect,
    Flanger,
    Phaser,
    RingModulator,
    RotarySpeaker,
    Tremolo,
    Vibrato,
)
from dspcore.effects.lfo import turns, wave

RATE = 48_000


def sine(hz: float, samples: int = RATE, channels: int = 1) -> Tensor:
    time = torch.arange(samples, dtype=torch.float64) / RATE
    return torch.sin(2 * math.pi * hz * time).expand(1, channels, -1)


def pitch(y: Tensor) -> Tensor:
    """Frequency in Hz of a sine (t,) at each sample but those near the ends."""
    spectrum = torch.fft.fft(y)
    spectrum[len(y) // 2 + 1 :] = 0
    phase = torch.fft.ifft(spectrum).angle()
    step = torch.remainder(phase.diff() + math.pi, 2 * math.pi) - math.pi
    return (step * RATE / (2 * math.pi))[RATE // 10 : -RATE // 10]


def power(y: Tensor) -> Tensor:
    return torch.fft.rfft(y).abs() / (len(y) / 2)


# --- the wave -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["sine", "triangle"])
def test_a_wave_has_its_shape_and_its_end_is_a_beginning(shape: str) -> None:
    quarters = wave(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0, 7.25]).double(), shape)
    assert quarters.tolist() == pytest.approx([0, 1, 0, -1, 0, 1], abs=1e-12)
    eighth = wave(torch.tensor(0.125).double(), shape)
    assert float(eighth) == pytest.approx(0.5**0.5 if shape == "sine" else 0.5)


def test_the_phase_of_an_hour_is_kept() -> None:
    """Ten blocks of six minutes at 3.3 Hz: 11,880 turns."""
    rate_hz, state = torch.full((1, 1), 3.3, dtype=torch.float64), None
    for _ in range(10):
        _, state = turns(rate_hz, 360 * 8_000, 8_000, state)
    assert state is not None
    assert abs(float((state + 0.5) % 1 - 0.5)) < 1e-6


def test_a_rising_rate_adds_up() -> None:
    rates = torch.linspace(1, 5, RATE, dtype=torch.float64)[None]
    phase, state = turns(rates, RATE, RATE, None)
    assert float(phase[0, -1] + rates[0, -1] / RATE) == pytest.approx(3.0)
    assert abs(float(state[0]) - 0.0) < 1e-9 or abs(float(state[0]) - 1.0) < 1e-9


# --- level --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["sine", "triangle"])
def test_tremolo_swings_between_one_and_one_minus_depth(shape: str) -> None:
    effect = Tremolo(RATE, shape=shape, rate_hz=4.0, depth=0.6, phase=0.0)
    gain = effect(torch.ones(1, 1, RATE, dtype=torch.float64))[0, 0]
    assert (float(gain.max()), float(gain.min())) == pytest.approx((1.0, 0.4), abs=1e-6)
    assert float(gain[0]) == pytest.approx(0.7)
    assert float(gain[RATE // 16]) == pytest.approx(1.0)
    assert int(power(gain - gain.mean()).argmax()) == 4
    begun = Tremolo(RATE, shape=shape, rate_hz=4.0, depth=0.6, phase=0.25)
    assert float(begun(torch.ones(1, 1, 1))[0, 0, 0]) == pytest.approx(1.0)


def test_a_ring_modulator_makes_sum_and_difference() -> None:
    y = RingModulator(RATE, frequency_hz=300.0)(sine(1_000))[0, 0]
    found = power(y)
    assert found[[700, 1_300]].tolist() == pytest.approx([0.5, 0.5], abs=1e-9)
    found[[700, 1_300]] = 0
    assert found.max() < 1e-9
    half = power(RingModulator(RATE, frequency_hz=300.0, mix=0.5)(sine(1_000))[0, 0])
    assert half[[700, 1_000, 1_300]].tolist() == pytest.approx([0.25, 0.5, 0.25], abs=1e-9)


# --- pitch --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cents", [10.0, 50.0, 100.0])
@pytest.mark.parametrize("shape", ["sine", "triangle"])
def test_vibrato_bends_the_pitch_by_its_cents(shape: str, cents: float) -> None:
    effect = Vibrato(RATE, shape=shape, rate_hz=5.0, depth_cents=cents)
    # The sharp corners of a triangle smear what an analytic signal can say: look between them.
    found = pitch(effect(sine(1_000, 2 * RATE))[0, 0, RATE:])
    high, low = (
        (found.max(), found.min())
        if shape == "sine"
        else (found.quantile(0.75), found.quantile(0.25))
    )
    up = 2 ** (cents / 1200) - 1
    assert 1200 * math.log2(float(high) / 1_000) == pytest.approx(cents, abs=0.02 * cents)
    assert float(low) == pytest.approx(1_000 * (1 - up), rel=0.02 * up)


def test_the_voices_of_a_chorus_bend_by_their_depth() -> None:
    """Two voices half a cycle apart: each line's pitch is 1 - depth pi rate cos(...)."""
    effect = Chorus(
        RATE, voices="two", rate_hz=3.0, depth_ms=2.0, delay_ms=5.0, spread=0.0, mix=1.0
    )
    y = effect(sine(500, 2 * RATE))[0, 0]
    time = torch.arange(2 * RATE, dtype=torch.float64) / RATE
    expected = torch.zeros_like(time)
    for voice in (0.0, 0.5):
        late = 5e-3 + 2e-3 * (0.5 + 0.5 * torch.sin(2 * math.pi * (3 * time + voice)))
        expected += 0.5 * torch.sin(2 * math.pi * 500 * (time - late))
    settled = slice(1_000, None)
    assert (y - expected)[settled].abs().max() < 1e-5


def test_a_chorus_spreads_its_sides() -> None:
    x = sine(500, RATE, 2)
    together = Chorus(RATE, spread=0.0)(x)[0]
    apart = Chorus(RATE, spread=0.5)(x)[0]
    torch.testing.assert_close(together[0], together[1])
    assert (apart[0] - apart[1]).abs().max() > 0.1


@pytest.mark.parametrize("reach_ms", [0.4, 1.0])
def test_a_rotor_bends_the_pitch_as_its_reach_says(reach_ms: float) -> None:
    """A source on a circle comes no faster than pi reach rate, as part of the speed of sound."""
    still = {"drum_reach_ms": 0.0, "drum_fade": 0.0, "horn_fade": 0.0, "crossover_hz": 200.0}
    effect = RotarySpeaker(RATE, horn_rate_hz=6.0, horn_reach_ms=reach_ms, spread=0.0, **still)
    found = pitch(effect(sine(6_000, 2 * RATE))[0, 0, RATE:])
    fastest = math.pi * 6.0 * reach_ms / 1_000
    assert float(found.max() / 6_000 - 1) == pytest.approx(fastest, rel=0.03)
    assert float(1 - found.min() / 6_000) == pytest.approx(fastest, rel=0.03)


def test_a_rotary_speaker_that_stands_still_passes_all() -> None:
    off = ("horn_reach_ms", "drum_reach_ms", "horn_fade", "drum_fade")
    x = torch.zeros(1, 1, 1 << 15, dtype=torch.float64)
    x[..., 0] = 1.0
    y = RotarySpeaker(RATE, **dict.fromkeys(off, 0.0))(x)[0, 0]
    assert (torch.fft.rfft(y).abs() - 1).abs().max() < 1e-6


# --- flanger and phaser -------------------------------------------------------------------------


def test_a_flanger_through_zero_leaves_nothing_where_the_two_meet() -> None:
    effect = Flanger(
        RATE,
        mode="through_zero",
        rate_hz=1.0,
        delay_ms=0.0,
        depth_ms=2.0,
        feedback=0.0,
        mix=-0.5,
        phase=0.0,
    )
    x = torch.randn(1, 1, RATE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    still = effect(x, depth_ms=0.0)
    assert not still.any()
    y = effect(x)[0, 0]
    crossing = RATE // 2  # where the sine falls through zero
    assert y[crossing].abs() < 1e-9  # a whole number of samples, where reading is exact
    assert y[crossing - 3 : crossing + 4].abs().max() < 0.05 * y.abs().max()
    assert y[RATE // 4 - 200 : RATE // 4 + 200].square().mean() > 0.2
    both = effect(x, mix=0.5, depth_ms=0.0)[0, 0]
    late = effect.latency_samples()
    torch.testing.assert_close(both[late:], x[0, 0, :-late])


def test_a_flanger_has_its_notches() -> None:
    effect = Flanger(RATE, delay_ms=1.0, depth_ms=0.0, feedback=0.0, mix=0.5)
    x = torch.zeros(1, 1, RATE, dtype=torch.float64)
    x[..., 0] = 1.0
    bins = torch.fft.rfft(effect(x)[0, 0]).abs()
    assert bins[500::1_000][:20].max() < 1e-9
    torch.testing.assert_close(bins[1_000::1_000][:20], torch.ones(20).double())


@pytest.mark.parametrize("stages", Phaser.choices["stages"].words)
def test_a_phaser_has_its_notches_where_the_formula_puts_them(stages: str) -> None:
    n, centre = {"four": 4, "six": 6, "eight": 8, "twelve": 12}[stages], 900.0
    effect: Effect = Phaser(RATE, stages=stages, center_hz=centre, depth=0.0, mix=0.5)
    for k in range(n // 2):
        g = math.tan(math.pi * centre / RATE) * math.tan((2 * k + 1) * math.pi / (2 * n))
        notch = math.atan(g) / math.pi * RATE
        y = effect(sine(notch, 2 * RATE))[0, 0, RATE:]
        assert y.abs().max() < 1e-6
    between = (
        math.atan(math.tan(math.pi * centre / RATE) * math.tan(2 * math.pi / (2 * n)))
        / math.pi
        * RATE
    )
    assert effect(sine(between, 2 * RATE))[0, 0, RATE:].abs().max() == pytest.approx(1, abs=1e-3)


def test_a_phaser_sweeps_by_octaves() -> None:
    """A quarter of the way round the notch lies `depth` octaves higher."""
    effect = Phaser(RATE, stages="four", center_hz=500.0, depth=1.0, rate_hz=0.5, mix=0.5)
    moved = Phaser(RATE, stages="four", center_hz=1_000.0, depth=0.0, mix=0.5)
    x = sine(700, RATE)
    there = slice(RATE // 2 - 100, RATE // 2 + 100)
    difference = (effect(x) - moved(x))[0, 0, there].abs().max()
    assert difference < 0.02 * moved(x)[0, 0, there].abs().max()
