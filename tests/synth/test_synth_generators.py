"""Oscillators and noise of frames: what they compute, in any blocks, with which gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import welch
from torch import Tensor

from dspcore.synth import (
    ControlUpsample,
    FilteredNoise,
    FMOperator,
    FMSynth,
    HarmonicOscillator,
    NoiseGenerator,
    PulseOscillator,
    SawOscillator,
    SinusoidalBank,
    SquareOscillator,
    TriangleOscillator,
    WavetableOscillator,
    exp_sigmoid,
    lfo,
    normalize_harmonics,
)
from dspcore.synth.noises import COLORS, tilt

pytestmark = pytest.mark.usefixtures("native")
F64 = torch.float64


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def db(found: Tensor, truth: Tensor) -> float:
    return float(20 * torch.log10((found - truth).abs().max() / truth.abs().max() + 1e-30))


# --- check 17: against a float64 reference, gradients, blocks -----------------------------------


def test_a_minute_of_100_harmonics_stays_110_db_from_the_truth() -> None:
    """At 48 kHz, float32, a pitch that rises; the last second against phases in closed form."""
    rate, hop, seconds, k = 48_000, 480, 60, 100
    frames = seconds * rate // hop + 1
    f0 = torch.linspace(100.0, 160.0, frames, dtype=F64)[None, :, None]
    weights = rand(1, 1, k).expand(1, frames, k)
    osc = HarmonicOscillator(k, rate, hop, scale_fn=None)
    controls = {
        "amplitudes": torch.ones(1, frames, 1),
        "harmonic_distribution": (weights / weights.sum(-1, keepdim=True)).float(),
        "f0_hz": f0,
    }
    found = osc.get_signal(**controls, num_samples=seconds * rate)[0, 0, -rate:].double()
    n = torch.arange((seconds - 1) * rate, seconds * rate, dtype=F64)
    slope = 60.0 / (seconds * rate) / rate
    turns = 100.0 / rate * n + slope * n * (n - 1) / 2
    number = torch.arange(1, k + 1, dtype=F64)[:, None]
    audible = number * (100.0 / rate + slope * n) < 0.5
    share = controls["harmonic_distribution"][0, 0].double()[:, None]
    truth = (share * torch.sin(2 * torch.pi * ((number * turns) % 1)) * audible).sum(0)
    assert db(found, truth) < -110


def bank() -> tuple[SinusoidalBank, dict[str, Tensor]]:
    return SinusoidalBank(5, 16_000, 100), {
        "amplitudes": rand(2, 8, 5),
        "frequencies_hz": 100 + 4_000 * rand(2, 8, 5, seed=1),
    }


def harmonic() -> tuple[HarmonicOscillator, dict[str, Tensor]]:
    return HarmonicOscillator(6, 16_000, 100), {
        "amplitudes": rand(2, 8, 1),
        "harmonic_distribution": rand(2, 8, 6),
        "f0_hz": 200 + 300 * rand(2, 8, 1, seed=1),
    }


def wave(kind: type[Any], **more: Tensor) -> tuple[Any, dict[str, Tensor]]:
    f0 = 200 + 300 * rand(2, 8, 1, seed=1)
    return kind(16_000, 100), {"amplitudes": rand(2, 8, 1), "f0_hz": f0, **more}


def tables() -> tuple[WavetableOscillator, dict[str, Tensor]]:
    waves = torch.sin(2 * torch.pi * torch.arange(64, dtype=F64) / 64) ** torch.tensor([[1], [3]])
    return WavetableOscillator(2, 64, 16_000, 100, tables=waves), {
        "amplitudes": rand(2, 8, 1),
        "weights": rand(2, 8, 2),
        "f0_hz": 200 + 300 * rand(2, 8, 1, seed=1),
    }


MAKERS: dict[str, Callable[[], tuple[Any, dict[str, Tensor]]]] = {
    "harmonic": harmonic,
    "sinusoidal": bank,
    "saw": lambda: wave(SawOscillator),
    "square": lambda: wave(SquareOscillator),
    "triangle": lambda: wave(TriangleOscillator),
    "pulse": lambda: wave(PulseOscillator, width=0.2 + 0.6 * rand(2, 8, 1, seed=2)),
    "wavetable": tables,
}
EACH = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@EACH
def test_blocks_of_any_length_join(make: Callable[[], Any]) -> None:
    osc, controls = make()
    whole = osc.get_signal(**controls)
    assert whole.shape == (2, 1, 800)
    for block in (1, 7, 64, 480):
        state, parts = None, []
        for start in range(0, 100 if block == 1 else 800, block):
            n = min(block, 800 - start)
            part, state = osc.step(**controls, num_samples=n, start=start, state=state)
            parts.append(part)
        found = torch.cat(parts, -1)
        assert (found - whole[..., : found.shape[-1]]).abs().max() < 1e-9


@EACH
def test_gradients_to_every_control_and_the_phase_are_exact(make: Callable[[], Any]) -> None:
    osc, controls = make()
    names = list(controls)
    tensors = [controls[n][:1, :3].clone().requires_grad_() for n in names]
    shape = (1, 5) if isinstance(osc, SinusoidalBank) else (1,)
    phase = rand(*shape, seed=4).requires_grad_()

    def sound(*given: Tensor) -> Tensor:
        named = dict(zip(names, given, strict=False))
        return osc.step(**named, num_samples=41, start=170, state=given[-1])[0]

    assert torch.autograd.gradcheck(sound, (*tensors, phase), eps=1e-6, atol=1e-6, rtol=1e-4)


def test_fm_has_gradients_to_levels_ratios_and_feedback() -> None:
    engine = FMSynth("stack", 16_000, 20).double()
    f0 = (200 + 300 * rand(1, 3)).requires_grad_()
    ratios = (0.5 + rand(1, 4, seed=1)).requires_grad_()
    levels = rand(1, 4, 3, seed=2).requires_grad_()
    feedback = rand(1, 3, seed=3).requires_grad_()
    sound = lambda *given: engine(*given, 50)[0]  # noqa: E731
    assert torch.autograd.gradcheck(sound, (f0, ratios, levels, feedback), atol=1e-6, rtol=1e-4)
    one = FMOperator(16_000, 20)
    assert torch.autograd.gradcheck(
        lambda f0, a, b: one(f0, a, b, 2.0)[0], (f0, levels[:, 0], feedback), atol=1e-6, rtol=1e-4
    )


# --- check 18: aliases ---------------------------------------------------------------------------


@pytest.mark.parametrize(("hz", "limit"), [(1_244.5, -90.0), (4_186.0, -80.0)])
def test_a_saw_has_no_aliases(hz: float, limit: float) -> None:
    """What is left after least squares on the harmonics that fit below half the sample rate."""
    rate, n = 48_000, 8_192
    f0 = torch.full((1, 20, 1), hz, dtype=F64)
    saw = SawOscillator(rate, 480).get_signal(torch.ones(1, 20, 1), f0, n)[0, 0].double().numpy()
    phase = 2 * np.pi * hz / rate * np.arange(n)
    numbers = np.arange(1, int(rate / 2 / hz) + 1)
    basis = np.concatenate([np.cos(numbers * phase[:, None]), np.sin(numbers * phase[:, None])], 1)
    rest = saw - basis @ np.linalg.lstsq(basis, saw, rcond=None)[0]
    assert 10 * np.log10(np.mean(rest**2) / np.mean(saw**2)) < limit


# --- check 19: filtered noise --------------------------------------------------------------------


def test_bands_of_filtered_noise_have_the_energy_that_they_were_told() -> None:
    noise = FilteredNoise(65, 257, 16_000, 160, scale_fn=None)
    told = 0.3 + 0.2 * torch.cos(torch.linspace(0, 9, 65))
    sound = noise.get_signal(told.expand(1, 3_000, 65))[0, 0]
    hz, power = welch(sound.numpy(), 16_000, nperseg=512)
    flat = 1 / 3 / 8_000  # of uniform noise, per Hz
    for low in range(500, 7_500, 500):
        band = (hz >= low) & (hz < low + 500)
        curve = np.interp(hz[band], np.linspace(0, 8_000, 65), told.numpy())
        off = 10 * np.log10(power[band].mean() / (flat * (curve**2).mean()))
        assert abs(off) < 0.5, low
    assert torch.equal(sound, noise.get_signal(told.expand(1, 3_000, 65))[0, 0])
    noise.seed = 1
    assert not torch.allclose(sound, noise.get_signal(told.expand(1, 3_000, 65))[0, 0])


@pytest.mark.parametrize("window", [257, 31])
def test_filtered_noise_is_numpys_convolution_and_is_not_late(window: int) -> None:
    noise = FilteredNoise(17, window, 16_000, 64, scale_fn=None)
    magnitudes = rand(1, 1, 17).expand(1, 10, 17)
    found = noise.get_signal(magnitudes)[0, 0]
    reach = min(window // 2, 15)
    full = np.fft.fftshift(np.fft.irfft(magnitudes[0, 0].numpy()))  # its middle at 16
    hann = np.hanning(2 * reach + 3)[1:-1]
    taps = full[16 - reach : 16 + reach + 1] * hann
    white = uniform(640 + 2 * reach)
    assert np.abs(found.numpy() - np.convolve(white, taps, "valid")).max() < 1e-12
    # A burst of frames is loudest in its middle.
    gate = torch.zeros(1, 21, 1, dtype=F64)
    gate[:, 10] = 1
    burst = noise.get_signal(gate * torch.ones(17, dtype=F64))[0, 0].square()
    centre = float((burst * torch.arange(len(burst))).sum() / burst.sum())
    assert abs(centre - 640) < 12


def uniform(count: int) -> np.ndarray:
    from dspcore import ops

    return ops.noise(torch.ones(1, 1, dtype=F64), count, 0)[0, 0].numpy()


def test_blocks_of_filtered_noise_join() -> None:
    noise = FilteredNoise(33, 64, 16_000, 100, scale_fn=None)
    magnitudes = rand(2, 8, 33)
    whole = noise.get_signal(magnitudes)
    for block in (1, 7, 64, 480):
        spans = range(0, 60 if block == 1 else 800, block)
        parts = [noise.get_signal(magnitudes, min(block, 800 - s), start=s) for s in spans]
        found = torch.cat(parts, -1)
        assert (found - whole[..., : found.shape[-1]]).abs().max() < 1e-12
    narrow = magnitudes[:1, :2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda m: noise.get_signal(m, 150), narrow, fast_mode=True)


@pytest.mark.parametrize("color", COLORS)
def test_noise_has_its_slope_and_power_in_any_blocks(color: str) -> None:
    make, level = NoiseGenerator(color, 5, 48_000), torch.full((1, 1), 0.5)
    whole, _ = make(level, 1 << 18)
    assert abs(float(whole.std()) - 0.5) < (0.1 if color == "brown" else 0.02)
    first, state = make(level, 1_000)
    second, _ = make(level, 3_000, state)
    assert torch.allclose(torch.cat([first, second], -1), whole[..., :4_000], atol=1e-6)
    for rate in (16_000, 48_000):
        rows = np.array(tilt(COLORS[color], rate))
        hz = np.geomspace(20, 0.4 * rate, 300)
        z = np.exp(-2j * np.pi * hz / rate)
        gain = np.prod([(r[0] + r[1] * z) / (r[3] + r[4] * z) for r in rows], axis=0)
        off = 20 * np.log10(np.abs(gain)) - COLORS[color] * np.log2(hz)
        assert np.ptp(off) / 2 < (1.3 if color in ("brown", "violet") else 0.7)


# --- check 21: DDSP's conventions ----------------------------------------------------------------


def test_scaling_has_the_numbers_of_the_published_formulae() -> None:
    x = torch.tensor([0.0, -5.0, 10.0], dtype=F64)
    # 2 sigmoid(x) ** ln 10 + 1e-7, worked out by hand.
    wanted = torch.tensor([0.40539923, 1.97931e-05, 1.99979104], dtype=F64)
    torch.testing.assert_close(exp_sigmoid(x), wanted, rtol=2e-5, atol=0)
    # At 16 kHz the third harmonic of 3 kHz is above Nyquist: (1, 2, 5) counts as (1, 2).
    shares = normalize_harmonics(torch.tensor([[[1.0, 2.0, 5.0]]]), torch.tensor([[[3e3]]]), 16_000)
    torch.testing.assert_close(shares, torch.tensor([[[1 / 3, 2 / 3, 0.0]]]))
    up = ControlUpsample(4, "window")(torch.tensor([[[0.0], [1.0]]]))
    half = math.sqrt(0.5) / 2
    shown = torch.tensor([0.0, 0.5 - half, 0.5, 0.5 + half, 1.0, 1.0, 1.0, 1.0])
    torch.testing.assert_close(up[0, :, 0], shown)


def test_ways_to_audio_rate() -> None:
    frames = torch.tensor([[[0.0], [1.0]]])
    shown = {
        "linear": [0, 0.25, 0.5, 0.75, 1, 1, 1, 1],
        "hold": [0, 0, 0, 0, 1, 1, 1, 1],
        "midway": [0, 0, 1, 1, 1, 1, 1, 1],
    }
    for method, wanted in shown.items():
        assert ControlUpsample(4, method)(frames)[0, :, 0].tolist() == wanted  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="method must be one of"):
        ControlUpsample(4, "cubic")  # type: ignore[arg-type]


def test_amplitudes_may_pass_between_frames_in_windows() -> None:
    _, controls = harmonic()
    smooth = HarmonicOscillator(6, 16_000, 100, amp_resample="window").get_signal(**controls)
    slow = HarmonicOscillator(6, 16_000, 1)
    up = {n: ControlUpsample(100, "window")(c) for n, c in controls.items() if n != "f0_hz"}
    each = up["amplitudes"] * up["harmonic_distribution"]
    product = ControlUpsample(100, "window")(
        controls["amplitudes"] * controls["harmonic_distribution"]
    )
    assert each.shape == product.shape
    truth = slow.get_signal(
        torch.ones_like(up["amplitudes"]), product, ControlUpsample(100)(controls["f0_hz"])
    )
    torch.testing.assert_close(smooth, truth)


def test_a_network_reaches_the_sound() -> None:
    osc = HarmonicOscillator(8, 16_000, 160)
    outputs = [torch.randn(2, 5, 1), torch.randn(2, 5, 8), torch.full((2, 5, 1), 1_500.0)]
    for x in outputs:
        x.requires_grad_()
    controls = osc.get_controls(*outputs)
    torch.testing.assert_close(controls["harmonic_distribution"].sum(-1), torch.ones(2, 5))
    assert not controls["harmonic_distribution"][..., 5:].any()  # 9 kHz and above
    osc(*outputs).square().mean().backward()
    assert all(x.grad is not None and x.grad.abs().sum() > 0 for x in outputs)
    cut = SinusoidalBank(3, 16_000, 160, freq_grad="none")
    f = torch.randn(1, 5, 3, requires_grad=True)
    a = torch.randn(1, 5, 3, requires_grad=True)
    assert torch.autograd.grad(cut(a, f).sum(), f, allow_unused=True)[0] is None


# --- bad input -----------------------------------------------------------------------------------


def test_frequencies_above_nyquist_are_silent() -> None:
    high = torch.full((1, 4, 1), 9_000.0)
    ones = torch.ones(1, 4, 1)
    osc = HarmonicOscillator(3, 16_000, 160)
    assert not osc.get_signal(ones, torch.ones(1, 4, 3), high).any()
    assert not SinusoidalBank(1, 16_000, 160, amp_scale_fn=None, freq_scale_fn=None)(
        ones, high
    ).any()
    fading = HarmonicOscillator(3, 16_000, 160, fade=True, scale_fn=None)
    shares = fading.get_controls(ones, torch.ones(1, 4, 3), torch.full((1, 4, 1), 3_800.0))
    first, second, third = shares["harmonic_distribution"][0, 0].tolist()
    assert first > 1.9 * second > 0.5
    assert third == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"amplitudes": -rand(2, 8, 1)}, "amplitudes must be 0 or more, got -0.*get_controls"),
        ({"f0_hz": torch.full((2, 8, 1), math.nan)}, "f0_hz has 16 NaN or infinite values"),
        ({"f0_hz": rand(2, 9, 1)}, r"f0_hz must have the batch and frames of amplitudes \(2, 8\)"),
        ({"f0_hz": rand(2, 8)}, r"f0_hz must be \(b, frames, k\)"),
        ({"amplitudes": torch.ones(2, 8, 1, dtype=torch.long)}, "floating-point tensor"),
        ({"harmonic_distribution": rand(2, 8, 5)}, "must have 6 harmonics, got 5"),
    ],
)
def test_bad_controls_are_named(change: dict[str, Tensor], says: str) -> None:
    osc, controls = harmonic()
    with pytest.raises((ValueError, TypeError), match=f"HarmonicOscillator: .*{says}"):
        osc.get_signal(**{**controls, **change})


def test_an_lfo_goes_on_from_block_to_block() -> None:
    rate = torch.tensor([[3.0]])
    for shape in ("sine", "triangle", "saw", "square"):
        whole, _ = lfo(rate, 500, sample_rate=1_000, shape=shape)
        first, state = lfo(rate, 123, sample_rate=1_000, shape=shape)
        second, _ = lfo(rate, 377, sample_rate=1_000, shape=shape, state=state)
        torch.testing.assert_close(torch.cat([first, second], 1), whole)
        assert float(whole.max()) > 0.98
        assert float(whole.min()) < -0.98
