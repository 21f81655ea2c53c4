"""A dry sound that needs no download, and settings to hide: what ``dspcore demo`` starts from."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dspcore import ops
from dspcore.audio import dbfs
from dspcore.chain import Chain
from dspcore.effects import Compressor, Delay, ParametricEQ

SAMPLE_RATE = 44_100
BPM = 174.0
PEAK = 0.5  # of the dry loop; a mix leaves room for what comes after it

# Hits in sixteenths of a bar, (step, velocity): a two-step, and its turn in every third bar.
_KICK = ([(0, 1.0), (10, 0.9)], [(0, 1.0), (3, 0.6), (10, 0.9)])
_SNARE = ([(4, 1.0), (12, 1.0), (7, 0.15)], [(4, 1.0), (12, 1.0), (9, 0.25), (15, 0.4)])
_HAT = [(step, 0.8 if step % 4 == 2 else 0.4) for step in range(0, 16, 2)] + [(11, 0.25)]
_BASS_HZ = ([55.0, 55.0, 55.0, 65.41], [55.0, 49.0, 55.0, 73.42], [43.65, 43.65, 49.0, 49.0])


def loop(seed: int = 0, bars: int = 3) -> Tensor:
    """A drum-and-bass loop at 174 bpm, (1, t) float32 at 44.1 kHz, peak at -6 dBFS.

    Args:
        seed: Of the noise in snare and hats, and of the bass's slow detuning.
        bars: 1.38 s each.
    """
    generator = torch.Generator().manual_seed(seed)
    step = SAMPLE_RATE * 60 / BPM / 4
    length = round(16 * bars * step)
    kick, snare, hat = _kick(), _snare(generator), _hat(generator)
    drums, kicks = torch.zeros(length), torch.zeros(length)
    for bar in range(bars):
        turn = bar % 3 == 2
        for sound, hits, target in (
            (kick, _KICK[turn], kicks),
            (snare, _SNARE[turn], drums),
            (hat, _HAT, drums),
        ):
            for place, velocity in hits:
                start = round((16 * bar + place) * step)
                end = min(length, start + len(sound))
                target[start:end] += velocity * sound[: end - start]
    # The bass makes way for the kick, as mixing engineers do it.
    room = 1 - 0.8 * _smooth((kicks.abs() > 0.1).float(), 0.004, 0.06)
    mix = 0.9 * kicks + 0.8 * drums + 0.42 * room * _bass(length, step, generator)
    return (PEAK / mix.abs().max() * mix)[None]


def hidden_chain(dry: Tensor, seed: int = 0) -> Chain:
    """Equaliser, compressor and delay with random settings that are clearly heard on `dry`, (c, t).

    Gains have both signs, the threshold lies within the sound, nothing exceeds full scale.
    """
    generator = torch.Generator().manual_seed(1_000_003 * seed + 1)

    def draw(low: float, high: float, log: bool = False) -> float:
        at = float(torch.rand((), generator=generator, dtype=torch.float64))
        value = low * (high / low) ** at if log else low + (high - low) * at
        return float(f"{value:.4g}")

    signs = torch.tensor([1, -1, 1, -1, 1, -1])[torch.randperm(6, generator=generator)].tolist()
    gains = [float(sign * draw(3.0, 10.0)) for sign in signs]
    bells = {}
    for i, (centre, gain) in enumerate(zip((200, 700, 2000, 6000), gains, strict=False), start=1):
        bells[f"peak_{i}_hz"] = draw(centre / 1.7, centre * 1.7, log=True)
        bells[f"peak_{i}_gain_db"] = gain
        bells[f"peak_{i}_q"] = draw(0.7, 3.0, log=True)
    eq = ParametricEQ(
        SAMPLE_RATE,
        low_cut_hz=draw(25, 45, log=True),
        low_shelf_hz=draw(70, 150, log=True),
        low_shelf_gain_db=gains[4],
        high_shelf_hz=draw(6_000, 11_000, log=True),
        high_shelf_gain_db=gains[5],
        high_cut_hz=draw(11_000, 17_000, log=True),
        **bells,
    )
    with torch.no_grad():
        loud = float(eq(dry[None]).abs().flatten().quantile(0.99))
    compressor = Compressor(
        SAMPLE_RATE,
        threshold_db=float(f"{max(-50.0, dbfs(loud) - draw(8, 16)):.4g}"),
        ratio=draw(3, 8, log=True),
        knee_db=draw(3, 10),
        attack_ms=draw(1, 20, log=True),
        release_ms=draw(40, 250, log=True),
        makeup_db=draw(2, 8),
        mix=draw(0.65, 0.95),
    )
    delay = Delay(
        SAMPLE_RATE,
        time_ms=draw(80, 400, log=True),
        feedback=draw(0.2, 0.5),
        low_cut_hz=draw(60, 300, log=True),
        high_cut_hz=draw(2_500, 8_000, log=True),
        mix=draw(0.2, 0.5),
    )
    chain = Chain([eq, compressor, delay])
    while True:
        with torch.no_grad():
            peak = float(chain(dry[None]).abs().max())
        if peak < 0.95 or compressor.makeup_db <= -10:
            return chain
        compressor.makeup_db = float(f"{compressor.makeup_db - 1:.4g}")


def _kick() -> Tensor:
    """A sine that falls from 160 to 48 Hz."""
    time = _time(0.32)
    hz = 48 + 112 * torch.exp(-time / 0.025)
    return _sine(hz, torch.exp(-time / 0.09)) * _edges(time)


def _snare(generator: torch.Generator) -> Tensor:
    """Noise around 2 kHz over a short tone."""
    time = _time(0.25)
    noise = _filtered(
        torch.randn(len(time), generator=generator),
        ops.design.bandpass(2_200.0, 0.6, SAMPLE_RATE),
    )
    tone = _sine(185 + 60 * torch.exp(-time / 0.01), torch.exp(-time / 0.05))
    return (0.9 * noise * torch.exp(-time / 0.06) + 0.5 * tone) * _edges(time)


def _hat(generator: torch.Generator) -> Tensor:
    """Noise above 8 kHz that is gone in no time."""
    time = _time(0.12)
    noise = torch.randn(len(time), generator=generator)
    bright = _filtered(noise, ops.design.highpass(8_000.0, 0.9, SAMPLE_RATE))
    return 0.35 * bright * torch.exp(-time / 0.022) * _edges(time)


def _bass(length: int, step: float, generator: torch.Generator) -> Tensor:
    """Three detuned saws that beat against each other, through a low-pass that opens and closes."""
    hop, partials = 64, 40
    frames = -(-length // hop) + 1
    notes = torch.tensor(_BASS_HZ, dtype=torch.float64).flatten()
    quarter = (torch.arange(frames) * hop / (4 * step)).long() % len(notes)
    hz = notes[quarter]
    detune = torch.tensor([-0.008, 0.0, 0.009], dtype=torch.float64)
    detune += 0.001 * torch.randn(3, generator=generator, dtype=torch.float64)
    order = torch.arange(1, partials + 1, dtype=torch.float64)
    frequencies = (1 + detune)[:, None, None] * order[:, None] * hz / SAMPLE_RATE
    amplitudes = (1 / order)[:, None].expand_as(frequencies).float()
    saws = ops.sinusoids(frequencies, amplitudes, length, hop=hop)[0].mean(0)
    time = torch.arange(length, dtype=torch.float64) / SAMPLE_RATE
    # Up and down once in two beats, over three octaves.
    turn = 0.5 - 0.5 * torch.cos(2 * math.pi * time * BPM / 120)
    sections = ops.design.lowpass(180 * 2 ** (3 * turn), 1.6, SAMPLE_RATE)  # (t, 6)
    return _filtered(saws, sections.mT[None, None, None])


def _time(seconds: float) -> Tensor:
    return torch.arange(round(seconds * SAMPLE_RATE), dtype=torch.float32) / SAMPLE_RATE


def _edges(time: Tensor) -> Tensor:
    """No click at either end: 0.5 ms in, 20 ms out."""
    return (time / 0.0005).clamp(max=1) * ((time[-1] - time) / 0.02).clamp(max=1)


def _sine(hz: Tensor, amplitude: Tensor) -> Tensor:
    turns = hz.double()[None, None] / SAMPLE_RATE
    return ops.sinusoids(turns, amplitude[None, None].float())[0][0]


def _filtered(sound: Tensor, sections: Tensor) -> Tensor:
    sos = sections[None] if sections.ndim == 1 else sections
    return ops.sosfilt(sound[None, None].float(), sos)[0][0, 0]


def _smooth(sound: Tensor, attack: float, release: float) -> Tensor:
    """Follow `sound` with time constants in seconds."""
    up, down = (1 - math.exp(-1 / (t * SAMPLE_RATE)) for t in (attack, release))
    return ops.envelope(sound[None, None], up, down)[0][0, 0]
