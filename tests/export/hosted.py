"""A plug-in in one of our hosts, with parameters changed in the middle; runs in a child process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox import hosts
from dspcore.notes import Note

#: What is changed in the middle, by the plug-in's symbol.
CHANGES = {"delay_time_ms": 52.0, "compressor_ratio": 9.0, "parametric_eq_peak_2_hz": 1_500.0,
           "reverb_mix": 0.6}  # fmt: skip


def sound(samples: int, channels: int = 2) -> NDArray[np.float32]:
    """Noise whose level swings, so that a compressor has work."""
    noise = np.random.default_rng(1).standard_normal((channels, samples))
    swing = 0.55 + 0.45 * np.sin(np.arange(samples) * 2e-3)
    return (0.3 * noise * swing).astype(np.float32)


def rendered(
    host: str, identity: str, values: dict[str, float], samples: int, size: int, change: int
) -> Any:
    """What the host says of it, its latency, and the sound with `CHANGES` from a block on."""
    audio = sound(samples)
    instance = hosts.get(host).open(identity, 48_000, size)
    blocks = -(-audio.shape[1] // size)
    names = list(values)
    settings = np.array([[value] * blocks for value in values.values()])
    for symbol, value in CHANGES.items():
        settings[names.index(symbol), change:] = value
    out = instance.render(audio, settings)
    info, late = instance.info, instance.latency()
    instance.close()
    return info, late, out


def played(
    host: str,
    identity: str,
    values: dict[str, float],
    changed: dict[str, float],
    notes: Sequence[Note],
    samples: int,
    size: int,
    change: int,
) -> Any:
    """What the host says of an instrument, and its sound with `changed` from a block on."""
    instance = hosts.get(host).open(identity, 48_000, size)
    blocks = -(-samples // size)
    settings = np.array([[value] * blocks for value in values.values()])
    for symbol, value in changed.items():
        settings[list(values).index(symbol), change:] = value
    out = instance.render(np.zeros((0, samples), np.float32), settings, notes)
    info = instance.info
    instance.close()
    return info, out
