"""All effects in a few chains, as plug-ins in every host; `bench.export` writes the table."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import dspcore
from bench import export_everywhere as everywhere
from bench.export_loads import loads
from dspcore import Chain, effects
from dspcore.effects import Effect

PACKS = {
    "Pack1": ("gain", "parametric_eq", "compressor", "delay", "reverb"),
    "Pack2": ("dc_blocker", "graphic_eq", "distortion", "chorus", "widener"),
    "Pack3": ("tilt_eq", "multiband_compressor", "flanger", "multi_tap_delay", "balance"),
    "Pack4": ("state_variable_filter", "expander", "phaser", "plate", "auto_pan"),
    "Pack5": ("ladder_filter", "transient_shaper", "vibrato", "freeverb", "blend", "mid_side"),
    "Pack6": ("formant_filter", "de_esser", "comb_filter", "rotary_speaker", "limiter"),
    "Pack7": ("gate", "graphic_eq31", "ring_modulator", "convolution_reverb", "polarity"),
    "Pack8": ("crossover", "bitcrusher", "tremolo", "cabinet", "noise_reverb", "panner"),
}
SOUND = "loop_amen"
LOADS = ["load", "in silence", "of denormals"]
HEAD = ["chain", "effects", "least heard", *everywhere.HEAD, *LOADS]
SAID = f"""\
Every effect in a chain with others, exported and loaded back in every format and host: the
greatest difference to the Python chain in float64 over the peak, the worst of blocks of 1, 64, 441
and 4096 samples at 44.1, 48 and 96 kHz each, on {everywhere.SAMPLES} samples of `{SOUND}.flac`.
Settings are drawn from the middle half of their ranges; all parameters are automated to others
after {everywhere.CHANGES[0]} samples and to others again after {everywhere.CHANGES[1]}. What hosts
are told is float32, and so is what Python is given then. Least heard: the effect without which the
chain's sound changes least, and how far that is from the chain's, over the peak at 48 kHz: a fault
of any effect is heard. Loads as above, medians of seven rounds in turn, while other work ran."""


def drawn(cls: type[Effect], seed: int) -> dict[str, float]:
    """Settings from the middle half of every range."""
    effect = cls(48_000)
    p = 0.25 + 0.5 * effect.random(1, torch.Generator().manual_seed(seed))
    return {name: float(value) for name, value in effect.denormalize(p).items()}


def packed(names: tuple[str, ...], seed: int) -> Chain:
    """They in a row with drawn settings."""
    return Chain([cls(48_000, **drawn(cls, seed)) for cls in map(effects.by_name, names)])


def row(name: str) -> list[str]:
    """One chain."""
    names = PACKS[name]
    chain, *changed = (packed(names, seed) for seed in (1, 2, 3))
    settings = [each.values for each in changed]
    sound, _ = dspcore.audio.read(everywhere.DATA / f"{SOUND}.flac")
    sound = sound.expand(2, -1) if sound.shape[0] == 1 else sound[:2]
    quietest, level = heard(names, sound[:, : everywhere.SAMPLES])
    with everywhere.exported(chain, name) as folder:
        found = everywhere.played(chain, folder, name, sound, settings)
        cost = loads(folder / f"lib{name.lower()}.so")
    return [", ".join(names), f"{quietest}, {level:.0f} dB", *found, *cost]


def heard(names: tuple[str, ...], sound: Tensor) -> tuple[str, float]:
    """The effect whose lack changes the sound least, and by how many dB of the peak."""
    with torch.no_grad():
        x = sound[None].double()
        whole = packed(names, 1)(x)[0].numpy()
        without: dict[str, NDArray[np.float64]] = {
            name: packed(tuple(n for n in names if n != name), 1)(x)[0].numpy() for name in names
        }
    found = {name: everywhere.distance_db(out, whole) for name, out in without.items()}
    quietest = min(found, key=lambda name: found[name])
    return quietest, found[quietest]
