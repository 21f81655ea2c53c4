"""What the tests of exported racks share: the racks, the distance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dspcore import Chain, Graph, audio, effects, mix, send, synth
from dspcore.synth import VoiceSynth

NAME = "Test Chain"

#: Of the instruments.
VALUES = {
    "subtractive": {"noise": 0.3, "vibrato_cents": 40.0, "release_ms": 60.0, "lfo_octaves": 0.5},
    "fm": {"release_ms": 60.0, "vibrato_cents": 20.0, "feedback": 0.7},
}


def chain(sample_rate: int = 48_000) -> Chain:
    """What is exported: a delay line, loops, a look-ahead, a curve, moving gains.

    The sine's frequency is none that float32 has: a host that rounded it would be heard at -90 dB.
    """
    return Chain(
        [
            effects.ParametricEQ(sample_rate, low_cut_hz=60.0, peak_2_gain_db=5.0),
            effects.Compressor(sample_rate, threshold_db=-30.0, lookahead="1_ms"),
            effects.Delay(sample_rate, time_ms=37.0, mode="ping_pong"),
            effects.Reverb(sample_rate, decay_mid_s=0.7),
            effects.RingModulator(sample_rate, frequency_hz=4_000.1, mix=0.3),
        ]
    )


def write_room(path: Path) -> Path:
    """A recorded response, the same every time, at a rate of its own."""
    fall = torch.exp(-torch.arange(9_000) / 1_800)
    generator = torch.Generator().manual_seed(0)
    audio.write(path, 0.1 * fall * torch.randn(2, 9_000, generator=generator), 32_000)
    return path


def rooms(recorded: Path) -> Chain:
    """Three convolutions: with a file of the package, a recording, and moving noises."""
    return Chain(
        [
            effects.Cabinet(48_000, model="closed_back"),
            effects.ConvolutionReverb(48_000, file=str(recorded), mix=0.5),
            effects.NoiseReverb(48_000, length="0.5_s", mix=0.5),
        ]
    )


def instrument(name: str, rate: int = 48_000) -> VoiceSynth:
    """One of the synthesisers with `VALUES`."""
    made = synth.by_name(name)(rate, **VALUES[name])
    assert isinstance(made, VoiceSynth)
    return made


def ducked(rate: int = 48_000) -> Graph:
    """A compressor that hears another input."""
    graph = Graph(rate)
    graph.output = graph.add(
        effects.Compressor(rate, threshold_db=-40.0), graph.input, sidechain=graph.add_input("kick")
    )
    return graph


def wired(rate: int = 48_000) -> Graph:
    """Parallel paths of which one is late, a send at a level, a side-chain from within."""
    graph = Graph(rate)
    eq = graph.add(effects.ParametricEQ(rate, peak_1_gain_db=6.0), graph.input, name="eq")
    late = graph.add(effects.Compressor(rate, threshold_db=-30.0, lookahead="1_ms"), eq)
    echo = graph.add(effects.Delay(rate, time_ms=21.0, mix=1.0), send(eq, -12.0), name="echo")
    duck = graph.add(effects.Gate(rate, threshold_db=-25.0), echo, name="duck", sidechain=late)
    graph.output = mix(eq, late, send(duck, -3.0))
    return graph


def distance_db(got: NDArray[np.float32], wanted: NDArray[np.float64]) -> float:
    """The greatest difference, relative to the peak."""
    return float(20 * np.log10(np.abs(got - wanted).max() / np.abs(wanted).max() + 1e-30))
