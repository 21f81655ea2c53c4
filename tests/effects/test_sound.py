"""What effects sound like, measured against the definition of their parameters."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects import Compressor, Delay, Distortion, Effect, ParametricEQ
from dspcore.ops.antialiased import CURVES

RATE = 48_000


def impulse(samples: int, channels: int = 1) -> Tensor:
    x = torch.zeros(1, channels, samples, dtype=torch.float64)
    x[..., 0] = 1.0
    return x


def db(x: Tensor) -> Tensor:
    return 20 * torch.log10(x.abs())


def response_db(effect: Effect) -> tuple[Tensor, Tensor]:
    """Frequencies from 20 Hz to 20 kHz, and the gain there in dB."""
    y = effect(impulse(1 << 17))[0, 0]
    frequencies = torch.fft.rfftfreq(y.shape[0], 1 / effect.sample_rate, dtype=torch.float64)
    heard = (frequencies >= 20) & (frequencies <= 20_000)
    return frequencies[heard], db(torch.fft.rfft(y))[heard]


# --- equaliser ----------------------------------------------------------------------------------


def cookbook_db(frequencies: Tensor, shape: str, f0: float, q: float, gain_db: float) -> Tensor:
    """R. Bristow-Johnson's Audio EQ Cookbook, letter by letter."""
    w0, a = 2 * math.pi * f0 / RATE, 10 ** (gain_db / 40)
    c, alpha = math.cos(w0), math.sin(w0) / (2 * q)
    root = 2 * math.sqrt(a) * alpha
    up, down = a + 1, a - 1
    b, denominator = {
        "lowpass": (((1 - c) / 2, 1 - c, (1 - c) / 2), (1 + alpha, -2 * c, 1 - alpha)),
        "highpass": (((1 + c) / 2, -1 - c, (1 + c) / 2), (1 + alpha, -2 * c, 1 - alpha)),
        "peak": (
            (1 + alpha * a, -2 * c, 1 - alpha * a),
            (1 + alpha / a, -2 * c, 1 - alpha / a),
        ),
        "lowshelf": (
            (a * (up - down * c + root), 2 * a * (down - up * c), a * (up - down * c - root)),
            (up + down * c + root, -2 * (down + up * c), up + down * c - root),
        ),
        "highshelf": (
            (a * (up + down * c + root), -2 * a * (down + up * c), a * (up + down * c - root)),
            (up - down * c + root, 2 * (down - up * c), up - down * c - root),
        ),
    }[shape]
    z = torch.exp(-2j * math.pi * frequencies / RATE)
    return db(
        sum(n * z**i for i, n in enumerate(b)) / sum(n * z**i for i, n in enumerate(denominator))
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_equaliser_follows_the_cookbook(seed: int) -> None:
    p = torch.rand(1, 18, generator=torch.Generator().manual_seed(seed))
    eq = ParametricEQ(RATE)
    values = {name: float(value) for name, value in eq.denormalize(p).items()}
    frequencies, gain = response_db(ParametricEQ(RATE, **values))
    butterworth = 0.5**0.5
    expected = cookbook_db(frequencies, "highpass", values["low_cut_hz"], butterworth, 0)
    expected = expected + cookbook_db(frequencies, "lowpass", values["high_cut_hz"], butterworth, 0)
    for side in ("low", "high"):
        f0, boost = values[f"{side}_shelf_hz"], values[f"{side}_shelf_gain_db"]
        expected = expected + cookbook_db(frequencies, f"{side}shelf", f0, butterworth, boost)
    for i in range(1, 5):
        f0, q, boost = (values[f"peak_{i}_{what}"] for what in ("hz", "q", "gain_db"))
        expected = expected + cookbook_db(frequencies, "peak", f0, q, boost)
    assert (gain - expected).abs().max() < 0.01


@pytest.mark.parametrize(("cut", "corner"), [("low_cut_hz", 300.0), ("high_cut_hz", 3_000.0)])
def test_cuts_are_3_db_down_at_their_corner(cut: str, corner: float) -> None:
    frequencies, gain = response_db(ParametricEQ(RATE, **{cut: corner}))
    there = (frequencies - corner).abs().argmin()
    assert float(gain[there]) == pytest.approx(-3.01, abs=0.03)
    octave = (frequencies - corner * (0.25 if cut == "low_cut_hz" else 4)).abs().argmin()
    assert -29 < float(gain[octave]) < -23


# --- compressor ---------------------------------------------------------------------------------


def curve_db(level: Tensor, threshold: float, ratio: float, knee: float) -> Tensor:
    """Giannoulis, Massberg and Reiss, equation 4: output minus input."""
    over = level - threshold
    bent = (1 / ratio - 1) * (over + knee / 2) ** 2 / (2 * max(knee, 1e-9))
    straight = (1 / ratio - 1) * over
    inside = torch.where(2 * over.abs() <= knee, bent, straight)
    return torch.where(2 * over < -knee, torch.zeros_like(over), inside)


@pytest.mark.parametrize("knee", [0.0, 6.0, 24.0])
@pytest.mark.parametrize("ratio", [1.0, 2.0, 20.0])
def test_a_steady_level_is_turned_down_by_the_static_curve(ratio: float, knee: float) -> None:
    level = torch.linspace(-60, 6, 67, dtype=torch.float64)
    audio = (10 ** (level / 20))[:, None, None].expand(-1, 1, 4_000).contiguous()
    comp = Compressor(
        RATE, threshold_db=-20.0, ratio=ratio, knee_db=knee, attack_ms=1.0, makeup_db=3.0
    )
    gain = db(comp(audio)[:, 0, -1]) - level
    torch.testing.assert_close(gain, 3 + curve_db(level, -20.0, ratio, knee), atol=1e-6, rtol=0)


@pytest.mark.parametrize("time_ms", [5.0, 50.0])
def test_attack_and_release_cover_63_percent_in_their_time(time_ms: float) -> None:
    n = 40_000
    audio = torch.full((1, 1, 2 * n), 0.001, dtype=torch.float64)
    audio[..., n // 2 : n] = 1.0
    comp = Compressor(
        RATE, threshold_db=-30.0, ratio=4.0, knee_db=0.0, attack_ms=time_ms, release_ms=time_ms
    )
    gain = db(comp(audio) / audio)[0, 0]
    after, full = int(time_ms * RATE / 1000), -30 * 0.75
    assert float(gain[n // 2 - 1]) == pytest.approx(0, abs=1e-9)
    assert float(gain[n // 2 + after - 1]) == pytest.approx(full * (1 - math.exp(-1)), rel=1e-4)
    assert float(gain[n + after - 1]) == pytest.approx(full * math.exp(-1), rel=1e-3)


def test_a_sidechain_drives_the_gain() -> None:
    audio = torch.full((1, 2, 4_000), 0.01, dtype=torch.float64)
    comp = Compressor(RATE, threshold_db=-20.0, ratio=4.0, knee_db=0.0, attack_ms=1.0)
    assert torch.equal(comp(audio), audio)
    loud = torch.ones(1, 1, 4_000, dtype=torch.float64)
    found = db(comp(audio, sidechain=loud)[..., -1] / 0.01)
    torch.testing.assert_close(found, torch.full((1, 2), -15.0).double())
    with pytest.raises(ValueError, match=r"sidechain must be as long as the audio, 4000.*got 10"):
        comp(audio, sidechain=loud[..., :10])


def test_both_sides_of_a_stereo_sound_get_one_gain() -> None:
    audio = torch.randn(1, 2, 4_000, dtype=torch.float64)
    audio[:, 1] *= 0.1
    gain = Compressor(RATE, threshold_db=-40.0)(audio) / audio
    torch.testing.assert_close(gain[:, 0], gain[:, 1])
    assert db(gain).min() < -10


def test_mix_is_parallel_compression() -> None:
    audio = torch.randn(1, 1, 4_000, dtype=torch.float64)
    wet = Compressor(RATE, threshold_db=-40.0, makeup_db=6.0)(audio)
    half = Compressor(RATE, threshold_db=-40.0, makeup_db=6.0, mix=0.3)(audio)
    torch.testing.assert_close(half, 0.7 * audio + 0.3 * wet)
    assert torch.equal(Compressor(RATE, threshold_db=-40.0, mix=0.0)(audio), audio)


# --- distortion ---------------------------------------------------------------------------------

PLAIN = {
    "tanh": torch.tanh,
    "arctan": lambda x: 2 / math.pi * torch.atan(math.pi * x / 2),
    "cubic": lambda x: 1.5 * x.clamp(-1, 1) - 0.5 * x.clamp(-1, 1) ** 3,
    "hard": lambda x: x.clamp(-1, 1),
    "diode": torch.asinh,
    "fold": torch.sin,
    "tube": lambda x: torch.where(x < 0, torch.expm1(2 * x) / 2, -torch.expm1(-x)),
}


@pytest.mark.parametrize("curve", CURVES)
def test_a_slow_ramp_is_bent_by_the_curve(curve: str) -> None:
    ramp = torch.linspace(-1, 1, RATE, dtype=torch.float64)
    y = Distortion(RATE, curve=curve, drive_db=12.0)(ramp[None, None])[0, 0]
    expected = PLAIN[curve](ramp * 10 ** (12 / 20))
    settled = slice(1_000, None)
    assert (y - expected)[settled].abs().max() < 5e-4


def alias_db(y: Tensor, f0: int, rate: int) -> float:
    """Power away from the harmonics of f0 over all power, for one second."""
    power = torch.fft.rfft(y).abs().square()
    total = power[1:].sum()
    harmonics = power[f0::f0].sum()
    return float(10 * torch.log10((total - harmonics) / total))


@pytest.mark.parametrize(
    ("curve", "better_db"), [("tanh", 8.0), ("arctan", 8.0), ("cubic", 8.0), ("hard", 8.0)]
)
def test_averaging_the_curve_lowers_aliases(curve: str, better_db: float) -> None:
    """A sine of 5 kHz at 44.1 kHz, 24 dB into the curve."""
    rate, f0 = 44_100, 5_000
    x = torch.sin(2 * math.pi * f0 * torch.arange(2 * rate, dtype=torch.float64) / rate)[None, None]
    effect = Distortion(rate, curve=curve, drive_db=24.0)
    tone = ops.design.lowpass(effect.tone_hz, 0.5**0.5, rate)[None]
    plain = ops.sosfilt(PLAIN[curve](x * 10 ** (24 / 20)), tone)[0]
    without, with_it = (alias_db(y[0, 0, rate:], f0, rate) for y in (plain, effect(x)))
    print(f"{curve}: aliases at {without:.1f} dB without averaging, {with_it:.1f} dB with")
    assert with_it < without - better_db


def test_the_dry_part_of_distortion_is_half_a_sample_late() -> None:
    x = torch.randn(1, 2, 100, dtype=torch.float64)
    before = torch.cat([torch.zeros(1, 2, 1), x[..., :-1]], -1)
    torch.testing.assert_close(Distortion(RATE, mix=0.0)(x), (x + before) / 2)


def test_the_tone_is_a_low_pass_after_the_curve() -> None:
    quiet = Distortion(RATE, drive_db=0.0, tone_hz=2_000.0)
    y = quiet(1e-6 * impulse(1 << 16))[0, 0] * 1e6
    gain = db(torch.fft.rfft(y))
    assert float(gain[round(2_000 * (1 << 16) / RATE)]) == pytest.approx(-3.01 - 0.07, abs=0.03)


# --- delay --------------------------------------------------------------------------------------


def test_echoes_come_at_their_time_and_level() -> None:
    effect = Delay(RATE, time_ms=10.0, feedback=0.5, mix=1.0, low_cut_hz=20.0, high_cut_hz=10_000.0)
    y = effect(impulse(3_000))[0, 0]
    expected = torch.zeros(961, dtype=torch.float64)
    expected[480] = 1.0  # the first has passed no filter
    torch.testing.assert_close(y[:960], expected[:960], atol=1e-12, rtol=0)
    one_khz = torch.exp(-2j * math.pi * 1_000 / RATE * torch.arange(480))
    levels = [float(db((y[480 * i : 480 * i + 480] * one_khz).sum())) for i in (1, 2, 3)]
    assert levels[0] == pytest.approx(0.0, abs=1e-9)
    assert levels[1] == pytest.approx(-6.02, abs=0.2)
    assert levels[2] == pytest.approx(-12.04, abs=0.4)


def test_an_echo_lies_between_samples() -> None:
    y = Delay(RATE, time_ms=10.01, feedback=0.0, mix=1.0)(impulse(1_000))[0, 0]
    assert float(y.sum()) == pytest.approx(1.0)
    assert float((y * torch.arange(1_000)).sum()) == pytest.approx(480.48)


def test_mix_keeps_the_dry_sound() -> None:
    y = Delay(RATE, time_ms=10.0, feedback=0.0, mix=0.25)(impulse(1_000))[0, 0]
    assert (float(y[0]), float(y[480])) == (0.75, pytest.approx(0.25))


@pytest.mark.parametrize("channels", [1, 2])
def test_ping_pong_changes_sides(channels: int) -> None:
    effect = Delay(RATE, mode="ping_pong", time_ms=10.0, feedback=0.5, mix=1.0, low_cut_hz=10.0)
    y = effect(impulse(3_000, channels))
    assert y.shape[1] == 2
    energy = torch.stack([y[0, :, 480 * i : 480 * i + 48].square().sum(-1) for i in range(6)])
    for i, sides in enumerate(energy[1:]):
        loud, silent = (0, 1) if i % 2 == 0 else (1, 0)
        assert sides[loud] > 1e-4
        assert sides[silent] < 1e-2 * sides[loud]  # the high-pass rings on


def test_a_moving_echo_is_as_smooth_as_the_sound() -> None:
    """20 to 40 ms within a second bends 200 Hz by 2 %, and nothing clicks."""
    omega = 2 * math.pi * 200 / RATE
    x = torch.sin(omega * torch.arange(RATE, dtype=torch.float64))[None, None]
    time_ms = torch.linspace(20, 40, RATE, dtype=torch.float64)[None]
    y = Delay(RATE, feedback=0.0, mix=1.0)(x, time_ms=time_ms)[0, 0, RATE // 10 :]
    assert y.isfinite().all()
    assert y.diff().diff().abs().max() < 1.01 * omega**2
    truth = torch.sin(omega * (torch.arange(RATE) - time_ms[0] * RATE / 1000))[RATE // 10 :]
    assert db((y - truth).abs().max()) < -100
