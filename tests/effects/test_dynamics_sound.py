"""What limiters, gates, expanders and their like do, measured against their definitions."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import scipy.signal
import torch
from torch import Tensor

from dspcore import audio as files
from dspcore.effects import Compressor, DeEsser, Expander, Gate, Limiter, TransientShaper

RATE = 48_000


def db(x: Tensor) -> Tensor:
    return 20 * torch.log10(x.abs())


def steady(level_db: float, samples: int) -> Tensor:
    return torch.full((1, 1, samples), 10 ** (level_db / 20), dtype=torch.float64)


def noise(samples: int, channels: int = 2, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, channels, samples, generator=generator, dtype=torch.float64)


# --- compressor: its choices --------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [1.5, 4.0, 20.0])
def test_a_feedback_compressor_settles_at_its_ratio(ratio: float) -> None:
    """In the loop the overshoot of the output is that of the input over the ratio."""
    for level in (-40.0, -20.0, -8.0, 0.0):
        comp = Compressor(
            RATE, topology="feedback", threshold_db=-20.0, ratio=ratio, knee_db=0.0, attack_ms=1.0
        )
        out = float(db(comp(steady(level, 20_000)))[0, 0, -1])
        expected = level if level <= -20 else -20 + (level + 20) / ratio
        assert out == pytest.approx(expected, abs=1e-3)


def test_a_feedback_loop_quickens_the_attack_by_the_ratio() -> None:
    ratio, attack_ms = 4.0, 20.0
    comp = Compressor(
        RATE, topology="feedback", threshold_db=-40.0, ratio=ratio, knee_db=0.0, attack_ms=attack_ms
    )
    audio = steady(0.0, RATE // 2)
    gain = db(comp(audio) / audio)[0, 0]
    full = -40 * (1 - 1 / ratio)
    reached = int((gain < full * (1 - math.exp(-1))).nonzero()[0])
    assert reached == pytest.approx(attack_ms / ratio * RATE / 1000, rel=0.01)


@pytest.mark.parametrize("topology", ["feed_forward", "feedback"])
def test_rms_reads_a_sine_3_db_below_its_peak(topology: str) -> None:
    sine = torch.sin(2 * math.pi * 1_000 / RATE * torch.arange(RATE, dtype=torch.float64))
    settings = {"threshold_db": -20.0, "ratio": 2.0, "knee_db": 0.0}
    times = {"averaging_ms": 100.0, "attack_ms": 50.0, "release_ms": 50.0}
    comp = Compressor(RATE, detection="rms", topology=topology, **settings, **times)
    out = comp(sine[None, None])[0, 0, -4_800:]
    level = 10 * math.log10(float(out.square().mean()) * 2)
    # Its peak is at 0 dB, its level at -3.01; half of the 16.99 dB above the threshold goes.
    assert level == pytest.approx(-(20 - 3.01) / 2, abs=0.15)


def test_the_gain_waits_for_the_hold_before_it_recovers() -> None:
    burst, hold_ms = 2_400, 30.0
    audio = torch.cat([steady(0.0, burst), steady(-60.0, 9_600)], -1)
    settings = {"threshold_db": -20.0, "knee_db": 0.0, "attack_ms": 0.5, "release_ms": 20.0}
    gain = db(Compressor(RATE, hold_ms=hold_ms, **settings)(audio) / audio)[0, 0]
    wait = round(hold_ms * RATE / 1000)
    still = gain[burst : burst + wait - 1]
    assert (still - gain[burst - 1]).abs().max() < 1e-9
    free = db(Compressor(RATE, **settings)(audio) / audio)[0, 0]
    # The last attack lies before the end of the burst by as long as the gain still moves.
    after = gain[burst + wait :]
    torch.testing.assert_close(after, free[burst:][: len(after)], atol=1e-3, rtol=0)


def test_a_compressor_that_looks_ahead_has_turned_down_when_a_peak_arrives() -> None:
    audio = torch.cat([steady(-60.0, 4_800), steady(0.0, 4_800)], -1)
    settings = {"threshold_db": -20.0, "ratio": 20.0, "attack_ms": 1.0, "knee_db": 0.0}
    comp = Compressor(RATE, lookahead="5_ms", **settings)
    late = comp.latency_samples()
    assert late == 240
    first = float(db(comp(audio))[0, 0, 4_800 + late])
    assert first == pytest.approx(-19.0, abs=0.3)
    assert float(db(Compressor(RATE, **settings)(audio))[0, 0, 4_800]) > -1


def test_auto_makeup_gives_half_of_what_full_scale_loses() -> None:
    for threshold, ratio in ((-40.0, 2.0), (-12.0, 10.0)):
        settings = {"threshold_db": threshold, "ratio": ratio, "knee_db": 0.0}
        gain = db(Compressor(RATE, makeup="auto", **settings)(steady(-70.0, 100)))[0, 0, -1] + 70
        assert float(gain) == pytest.approx(-threshold * (1 - 1 / ratio) / 2)


# --- limiter ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lookahead", ["1_ms", "10_ms"])
def test_no_sample_passes_the_ceiling(dtype: torch.dtype, lookahead: str) -> None:
    audio = (3 * noise(RATE)).to(dtype)
    audio[..., 9_000:12_000] *= 20
    limiter = Limiter(RATE, lookahead=lookahead, ceiling_db=-3.0, input_db=6.0, release_ms=5.0)
    out = limiter(audio)
    ceiling = 10 ** (-3 / 20)
    assert 0.9 * ceiling < float(out.abs().max()) <= ceiling


def test_a_quiet_sound_passes_a_limiter_unchanged_but_late() -> None:
    audio = 0.1 * noise(4_000).clamp(-4, 4)
    limiter = Limiter(RATE, ceiling_db=-1.0)
    late = limiter.latency_samples()
    out = limiter(audio)
    torch.testing.assert_close(out[..., late:], audio[..., :-late])
    assert not out[..., :late].any()


def true_peak_db(audio: Tensor) -> float:
    """The largest value between samples, by resampling to 16 times the rate."""
    fine = scipy.signal.resample_poly(audio.numpy(), 16, 1, axis=-1, window=("kaiser", 12.0))
    return float(20 * math.log10(abs(fine).max()))


@pytest.mark.parametrize(
    ("detection", "allowed_db"), [("true_peak_4x", 0.69), ("true_peak_8x", 0.17)]
)
@pytest.mark.parametrize("kind", ["noise", "quarter", "clipped"])
def test_true_peaks_stay_below_the_ceiling(detection: str, allowed_db: float, kind: str) -> None:
    """`allowed_db` is what annex 2 says that so many points may miss, at half the sample rate."""
    time = torch.arange(RATE // 4, dtype=torch.float64)
    audio = {
        "noise": noise(RATE // 4, 1),
        # Samples at -3 dB, peaks between them: a quarter of the sample rate, 45 degrees late.
        "quarter": 2 * torch.sin(math.pi / 2 * time + math.pi / 4)[None, None],
        "clipped": (4 * noise(RATE // 4, 1, seed=1)).clamp(-1, 1),
    }[kind]
    above = {
        word: true_peak_db(Limiter(RATE, detection=word, ceiling_db=-1.0)(audio)[0, 0, 1_000:-500])
        + 1.0
        for word in ("sample", detection)
    }
    print(kind, {word: f"{over:+.3f} dB" for word, over in above.items()})
    assert above[detection] < allowed_db
    if kind != "noise":
        assert above["sample"] > above[detection] + 0.5


# --- gate and expander --------------------------------------------------------------------------


def test_a_gate_has_hysteresis() -> None:
    """Up to -30 dB it stays closed, then open until the level falls below -40 dB."""
    levels = [-50.0, -35.0, -31.0, -29.0, -35.0, -39.0, -41.0, -35.0]
    audio = torch.cat([steady(level, 4_800) for level in levels], -1)
    settings = {"attack_ms": 0.5, "release_ms": 5.0, "hold_ms": 1.0, "range_db": 60.0}
    gain = db(Gate(RATE, threshold_db=-30.0, hysteresis_db=10.0, **settings)(audio) / audio)
    found = [float(gain[0, 0, 4_800 * (i + 1) - 1]) for i in range(len(levels))]
    expected = [-60.0, -60.0, -60.0, 0.0, 0.0, 0.0, -60.0, -60.0]
    assert found == pytest.approx(expected, abs=0.05)


def test_a_gate_holds_and_then_closes_by_its_release() -> None:
    audio = torch.cat([steady(-10.0, 9_600), steady(-70.0, 19_200)], -1)
    gate = Gate(RATE, threshold_db=-30.0, hold_ms=50.0, release_ms=40.0, range_db=80.0)
    gain = (gate(audio) / audio)[0, 0]
    hold, release = 2_400, 1_920
    assert float(gain[9_600 + hold - 3]) == pytest.approx(1.0, abs=1e-6)
    covered = float(gain[9_600 + hold + release - 1])
    floor = 10 ** (-80 / 20)
    assert covered == pytest.approx(floor + (1 - floor) * math.exp(-1), rel=2e-3)


def test_a_gate_opens_by_its_attack_and_ahead_of_a_note_when_it_looks_ahead() -> None:
    audio = torch.cat([steady(-70.0, 4_800), steady(-10.0, 4_800)], -1)
    gain = (Gate(RATE, attack_ms=10.0)(audio) / audio)[0, 0]
    assert float(gain[4_800 + 480 - 1]) == pytest.approx(1 - math.exp(-1), rel=2e-3)
    ahead = Gate(RATE, attack_ms=1.0, lookahead="5_ms")
    first = ahead(audio)[0, 0, 4_800 + ahead.latency_samples()]
    assert float(db(first)) == pytest.approx(-10.0, abs=0.1)


def test_the_gradient_of_a_gate_moves_the_point_of_opening() -> None:
    """A ramp: a threshold twice as high opens twice as late; the gradient knows."""
    audio = torch.linspace(0, 1, 4_800, dtype=torch.float64)[None, None]
    settings = {"hysteresis_db": 3.0, "attack_ms": 5.0, "range_db": 60.0}
    threshold = torch.tensor([-12.0], dtype=torch.float64, requires_grad=True)
    gate = Gate(RATE, **settings)

    def energy(at: Tensor) -> Tensor:
        return gate(audio, threshold_db=at).square().sum()

    (slope,) = torch.autograd.grad(energy(threshold), threshold)
    far = (energy(threshold + 0.5) - energy(threshold - 0.5)).detach()
    assert float(slope) == pytest.approx(float(far), rel=0.02)


@pytest.mark.parametrize("ratio", [1.5, 4.0])
@pytest.mark.parametrize("knee", [0.0, 12.0])
def test_an_expander_follows_its_curve(ratio: float, knee: float) -> None:
    level = torch.linspace(-80, 0, 81, dtype=torch.float64)
    audio = (10 ** (level / 20))[:, None, None].expand(-1, 1, 4_000).contiguous()
    settings = {"knee_db": knee, "range_db": 50.0, "attack_ms": 1.0, "release_ms": 5.0}
    out = Expander(RATE, threshold_db=-30.0, ratio=ratio, **settings)(audio)
    under = -30 - level
    bent = torch.where(under.abs() < knee / 2, (under + knee / 2) ** 2 / max(2 * knee, 1e-9), 0.0)
    amount = torch.where(under >= knee / 2, under, bent)
    expected = -((ratio - 1) * amount).clamp(max=50.0)
    torch.testing.assert_close(db(out[:, 0, -1]) - level, expected, atol=1e-3, rtol=0)


def test_an_expander_opens_and_closes_in_its_times() -> None:
    audio = torch.cat([steady(-60.0, 9_600), steady(0.0, 9_600), steady(-60.0, 9_600)], -1)
    settings = {"knee_db": 0.0, "ratio": 2.0, "range_db": 80.0}
    gain = db(Expander(RATE, attack_ms=10.0, release_ms=20.0, **settings)(audio) / audio)[0, 0]
    assert float(gain[9_599]) == pytest.approx(-20.0, abs=1e-6)
    assert float(gain[9_600 + 479]) == pytest.approx(-20 * math.exp(-1), rel=2e-3)
    assert float(gain[19_200 + 959]) == pytest.approx(-20 * (1 - math.exp(-1)), rel=2e-3)


# --- de-esser -----------------------------------------------------------------------------------


def band_db(audio: Tensor, low: float, high: float, rate: int) -> float:
    power = torch.fft.rfft(audio).abs().square().sum(0)
    hz = torch.fft.rfftfreq(audio.shape[-1], 1 / rate)
    return float(10 * torch.log10(power[(hz >= low) & (hz < high)].sum()))


def test_a_de_esser_that_does_nothing_leaves_the_spectrum() -> None:
    click = torch.zeros(1, 1, 1 << 15, dtype=torch.float64)
    click[..., 0] = 1e-4
    out = DeEsser(RATE, threshold_db=0.0)(click)[0, 0] / 1e-4
    assert db(torch.fft.rfft(out)).abs().max() < 1e-6


def test_a_de_esser_turns_down_the_s_and_not_the_vowel(data_folder: Path) -> None:
    """The six of four speakers against their one, which has no sharp sound."""
    falls: dict[str, list[list[float]]] = {"6": [], "1": []}
    for digit, found in falls.items():
        for path in sorted((data_folder / "fsdd").glob(f"{digit}_*_0.wav"))[:4]:
            sound, rate = files.read(path)
            sound = sound / sound.abs().max()
            effect = DeEsser(rate, crossover_hz=2_500.0, threshold_db=-24.0, ratio=8.0)
            out = effect(sound[None])[0]
            bands = ((2_700.0, 3_900.0), (100.0, 1_500.0))
            found.append([band_db(out, *b, rate) - band_db(sound, *b, rate) for b in bands])
    assert len(falls["6"]) == len(falls["1"]) >= 2
    print(falls)
    for six, one in zip(falls["6"], falls["1"], strict=True):
        assert six[0] < -1.5
        assert six[0] < one[0] - 1.5
        assert abs(six[1]) < 0.2
        assert abs(one[1]) < 0.2


# --- transient shaper ---------------------------------------------------------------------------


def drum(hits: int = 4) -> Tensor:
    """Decaying noise bursts, four a second."""
    time = torch.arange(RATE // 4, dtype=torch.float64) / RATE
    envelope = torch.exp(-time / 0.04)
    return noise(hits * RATE // 4, 1) * envelope.repeat(hits) * 0.3


def test_a_transient_shaper_raises_the_beginning_and_not_the_rest() -> None:
    audio = drum()
    gain_db = {}
    for attack in (-12.0, 12.0):
        out = TransientShaper(RATE, attack_db=attack, attack_ms=20.0)(audio)
        parts = [p[0, 0].unflatten(-1, (4, RATE // 4)) for p in (out, audio)]
        power = [p.square() for p in parts]
        gain_db[attack] = [
            float(10 * torch.log10(power[0][:, a:b].sum() / power[1][:, a:b].sum()))
            for a, b in ((0, 240), (4_800, 12_000))
        ]
    print(gain_db)
    assert gain_db[12.0][0] > 5
    assert gain_db[-12.0][0] < -5
    for attack in (-12.0, 12.0):
        assert abs(gain_db[attack][1]) < 4
    torch.testing.assert_close(TransientShaper(RATE, attack_db=0.0, sustain_db=0.0)(audio), audio)


def test_a_transient_shaper_is_the_same_at_every_level() -> None:
    audio, shaper = drum(1), TransientShaper(RATE, attack_db=9.0, sustain_db=-9.0)
    torch.testing.assert_close(shaper(audio * 0.1), shaper(audio) * 0.1, rtol=1e-2, atol=1e-4)


def test_sustain_lengthens_the_end_of_a_sound() -> None:
    audio = drum(1)
    long, short = (TransientShaper(RATE, attack_db=0.0, sustain_db=s)(audio) for s in (12.0, -12.0))
    tail = slice(4_800, None)
    louder = 10 * torch.log10(long[..., tail].square().sum() / audio[..., tail].square().sum())
    quieter = 10 * torch.log10(short[..., tail].square().sum() / audio[..., tail].square().sum())
    assert float(louder) > 6
    assert float(quieter) < -6
    start = slice(0, 240)
    torch.testing.assert_close(long[..., start], audio[..., start], rtol=0.3, atol=0.02)
