"""What exported chains cost, as shares of one core."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import dspcore
from bench.export_everywhere import DATA
from dspcore.export.library import Library

ROUNDS = 7


def recording(samples: int) -> NDArray[np.float32]:
    """The start of a drum loop, stereo."""
    audio, _ = dspcore.audio.read(DATA / "loop_amen.flac")
    audio = audio.expand(2, -1) if audio.shape[0] == 1 else audio[:2]
    repeats = -(-samples // audio.shape[1])
    return audio.repeat(1, repeats)[:, :samples].contiguous().numpy()


def loads(library: Path, rounds: int = ROUNDS) -> list[str]:
    """Shares of one core at 48 kHz in blocks of 64: sound, silence after it, and denormals."""
    sound = np.ascontiguousarray(recording(2 * 48_000))
    silence = np.zeros_like(sound)
    noise = np.random.default_rng(0).standard_normal(sound.shape)
    kinds = (sound, silence, (1e-40 * noise).astype(np.float32))
    made = Library(library, 48_000)
    taken: list[list[float]] = [[] for _ in kinds]
    for _ in range(rounds):
        for heard, times in zip(kinds, taken, strict=True):
            begin = time.process_time()
            made.loop(heard, 64)
            times.append((time.process_time() - begin) / (heard.shape[1] / 48_000))
    return [f"{100 * float(np.median(times)):.2f} %" for times in taken]
