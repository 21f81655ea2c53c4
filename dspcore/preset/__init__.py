"""Chains, graphs and instruments as TOML files that a person can read and edit."""

from dspcore.preset.files import load_preset, parse_preset, preset_text, save_preset
from dspcore.preset.synths import load_synth, parse_synth, save_synth, synth_text

__all__ = [
    "load_preset",
    "load_synth",
    "parse_preset",
    "parse_synth",
    "preset_text",
    "save_preset",
    "save_synth",
    "synth_text",
]
