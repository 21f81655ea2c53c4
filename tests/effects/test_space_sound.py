"""Levels, sides and filters against the definition of their parameters."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dspcore.effects import (
    AutoPan,
    Balance,
    CombFilter,
    DCBlocker,
    Effect,
    FormantFilter,
    LadderFilter,
    MidSide,
    MultiTapDelay,
    Panner,
    Polarity,
    StateVariableFilter,
    Widener,
)

RATE = 48_000
NOISE = torch.randn(1, 2, 200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def impulse(samples: int, channels: int = 1) -> Tensor:
    x = torch.zeros(1, channels, samples, dtype=torch.float64)
    x[..., 0] = 1.0
    return x


def db(x: Tensor) -> Tensor:
    return 20 * torch.log10(x.abs())


def response(effect: Effect, hz: Tensor, length: int = 1 << 16, scale: float = 1.0) -> Tensor:
    """The complex gain at frequencies (f,)."""
    y = effect(scale * impulse(length))[0, 0] / scale
    bins = torch.fft.rfft(y)
    return bins[(hz * length / effect.sample_rate).round().long()]


def grid(length: int = 1 << 16) -> Tensor:
    """Frequencies from 20 Hz to 20 kHz that lie on bins."""
    hz = torch.logspace(math.log10(20), math.log10(20_000), 200, dtype=torch.float64)
    return (hz * length / RATE).round() * RATE / length


def analogue(hz: Tensor, corner: float) -> Tensor:
    """The s, relative to a corner in Hz, that the bilinear transform puts at each frequency."""
    return 1j * torch.tan(math.pi * hz / RATE) / math.tan(math.pi * corner / RATE)


# --- sides --------------------------------------------------------------------------------------


@pytest.mark.parametrize("pan", [-1.0, -0.7, -0.2, 0.0, 0.4, 1.0])
def test_the_panner_keeps_its_power(pan: float) -> None:
    gains = Panner(RATE, pan=pan)(torch.ones(1, 1, 1, dtype=torch.float64))[0, :, 0]
    assert float(gains.square().sum()) == pytest.approx(2.0, abs=1e-12)
    assert float(torch.atan2(gains[1], gains[0])) == pytest.approx((pan + 1) * math.pi / 4)


def test_auto_pan_keeps_its_power_and_reaches_both_sides() -> None:
    y = AutoPan(RATE, rate_hz=2.0)(torch.ones(1, 1, RATE // 2, dtype=torch.float64))[0]
    torch.testing.assert_close(y.square().sum(0), torch.full_like(y[0], 2.0))
    for sample, left, right in ((0, 1, 1), (RATE // 8, 0, 2**0.5), (3 * RATE // 8, 2**0.5, 0)):
        assert y[:, sample].tolist() == pytest.approx([left, right], abs=1e-9)


def test_balance_turns_down_one_side_alone() -> None:
    for balance, left, right in ((-0.4, 1.0, 0.6), (0.0, 1.0, 1.0), (0.3, 0.7, 1.0)):
        y = Balance(RATE, balance=balance)(NOISE)
        torch.testing.assert_close(y, NOISE * torch.tensor([left, right])[:, None].double())


def test_mid_side_with_a_quiet_side_is_a_narrow_widener() -> None:
    narrow = MidSide(RATE, side_gain_db=20 * math.log10(0.3))(NOISE)
    torch.testing.assert_close(narrow, Widener(RATE, width=0.3)(NOISE), atol=1e-7, rtol=1e-7)
    louder = MidSide(RATE, mid_gain_db=6.0, side_gain_db=6.0)(NOISE)
    torch.testing.assert_close(louder, NOISE * 10 ** (6 / 20))


def test_polarity_turns_each_side_over() -> None:
    y = Polarity(RATE, left=-1.0)(NOISE)
    assert torch.equal(y, NOISE * torch.tensor([-1.0, 1.0], dtype=torch.float64)[:, None])


# --- filters ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cutoff", [5.0, 20.0, 200.0])
def test_the_dc_blocker_is_a_first_order_high_pass(cutoff: float) -> None:
    effect, hz = DCBlocker(RATE, cutoff_hz=cutoff), grid()
    s = analogue(hz, cutoff)
    assert (db(response(effect, hz)) - db(s / (1 + s))).abs().max() < 0.01
    still = effect(torch.ones(1, 1, RATE, dtype=torch.float64))
    assert still[..., -1].abs() < 1e-9


_SECTIONS = {
    "lowpass": lambda s, q: 1 / (s * s + s / q + 1),
    "highpass": lambda s, q: s * s / (s * s + s / q + 1),
    "bandpass": lambda s, q: (s / q) / (s * s + s / q + 1),
    "notch": lambda s, q: (s * s + 1) / (s * s + s / q + 1),
    "peak": lambda s, q: (s * s - 1) / (s * s + s / q + 1),
    "allpass": lambda s, q: (s * s - s / q + 1) / (s * s + s / q + 1),
}


@pytest.mark.parametrize(("cutoff", "q"), [(60.0, 2.0), (1_000.0, 8.0), (9_000.0, 0.5)])
@pytest.mark.parametrize("mode", _SECTIONS)
def test_the_state_variable_filter_has_its_response(mode: str, cutoff: float, q: float) -> None:
    hz = grid()
    s = analogue(hz, cutoff)
    flat, sharp = 0.5 / math.cos(math.pi / 8), q * 2**0.5 * 0.5 / math.cos(3 * math.pi / 8)
    pair = (flat, sharp) if mode in ("lowpass", "highpass") else (q, q)
    wanted = {"12_db": _SECTIONS[mode](s, q)}
    wanted["24_db"] = _SECTIONS[mode](s, pair[0]) * _SECTIONS[mode](s, pair[1])
    for slope, truth in wanted.items():
        effect = StateVariableFilter(RATE, mode=mode, slope=slope, cutoff_hz=cutoff, q=q)
        found = response(effect, hz)
        heard = truth.abs() > 1e-4 * truth.abs().max()
        assert (db(found) - db(truth))[heard].abs().max() < 0.01
        assert (found - truth).abs().max() < 1e-6 * truth.abs().max()


def test_both_slopes_have_q_at_the_corner() -> None:
    hz = torch.tensor([3_000.0], dtype=torch.float64)
    for mode in ("lowpass", "highpass"):
        for slope in ("12_db", "24_db"):
            effect = StateVariableFilter(RATE, mode=mode, slope=slope, cutoff_hz=3_000.0, q=4.0)
            assert float(response(effect, hz, 48_000).abs()) == pytest.approx(4.0, rel=1e-6)


_LADDER = {
    "lowpass_24": lambda v: 1,
    "lowpass_12": lambda v: v**2,
    "bandpass_24": lambda v: 4 * (v - 1) ** 2,
    "bandpass_12": lambda v: 2 * (v - 1) * v**2,
    "highpass_24": lambda v: (v - 1) ** 4,
    "highpass_12": lambda v: (v - 1) ** 2 * v**2,
}


@pytest.mark.parametrize(("cutoff", "resonance"), [(80.0, 0.0), (1_000.0, 0.8), (7_000.0, 0.4)])
@pytest.mark.parametrize("mode", _LADDER)
def test_the_ladder_has_its_response(mode: str, cutoff: float, resonance: float) -> None:
    """Stage n of the analogue ladder gives v^(4 - n) / (v^4 + k) with v = 1 + s."""
    hz, k = grid(), 3.9 * resonance
    v = 1 + analogue(hz, cutoff)
    truth = _LADDER[mode](v) / (v**4 + k)
    effect = LadderFilter(RATE, mode=mode, cutoff_hz=cutoff, resonance=resonance)
    found = response(effect, hz)
    heard = truth.abs() > 1e-4 * truth.abs().max()
    assert (db(found) - db(truth))[heard].abs().max() < 0.01


def test_a_quiet_sound_does_not_saturate_the_ladder() -> None:
    hz = grid()
    quiet = LadderFilter(RATE, loop="tanh", resonance=0.5, drive_db=-24.0)
    linear = LadderFilter(RATE, resonance=0.5 * 4.4 / 3.9)
    found, truth = response(quiet, hz, scale=1e-4), response(linear, hz)
    heard = truth.abs() > 1e-4
    assert (db(found) - db(truth))[heard].abs().max() < 0.01


def frequency(y: Tensor, rate: int) -> float:
    """Of the loudest partial of (t,), from the phases of its spectrum half a sound apart."""
    n = len(y) // 2
    window = torch.hann_window(n, dtype=torch.float64)
    first, second = (torch.fft.rfft(part * window) for part in (y[:n], y[n : 2 * n]))
    peak = int(first.abs().argmax())
    turn = (second[peak] / first[peak]).angle() / (2 * math.pi)
    whole = round(float(peak - turn))
    return float((whole + turn) * rate / n)


@pytest.mark.parametrize("cutoff", [110.0, 1_000.0, 6_000.0])
def test_the_saturated_ladder_sings_at_its_corner(cutoff: float) -> None:
    """The loop turns by half a cycle at the corner and the curve has no phase of its own."""
    effect = LadderFilter(RATE, loop="tanh", cutoff_hz=cutoff, resonance=1.0)
    y = effect(impulse(2 * RATE))[0, 0]
    late = y[RATE:]
    cents = 1200 * math.log2(frequency(late, RATE) / cutoff)
    print(f"{cutoff} Hz: {cents:+.4f} cents off, peak {float(late.abs().max()):.3f}")
    assert abs(cents) < 0.1
    assert 0.01 < float(late.abs().max()) < 1
    below = LadderFilter(RATE, loop="tanh", cutoff_hz=cutoff, resonance=0.85)
    assert below(impulse(2 * RATE))[0, 0, RATE:].abs().max() < 1e-3


def test_the_ladder_s_drive_bends() -> None:
    x = torch.sin(2 * math.pi * 200 * torch.arange(RATE, dtype=torch.float64) / RATE)
    third = {}
    for drive in (-24.0, 24.0):
        y = LadderFilter(RATE, loop="tanh", cutoff_hz=20_000.0, resonance=0.0, drive_db=drive)(
            x[None, None]
        )
        bins = torch.fft.rfft(y[0, 0]).abs()
        third[drive] = float(db(bins[600] / bins[200]))
    assert third[-24.0] < -60
    assert third[24.0] > -15


@pytest.mark.parametrize("voice", FormantFilter.choices["voice"].words)
@pytest.mark.parametrize(
    ("front", "opened", "vowel"),
    [(0, 0, "u"), (1, 0, "i"), (0, 1, "a"), (1, 1, "ae"), (0.5, 0.5, "")],
)
def test_formants_stand_where_the_table_puts_them(
    voice: str, front: float, opened: float, vowel: str
) -> None:
    man = {"u": (300, 870, 2240), "i": (270, 2290, 3010), "a": (730, 1090, 2440)}
    effect = FormantFilter(RATE, voice=voice, front=front, open=opened, q=30.0)
    place = (torch.tensor([[v]], dtype=torch.float64) for v in (front, opened))
    hz, gains = (v[0, :, 0] for v in effect.formants(*place))
    if voice == "man" and vowel in man:
        assert hz.tolist() == pytest.approx(man[vowel])
    y = effect(impulse(RATE))[0, 0]
    bins = torch.fft.rfft(y).abs()
    inner = bins[1:-1]
    peaks = 1 + ((inner > bins[:-2]) & (inner > bins[2:])).nonzero()[:, 0]
    for f, gain in zip(hz.tolist(), gains.tolist(), strict=True):
        near = int(peaks[(peaks - f).abs().argmin()])
        assert near == pytest.approx(f, rel=0.02)
        assert float(db(bins[near])) == pytest.approx(float(db(torch.tensor(gain))), abs=2.0)


@pytest.mark.parametrize(
    ("feedback", "feedforward"), [(0.8, 0.0), (-0.6, 0.0), (0.0, 1.0), (0.5, -0.5)]
)
def test_a_comb_has_its_peaks_at_the_multiples(feedback: float, feedforward: float) -> None:
    effect = CombFilter(RATE, frequency_hz=480.0, feedback=feedback, feedforward=feedforward)
    multiples = 480.0 * torch.arange(1, 11, dtype=torch.float64)
    at = response(effect, multiples, 48_000).abs()
    between = response(effect, multiples + 240.0, 48_000).abs()
    high = (1 + feedforward) / (1 - feedback)
    low = (1 - feedforward) / (1 + feedback)
    torch.testing.assert_close(at, torch.full_like(at, high), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(between, torch.full_like(at, low), rtol=1e-6, atol=1e-9)


def test_taps_come_at_their_time_level_and_side() -> None:
    taps = ((10.0, -3.0, -1.0), (20.0, -6.0, 0.0), (35.0, -12.0, 1.0), (50.0, 0.0, 0.5))
    values = {
        f"tap_{i}_{key}": value
        for i, tap in enumerate(taps, start=1)
        for key, value in zip(("time_ms", "gain_db", "pan"), tap, strict=True)
    }
    y = MultiTapDelay(RATE, mix=1.0, **values)(impulse(4_000))[0]
    expected = torch.zeros_like(y)
    for time_ms, gain_db, pan in taps:
        angle = (pan + 1) * math.pi / 4
        gain = 2**0.5 * 10 ** (gain_db / 20)
        expected[:, round(48 * time_ms)] = torch.tensor(
            [gain * math.cos(angle), gain * math.sin(angle)], dtype=torch.float64
        )
    torch.testing.assert_close(y, expected, atol=1e-9, rtol=0)
    dry = MultiTapDelay(RATE, mix=0.0)(NOISE)
    assert torch.equal(dry, NOISE)
