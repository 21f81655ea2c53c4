"""What the shared tests of effects need to know of some of them to be quick."""

from __future__ import annotations

import torch
from torch import Tensor

from dspcore.effects import Effect

# Parameters in [0, 1] by name, lowest and widest, that bring an echo back within a short signal.
_SHORT = {"time_ms": (0.1, 0.05)} | {
    f"tap_{i}_time_ms": (0.1 + 0.02 * i, 0.05) for i in (1, 2, 3, 4)
}

#: Samples of the gradient check, where an effect answers later than the others or has many
#: parameters; it gets one channel and a random projection instead of every entry.
LENGTHS = {
    "reverb": 120,
    "freeverb": 300,
    "plate": 260,
    "graphic_eq31": 24,
    "multiband_compressor": 24,
}

#: Effects that make two unlike channels of one, and take two at most.
MONO_TO_STEREO = {"reverb"}

#: Effects with a straight-through gradient, which is no derivative.
STRAIGHT_THROUGH = {"bitcrusher"}

#: Choices whose words differ by a number alone: these stand for all, the quickest to test first.
ENOUGH = {
    ("compressor", "lookahead"): ["off", "1_ms"],
    ("gate", "lookahead"): ["off", "1_ms"],
    ("limiter", "lookahead"): ["1_ms"],
    ("noise_reverb", "length"): ["0.5_s"],
}

#: The largest physical values where a test waits for the sound to end.
LONGEST = {
    "decay_low_s": 2.0,
    "decay_mid_s": 2.0,
    "decay_high_s": 2.0,
    "time_ms": 100.0,
    "resonance": 0.5,
    "room": 0.3,
    "decay_s": 3.0,
}


def short(kind: type[Effect], p: Tensor) -> Tensor:
    """The settings `p` (b, p) or (b, p, f) with every time short."""
    columns = list(p.unbind(1))
    for i, name in enumerate(kind.params):
        if name in _SHORT:
            low, width = _SHORT[name]
            columns[i] = low + width * columns[i]
    return torch.stack(columns, 1) if columns else p


def choices(kind: type[Effect]) -> list[dict[str, str]]:
    """The choices of one effect to be tested: every word of each, one choice at a time."""
    words = {n: ENOUGH.get((kind.name, n), item.words) for n, item in kind.choices.items()}
    usual = {
        n: item.default if item.default in words[n] else words[n][0]
        for n, item in kind.choices.items()
    }
    found = [usual]
    for name, every in words.items():
        found += [{**usual, name: word} for word in every if word != usual[name]]
    return found
