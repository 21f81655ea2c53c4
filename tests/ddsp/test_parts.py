"""Pitch, loudness, the room and the decoder."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dspcore.ddsp import DDSP, LearnedReverb, ModelConfig, features, loudness, track
from dspcore.errors import UserError

pytestmark = pytest.mark.usefixtures("native")
RATE = 16_000


def tone(f0_hz: np.ndarray, harmonics: range = range(1, 12)) -> np.ndarray:
    """A tone whose pitch is given at every sample."""
    turns = 2 * np.pi * np.cumsum(f0_hz) / RATE
    usual = [k for k in harmonics if k * f0_hz.max() < RATE / 2]
    return 0.2 * sum(np.sin(k * turns) / k for k in usual)


# --- pitch ---------------------------------------------------------------------------------------


def test_pitch_is_followed_to_a_few_cents() -> None:
    t = np.arange(2 * RATE) / RATE
    for middle in (70.0, 220.0, 600.0):
        f0 = middle * 2 ** (0.3 * np.sin(2 * np.pi * t))
        found = track(tone(f0), RATE, 160, min_hz=50, max_hz=1_000)
        assert len(found.f0_hz) == 200
        cents = 1200 * np.abs(np.log2(found.f0_hz / f0[::160]))[5:-5]
        assert np.median(cents) < 3
        assert cents.max() < 40
        assert found.voiced[5:-5].all()
        assert found.confidence[5:-5].min() > 0.8


def test_pitch_needs_no_fundamental_and_no_octave_is_mistaken() -> None:
    for hz in (82.4, 110.0, 329.6):
        sound = tone(np.full(RATE, hz), range(3, 12))
        sound += 0.01 * np.random.default_rng(0).standard_normal(RATE)
        found = track(sound, RATE, 160)
        right = np.abs(1200 * np.log2(found.f0_hz[5:-5] / hz)) < 50
        assert right.mean() > 0.95


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(1).standard_normal(RATE)
    assert track(noise, RATE, 160).voiced.mean() < 0.1
    quiet = track(np.zeros(RATE), RATE, 160)
    assert not quiet.voiced.any()
    assert not quiet.confidence.any()
    assert np.isfinite(quiet.f0_hz).all()
    half = np.concatenate([tone(np.full(RATE, 200.0)), 0.02 * noise])
    voiced = track(half, RATE, 160).voiced
    assert voiced[10:90].all()
    assert voiced[110:].mean() < 0.2


@pytest.mark.parametrize("limits", [(0, 100), (200, 100), (50, 9_000)])
def test_limits_of_pitch_are_checked(limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="wanted 0 < min_hz < max_hz < 8000"):
        track(np.zeros(100), RATE, 160, min_hz=limits[0], max_hz=limits[1])


def test_a_recording_of_a_few_samples_has_a_frame() -> None:
    found = features(torch.randn(10), RATE, 160)
    assert found.f0_hz.shape == found.loudness_db.shape == (1,)


# --- loudness ------------------------------------------------------------------------------------


def test_loudness_is_that_of_iec_61672() -> None:
    """A-weighting of sines: 0 dB at 1 kHz, from the standard's table elsewhere."""
    t = torch.arange(RATE) / RATE
    for hz, weight in ((1_000, 0.0), (125, -16.1), (500, -3.2), (2_000, 1.2), (4_000, 1.0)):
        found = loudness(torch.sin(2 * math.pi * hz * t)[None], RATE, 160, window=4_096)[0, 50]
        assert abs(float(found) - weight) < 0.15, hz
    half = loudness(0.5 * torch.sin(2 * math.pi * 1_000 * t)[None], RATE, 160)[0, 50]
    assert abs(float(half) + 6.02) < 0.05
    assert loudness(torch.zeros(1, 800), RATE, 160).tolist() == [[-80.0] * 5]


def test_loudness_may_be_learnt() -> None:
    sound = (0.1 * torch.randn(1, 700, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: loudness(x, RATE, 160, window=256), sound, fast_mode=True
    )


# --- check 20: the room --------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [300, 2_000])
def test_the_room_is_direct_convolution_with_the_dry_masked_once(samples: int) -> None:
    """A response longer and one shorter than the sound."""
    room = LearnedReverb(samples / RATE, RATE, level=0.1)
    x = torch.randn(2, 1, 800)
    h = room.response.detach().clone()
    h[0] = 1.0  # the dry sound, once
    for item in range(2):
        direct = np.convolve(x[item, 0].double().numpy(), h.double().numpy())[:800]
        assert np.abs(room(x)[item, 0].detach().double().numpy() - direct).max() < 1e-5
    first, state = room.step(x[..., :300])
    second, _ = room.step(x[..., 300:], state)
    assert torch.allclose(torch.cat([first, second], -1), room(x), atol=1e-5)
    room(x).square().sum().backward()
    assert room.response.grad is not None
    assert room.response.grad[0] == 0
    assert room.response.grad[1:250].abs().min() > 0


# --- the decoder ---------------------------------------------------------------------------------


def small(**given: Any) -> DDSP:
    torch.manual_seed(0)
    return DDSP(ModelConfig(**{"hidden": 16, "reverb_seconds": 0.1, "harmonics": 12, **given}))


def frames(count: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    f0 = 150 + 100 * torch.rand(batch, count, generator=generator)
    return f0, -30 + 10 * torch.rand(batch, count, generator=generator)


@pytest.mark.parametrize("hop", [64, 160])
def test_a_stream_plays_what_the_model_plays_a_hop_later(hop: int) -> None:
    model, (f0, loud) = small(hop_length=hop), frames(30)
    stream = model.stream()
    played = torch.cat([stream(f0[:, i], loud[:, i]) for i in range(30)], -1)
    whole = model(f0, loud).detach()
    assert not played[..., :hop].any()
    assert (played[..., hop:] - whole[..., : 29 * hop]).abs().max() < 1e-6


def test_every_weight_learns_and_the_room_may_be_left_out() -> None:
    model, (f0, loud) = small(), frames(20)
    dry = model(f0, loud, room=False)
    parts = model.parts(model.controls(f0, loud)[0])
    assert torch.equal(dry, parts["harmonic"] + parts["noise"])
    model(f0, loud).square().mean().backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert missing == []
    assert small(reverb_seconds=0.0).reverb is None


def test_what_a_decoder_cannot_take_is_named() -> None:
    model, (f0, loud) = small(), frames(20)
    with pytest.raises(ValueError, match=r"both be \(b, frames\), got \(2, 20\) and \(2, 19\)"):
        model(f0, loud[:, :-1])
    with pytest.raises(ValueError, match="NaN"):
        model(f0, loud * math.nan)
    with pytest.raises(UserError, match="sizes must be positive"):
        DDSP(ModelConfig(harmonics=0))
