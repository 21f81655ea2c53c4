"""Near copies: the same sound at another level, rate or format, found by its log-mel picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

#: The picture: mel bands by steps of time, up to so many seconds and Hz.
BANDS = 24
STEPS = 24
SECONDS = 4.0
TOP_HZ = 3_800.0

#: Pictures whose cosine is above it, of sounds about equally long, are of the same sound.
SAME = 0.995
LENGTHS = 0.03


def picture(path: Path) -> NDArray[np.float32]:
    """A unit vector that shows how a sound's spectrum goes, whatever its level and rate.

    Only what every usual rate holds counts (below 3.8 kHz), over the first four seconds.
    """
    with soundfile.SoundFile(path) as file:
        rate = int(file.samplerate)
        heard = file.read(int(SECONDS * rate), dtype="float32", always_2d=True).mean(1)
    return picture_of(heard, rate)


def picture_of(heard: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """`picture` of a sound (t,) at a rate in Hz, of which the first four seconds count."""
    heard = heard[: int(SECONDS * rate)]
    size = 1 << int(np.ceil(np.log2(0.03 * rate)))
    hop = max(1, -(-max(1, len(heard) - size) // (STEPS - 1)))
    heard = np.pad(heard, (0, max(0, (STEPS - 1) * hop + size - len(heard))))
    frames = np.lib.stride_tricks.sliding_window_view(heard, size)[::hop][:STEPS]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)))
    mel = power @ _bands(size, rate).T
    log = np.log10(mel / (mel.max() + 1e-20) + 1e-6).ravel()
    log = log - log.mean()
    return np.asarray(log / (np.linalg.norm(log) + 1e-12), np.float32)


def near_copies(
    pictures: NDArray[np.float32], seconds: Sequence[float], same: float = SAME
) -> list[list[int]]:
    """Sets of rows that show the same sound, each set sorted, two rows or more in it.

    Args:
        pictures: (n, BANDS * STEPS), of `picture`.
        seconds: How long each sound is.
        same: The least cosine.
    """
    parent = list(range(len(pictures)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    lengths = np.asarray(seconds)
    for start in range(0, len(pictures), 1024):
        block = pictures[start : start + 1024]
        ii, jj = np.nonzero(block @ pictures.T >= same)
        for i, j in zip((ii + start).tolist(), jj.tolist(), strict=True):
            longer = max(lengths[i], lengths[j])
            if i < j and abs(lengths[i] - lengths[j]) <= max(LENGTHS * longer, 0.01):
                parent[max(root(i), root(j))] = min(root(i), root(j))
    return sets(root(i) for i in range(len(pictures)))


def sets(roots: Iterable[object]) -> list[list[int]]:
    """Indices with equal roots, where there are two or more."""
    found: dict[object, list[int]] = {}
    for i, name in enumerate(roots):
        found.setdefault(name, []).append(i)
    return [indices for indices in found.values() if len(indices) > 1]


def _bands(size: int, rate: int) -> NDArray[np.float64]:
    """Triangles evenly spaced on the mel scale, (BANDS, bins)."""
    top = 2595 * np.log10(1 + TOP_HZ / 700)
    corners = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    hz = np.fft.rfftfreq(size, 1 / rate)
    low, mid, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    return np.clip(np.minimum((hz - low) / (mid - low), (high - hz) / (high - mid)), 0, None)
