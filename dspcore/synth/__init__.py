"""Instruments and their parts: oscillators, noise, envelopes, voices; exact, differentiable."""

from __future__ import annotations

from dspcore.errors import UserError, nearest
from dspcore.notes import Note
from dspcore.synth.controls import (
    ControlUpsample,
    exp_sigmoid,
    frequencies_sigmoid,
    normalize_harmonics,
    remove_above_nyquist,
)
from dspcore.synth.envelopes import ADSR, Envelope, adsr, envelope
from dspcore.synth.fm import ALGORITHMS, FM, FMOperator, FMSynth
from dspcore.synth.harmonic import HarmonicOscillator, SinusoidalBank
from dspcore.synth.lfo import LFO, lfo
from dspcore.synth.noises import FilteredNoise, NoiseGenerator
from dspcore.synth.subtractive import Subtractive
from dspcore.synth.synth import NoteStream, Synth
from dspcore.synth.voices import Voices, VoiceSynth
from dspcore.synth.waves import (
    PulseOscillator,
    SawOscillator,
    SquareOscillator,
    TriangleOscillator,
    WavetableOscillator,
)

__all__ = [
    "ADSR",
    "ALGORITHMS",
    "FM",
    "LFO",
    "ControlUpsample",
    "Envelope",
    "FMOperator",
    "FMSynth",
    "FilteredNoise",
    "HarmonicOscillator",
    "NoiseGenerator",
    "Note",
    "NoteStream",
    "PulseOscillator",
    "SawOscillator",
    "SinusoidalBank",
    "SquareOscillator",
    "Subtractive",
    "Synth",
    "TriangleOscillator",
    "VoiceSynth",
    "Voices",
    "WavetableOscillator",
    "adsr",
    "by_name",
    "envelope",
    "exp_sigmoid",
    "frequencies_sigmoid",
    "lfo",
    "names",
    "normalize_harmonics",
    "remove_above_nyquist",
]


def names() -> dict[str, type[Synth]]:
    """Every instrument in the list above by the name that presets and the command line use."""
    listed = (globals()[name] for name in __all__)
    types = [item for item in listed if isinstance(item, type) and issubclass(item, Synth)]
    return {item.name: item for item in types if item not in (Synth, VoiceSynth)}


def by_name(name: str) -> type[Synth]:
    """The instrument with that name or alias; `UserError` with the nearest ones if none has."""
    known = names()
    for item in known.values():
        if name in (item.name, *item.aliases):
            return item
    raise UserError(f"unknown instrument {name!r}; {nearest(name, known)}")
