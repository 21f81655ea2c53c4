"""Where the suggestions of moving effects look, they find what moves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dspcore import Chain
from dspcore.effects import (
    AutoPan,
    Bitcrusher,
    Chorus,
    CombFilter,
    Effect,
    Flanger,
    MultiTapDelay,
    Phaser,
    RingModulator,
    RotarySpeaker,
    Tremolo,
    Vibrato,
)
from dspcore.match import match

RATE = 16_000


def noise(seconds: float = 3.0, channels: int = 2) -> Tensor:
    """Coloured noise whose level wanders."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(channels, int(seconds * RATE), generator=generator)
    level = 0.2 + torch.rand(1, 60, generator=generator)
    spread = torch.nn.functional.interpolate(level[None], x.shape[1], mode="linear")[0]
    return (x + x.roll(1, 1)) * spread * 0.1


def suggested(effect: Effect, dry: Tensor) -> list[dict[str, float]]:
    return effect.suggest(dry, effect(dry[None])[0])


@pytest.mark.parametrize(("kind", "depth"), [(Tremolo, 0.4), (AutoPan, 0.7)])
@pytest.mark.parametrize(("rate_hz", "phase"), [(1.3, 0.8), (7.0, 0.1)])
def test_a_swinging_level_shows_its_rate_and_phase(
    kind: type[Effect], depth: float, rate_hz: float, phase: float
) -> None:
    first = suggested(kind(RATE, rate_hz=rate_hz, depth=depth, phase=phase), noise())[0]
    assert first["rate_hz"] == pytest.approx(rate_hz, abs=0.06)
    assert abs((first["phase"] - phase + 0.5) % 1 - 0.5) < 0.12


def test_a_swinging_pitch_shows_its_rate_and_phase() -> None:
    first = suggested(Vibrato(RATE, rate_hz=4.4, depth_cents=40.0, phase=0.3), noise())[0]
    assert first["rate_hz"] == pytest.approx(4.4, abs=0.06)
    assert abs(first["phase"] - 0.3) < 0.12


def test_a_product_shows_its_carrier() -> None:
    effect = RingModulator(RATE, frequency_hz=432.1, phase=-0.4, mix=0.7)
    first = suggested(effect, noise())[0]
    assert first["frequency_hz"] == pytest.approx(432.1, abs=0.05)
    assert first["phase"] == pytest.approx(-0.4, abs=0.1)


@pytest.mark.parametrize(
    "effect",
    [
        Phaser(RATE, rate_hz=2.3, depth=1.5),
        Flanger(RATE, rate_hz=2.3, depth_ms=1.0),
    ],
    ids=lambda effect: effect.name,
)
def test_a_swinging_response_shows_its_rate(effect: Effect) -> None:
    offers = suggested(effect, noise())
    nearest = min(abs(offer["rate_hz"] - 2.3) for offer in offers)
    assert nearest < 0.1


@pytest.mark.parametrize("mode", Flanger.choices["mode"].words)
def test_a_flanger_shows_its_whole_sweep(mode: str) -> None:
    effect = Flanger(RATE, mode=mode, rate_hz=0.9, delay_ms=0.8, depth_ms=1.6, phase=0.2)
    first = suggested(effect, noise(1.5))[0]
    wanted = {"rate_hz": 0.9, "phase": 0.2, "delay_ms": 0.8, "depth_ms": 1.6}
    assert first == pytest.approx(wanted, rel=0.1, abs=0.05)


def test_a_chorus_shows_its_whole_sweep() -> None:
    """Its three voices look alike a third of a cycle on."""
    effect = Chorus(RATE, rate_hz=1.6, delay_ms=8.0, depth_ms=3.0, phase=0.1, mix=0.7)
    offers = suggested(effect, noise(2.0))
    wanted = {"rate_hz": 1.6, "phase": 0.1, "delay_ms": 8.0, "depth_ms": 3.0}
    near = pytest.approx(wanted, rel=0.15, abs=0.05)
    assert any(effect.canonical(offer) == near for offer in offers[:6])


def test_a_rotary_speaker_shows_a_rotor() -> None:
    effect = RotarySpeaker(RATE, horn_rate_hz=6.0, drum_rate_hz=3.1)
    offers = suggested(effect, noise())
    assert min(abs(offer["horn_rate_hz"] - 6.0) for offer in offers) < 0.1


def test_a_comb_shows_its_frequency() -> None:
    offers = suggested(CombFilter(RATE, frequency_hz=311.0, feedback=0.6), noise())
    assert (
        min(abs(offer["frequency_hz"] / 311.0 - 1) for offer in offers) < 3e-3
    )  # an eighth of a sample


def test_taps_show_their_times_levels_and_sides() -> None:
    """Of echoes between samples, the faintest 21 dB below the first."""
    hidden = {
        "mix": 0.5,
        "tap_1_time_ms": 98.213,
        "tap_2_time_ms": 251.6,
        "tap_2_pan": 0.2,
        "tap_3_time_ms": 305.07,
        "tap_4_time_ms": 611.93,
        "tap_4_gain_db": -24.0,
    }
    whole, times = suggested(MultiTapDelay(RATE, **hidden), noise())
    assert whole == pytest.approx({**MultiTapDelay(RATE).values, **hidden}, abs=0.01)
    assert times == {name: value for name, value in whole.items() if name.endswith("time_ms")}


@pytest.mark.parametrize(
    ("bits", "hold_samples", "mix"), [(10.963, 2.5279, 0.9515), (5.0, 7.3, 1.0), (13.2, 31.7, 0.4)]
)
def test_a_bit_crusher_shows_its_steps(bits: float, hold_samples: float, mix: float) -> None:
    effect = Bitcrusher(RATE, bits=bits, hold_samples=hold_samples, mix=mix)
    (offer,) = suggested(effect, noise())
    assert offer["mix"] == pytest.approx(mix, abs=1e-4)
    assert offer["hold_samples"] == pytest.approx(hold_samples, rel=3e-6)
    assert offer["bits"] == pytest.approx(bits, abs=1e-3)


def test_silence_suggests_nothing_wrong() -> None:
    short, silent = noise(0.01), torch.zeros(2, 8_000)
    for kind in (Tremolo, AutoPan, Vibrato, RingModulator, Phaser, MultiTapDelay, Bitcrusher):
        for sound in (short, silent):
            for offer in kind(RATE).suggest(sound, sound):
                assert all(value == value for value in offer.values())


def test_a_search_hears_the_silence_before_a_swinging_sound() -> None:
    """What it listened to would otherwise begin elsewhere in the cycle."""
    dry = torch.cat([torch.zeros(2, 3_000), noise(0.5)], 1)
    effect = Tremolo(RATE, rate_hz=6.0, depth=0.8, phase=0.3)
    found = match(
        dry,
        effect(dry[None])[0],
        Chain([effect.with_values(phase=0.0)]),
        fixed=["tremolo.rate_hz", "tremolo.depth"],
        guesses=8,
        descents=1,
        descent_steps=5,
        refinements=1,
        hops=0,
        refine_steps=12,
    )
    assert found.values["tremolo.phase"] == pytest.approx(0.3, abs=1e-4)
