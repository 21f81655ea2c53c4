"""How long Freeverb, the plate and noise ring, and that responses are convolved as they are."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor, nn

import dspcore
from dspcore import audio as files
from dspcore.effects import (
    Cabinet,
    ConvolutionReverb,
    Effect,
    Freeverb,
    NoiseReverb,
    Plate,
    Reverb,
)
from dspcore.effects.noise_reverb import octaves
from dspcore.errors import UserError

RATE = 24_000


def response(effect: Effect, seconds: float) -> Tensor:
    x = torch.zeros(1, 2, int(seconds * RATE), dtype=torch.float64)
    x[..., 0] = 1.0
    return effect(x)[0]


def decay_s(y: Tensor, centre_hz: float) -> float:
    """Time to -60 dB of an octave, by Schroeder's integral between -5 and -35 dB."""
    edges = [centre_hz / 2**0.5, min(centre_hz * 2**0.5, 0.49 * RATE)]
    band = scipy.signal.butter(4, edges, "band", fs=RATE, output="sos")
    heard = scipy.signal.sosfilt(band, y.numpy())
    left = np.cumsum((heard**2).sum(0)[::-1])[::-1]
    level = 10 * np.log10(left / left[0] + 1e-30)
    fit = (level < -5) & (level > -35)
    slope, _ = np.polyfit(np.flatnonzero(fit) / RATE, level[fit], 1)
    return float(-60 / slope)


@pytest.mark.parametrize(("low_s", "from_hz"), [(0.5, 500), (1.5, 125), (2.5, 125)])
def test_every_octave_of_noise_decays_in_its_time(low_s: float, from_hz: int) -> None:
    """A short decay of a low octave has too few swings to be measured within 5 %."""
    decays = {hz: low_s * (1 - 0.1 * i) for i, hz in enumerate((125, 250, 500, 1000, 2000, 4000))}
    settings = {f"decay_{hz}_s": s for hz, s in decays.items()}
    room = NoiseReverb(RATE, length="4_s", mix=1.0, decay_8000_s=0.4 * low_s, **settings)
    y = response(room, 4.0)
    found = {hz: decay_s(y, hz) for hz in decays}
    print({hz: f"{found[hz]:.3f} s for {decays[hz]:.3f} s" for hz in found})
    for hz, wanted in decays.items():
        assert hz < from_hz or found[hz] == pytest.approx(wanted, rel=0.05), hz


def test_octaves_of_noise_add_up_to_white_noise() -> None:
    bands = octaves(RATE, RATE)
    assert float(bands.square().sum(2).sum(0).mean()) == pytest.approx(1.0, abs=0.05)
    across = bands.flatten(1) @ bands.flatten(1).T
    far = torch.triu(across, diagonal=2)
    assert far.abs().max() < 1e-3


def test_an_octave_follows_its_gain() -> None:
    flat = {f"decay_{hz}_s": 1.0 for hz in (125, 250, 500, 1000, 2000, 4000, 8000)}
    loud = response(NoiseReverb(RATE, mix=1.0, **flat), 1.0)
    raised = response(NoiseReverb(RATE, mix=1.0, gain_1000_db=10.0, **flat), 1.0)
    power = [torch.fft.rfft(y).abs().square().sum(0) for y in (loud, raised)]
    for hz, expected in ((1_000, 10.0), (250, 0.0), (4_000, 0.0)):
        near = slice(int(hz * 0.9), int(hz * 1.1))  # bins of one hertz
        found = 10 * math.log10(float(power[1][near].sum() / power[0][near].sum()))
        assert found == pytest.approx(expected, abs=0.1), hz


def test_a_decay_that_moves_is_the_rate_at_which_the_room_empties() -> None:
    """A click, and decays that change from 2 s to 0.5 s after half a second."""
    names = [f"decay_{hz}_s" for hz in (125, 250, 500, 1000, 2000, 4000, 8000)]
    moving = torch.full((1, 2 * RATE), 2.0, dtype=torch.float64)
    moving[:, RATE // 2 :] = 0.5
    room = NoiseReverb(RATE, length="2_s", mix=1.0)
    x = torch.zeros(1, 2, 2 * RATE, dtype=torch.float64)
    x[..., 0] = 1.0
    y = room(x, **dict.fromkeys(names, moving))[0]
    still = room(x, **dict.fromkeys(names, 2.0))[0]
    torch.testing.assert_close(y[:, : RATE // 2], still[:, : RATE // 2])
    quarters = y.square().sum(0)[RATE // 2 : RATE].unflatten(-1, (2, RATE // 4)).sum(-1)
    fall = 10 * math.log10(float(quarters[1] / quarters[0]))
    assert fall == pytest.approx(-60 * 0.25 / 0.5, abs=1.0)


@pytest.mark.parametrize("room", [0.2, 0.5, 0.8])
def test_freeverb_decays_by_its_formula(room: float) -> None:
    """Each comb falls by 20 log10(feedback) dB a pass; the mean of their energies is what rings."""
    effect = Freeverb(RATE, room=room, damping=0.0, mix=1.0)
    seconds = 1.5 * effect.decay_seconds()
    time = np.arange(int(seconds * RATE)) / RATE
    lengths = np.array([side[:8] for side in effect._sides()]).ravel() / RATE
    fall = 20 * math.log10(0.7 + 0.28 * room) / lengths
    energy = (10 ** (fall[:, None] * time / 10) / lengths[:, None]).sum(0)
    left = np.cumsum(energy[::-1])[::-1]
    level = 10 * np.log10(left / left[0] + 1e-30)
    fit = (level < -5) & (level > -35)
    expected = -60 / np.polyfit(time[fit], level[fit], 1)[0]
    found = decay_s(response(effect, seconds), 1_000.0)
    print(f"room {room}: {found:.3f} s, formula {expected:.3f} s")
    assert found == pytest.approx(expected, rel=0.05)


def test_freeverb_is_the_published_difference_equation() -> None:
    """One comb and one all-pass written out; the first echo of the left side among them."""
    effect = Freeverb(44_100, room=0.5, damping=0.5, width=1.0, mix=1.0)
    x = torch.zeros(1, 2, 5_000, dtype=torch.float64)
    x[..., 0] = 0.5
    found = effect(x)[0, 0].numpy()
    total = np.zeros(5_000)
    for n in (1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617):
        line, store = np.zeros(n), 0.0
        for t in range(5_000):
            out = line[t % n]
            store = out * 0.8 + store * 0.2
            line[t % n] = (0.015 if t == 0 else 0.0) + store * 0.84
            total[t] += out
    for n in (556, 441, 341, 225):
        line = np.zeros(n)
        for t in range(5_000):
            kept, into = line[t % n], total[t]
            line[t % n] = into + 0.5 * kept
            total[t] = kept - into
    assert abs(found - 3 * total).max() < 1e-12


@pytest.mark.parametrize("decay", [2.0, 4.0, 8.0])
def test_the_plate_decays_in_its_time(decay: float) -> None:
    plate = Plate(RATE, decay_s=decay, damping_hz=10_000.0, mod_depth_ms=0.0, mix=1.0)
    found = decay_s(response(plate, 1.2 * decay), 250.0)
    print(f"{found:.3f} s for {decay} s")
    assert found == pytest.approx(decay, rel=0.05)


def test_a_plate_has_two_unlike_sides_and_highs_end_sooner() -> None:
    y = response(Plate(RATE, decay_s=2.0, damping_hz=2_000.0, mix=1.0), 2.0)
    likeness = (y[0] * y[1]).sum() / (y[0].norm() * y[1].norm())
    assert abs(float(likeness)) < 0.3
    assert decay_s(y, 6_000.0) < 0.7 * decay_s(y, 250.0)


def test_a_response_from_a_file_is_what_a_click_leaves(tmp_path: Path) -> None:
    h = 0.1 * torch.randn(2, 700, generator=torch.Generator().manual_seed(0))
    files.write(tmp_path / "room.wav", h, RATE, "FLOAT")
    y = response(ConvolutionReverb(RATE, file=tmp_path / "room.wav", mix=1.0), 0.1)
    torch.testing.assert_close(y[:, :700], h.double())
    assert y[:, 700:].abs().max() < 1e-12
    files.write(tmp_path / "fast.wav", torch.ones(1, 2_000) / 2_000, 2 * RATE, "FLOAT")
    slow = ConvolutionReverb(RATE, file=tmp_path / "fast.wav", mix=1.0)
    assert float(response(slow, 0.1)[0].sum()) == pytest.approx(1.0, rel=0.01)


def test_a_preset_names_a_file_relative_to_itself(tmp_path: Path) -> None:
    (tmp_path / "rooms").mkdir()
    files.write(tmp_path / "rooms" / "a.wav", torch.ones(1, 10) / 10, RATE, "FLOAT")
    chain = dspcore.Chain([ConvolutionReverb(RATE, file=str(tmp_path / "rooms" / "a.wav"))])
    dspcore.save_preset(chain, tmp_path / "chain.toml")
    assert 'file = "rooms/a.wav"' in (tmp_path / "chain.toml").read_text()
    again = dspcore.load_preset(tmp_path / "chain.toml", RATE)
    x = torch.randn(1, 2, 100, dtype=torch.float64)
    torch.testing.assert_close(again(x), chain(x))
    (tmp_path / "rooms" / "a.wav").unlink()
    with pytest.raises(UserError, match=r"effect 1 \(convolution_reverb\): .*a\.wav"):
        dspcore.load_preset(tmp_path / "chain.toml", RATE)


def test_a_response_is_learned_and_then_saved(tmp_path: Path) -> None:
    wanted = torch.tensor([0.5, 0.0, -0.25, 0.0, 0.1])
    learned = nn.Parameter(torch.zeros(5))
    room = ConvolutionReverb(RATE, response=learned, mix=1.0)
    assert [p for p in room.parameters()] == [learned]
    x = torch.randn(1, 1, 500, generator=torch.Generator().manual_seed(0))
    target = ConvolutionReverb(RATE, response=wanted, mix=1.0)(x)
    optimizer = torch.optim.Adam(room.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        (room(x) - target).square().mean().backward()
        optimizer.step()
    assert (learned - wanted).abs().max() < 1e-3
    with pytest.raises(UserError, match=r"convolution_reverb: .*save_response\(path\)"):
        dspcore.save_preset(dspcore.Chain([room]), tmp_path / "chain.toml")
    room.save_response(tmp_path / "room.wav")
    dspcore.save_preset(dspcore.Chain([room]), tmp_path / "chain.toml")
    again = dspcore.load_preset(tmp_path / "chain.toml", RATE)
    torch.testing.assert_close(again(x), room(x))
    torch.testing.assert_close(room.with_values(mix=1.0)(x), room(x))


def test_what_is_wrong_with_a_response_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"response must have one or two channels, got 3"):
        ConvolutionReverb(RATE, response=torch.ones(3, 10))
    with pytest.raises(UserError, match=r"nowhere\.wav"):
        Cabinet(RATE, file=str(tmp_path / "nowhere.wav"))
    with pytest.raises(TypeError, match="file must be a path, got 3"):
        Cabinet(RATE, file=3)


@pytest.mark.parametrize("model", Cabinet.choices["model"].words)
def test_a_cabinet_is_a_speaker(model: str) -> None:
    """Nothing much below 40 Hz and above 9 kHz, most of it where the cone breaks up."""
    h = Cabinet(48_000, model=model).response()
    gain = 20 * torch.log10(torch.fft.rfft(h, 48_000).abs())
    assert float(gain[20]) < -15
    assert float(gain[9_000]) < -15
    peak = int(gain.argmax())
    assert 1_500 < peak < 5_000
    assert abs(float(gain[1_000])) < 6


@pytest.mark.parametrize("kind", [Freeverb, Reverb])
def test_a_room_in_pieces_is_the_room(kind: type[Effect]) -> None:
    """Where no gradient is wanted a long sound is worked on in pieces, moving settings with it."""
    assert kind.piece is not None
    effect = kind(RATE)
    sound = torch.randn(1, 2, 5 * kind.piece // 2, dtype=torch.float64)
    mix = torch.linspace(0, 1, sound.shape[2], dtype=torch.float64)[None]
    whole = effect(sound.clone().requires_grad_(), mix=mix).detach()
    torch.testing.assert_close(effect(sound, mix=mix), whole)
