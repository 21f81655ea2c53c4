"""What one audio file holds, measured block by block: levels, clipping, silence, bandwidth."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

#: Frames read at a time, and of one spectrum.
BLOCK = 1 << 16
SPECTRUM = 4096

#: So many equal samples in a row at the file's peak are a flat top, near full scale a clipped one.
FLAT_TOP = 3
NEAR_FULL_SCALE = 0.98

#: A sound has begun where it comes within so many dB of its peak.
ONSET_DB = -30.0


@dataclass(frozen=True)
class Facts:
    """Of one file; levels are linear with full scale at 1, over all channels."""

    sample_rate: int
    channels: int
    samples: int
    peak: float
    rms: float
    dc: float
    #: Samples that repeat the two before them near full scale: flat tops.
    clipped: int
    #: When the sound first comes within 30 dB of its peak, in seconds.
    onset_s: float
    #: The rate whose half the content ends at, where that is well below the file's own; else 0.
    likely_rate: int


def measured(path: Path) -> Facts:
    """Measure a file; memory does not grow with its length.

    Raises:
        ValueError: It has no samples, or NaN or infinite ones.
        soundfile.LibsndfileError: It cannot be read as audio.
    """
    with soundfile.SoundFile(path) as file:
        rate, channels = int(file.samplerate), int(file.channels)
        step = max(1, rate // 1000)  # a level for each millisecond
        size = BLOCK // step * step
        levels: list[NDArray[np.float32]] = []
        spectrum = np.zeros(SPECTRUM // 2 + 1)
        total = squares = 0.0
        samples = 0
        tops = _Tops(channels)
        while len(block := file.read(size, dtype="float32", always_2d=True)):
            if not np.isfinite(block).all():
                raise ValueError("NaN or infinite samples")
            samples += len(block)
            total += float(block.sum(dtype=np.float64))
            squares += float(np.square(block, dtype=np.float64).sum())
            size_now = -(-len(block) // step) * step
            loudest = np.pad(np.abs(block).max(1), (0, size_now - len(block)))
            levels.append(loudest.reshape(-1, step).max(1))
            spectrum += _power(block.mean(1))
            tops.add(block)
    if not samples:
        raise ValueError("no samples")
    level = np.concatenate(levels)
    peak = float(level.max())
    begun = level >= peak * 10 ** (ONSET_DB / 20)
    count = samples * channels
    return Facts(
        sample_rate=rate,
        channels=channels,
        samples=samples,
        peak=peak,
        rms=float(np.sqrt(squares / count)),
        dc=total / count,
        clipped=tops.found if peak >= NEAR_FULL_SCALE else 0,
        onset_s=round(float(begun.argmax()) * step / rate, 4) if peak else 0.0,
        likely_rate=_likely_rate(spectrum, rate),
    )


def content_rate(signal: NDArray[np.float32], rate: int) -> int:
    """The usual rate below `rate` that a sound (t,) was resampled from, or 0 where none shows."""
    return _likely_rate(_power(signal), rate)


def digest(path: Path) -> str:
    """SHA-1 of a file's bytes."""
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()


class _Tops:
    """Counts samples in flat tops, also those that cross the border of two blocks."""

    def __init__(self, channels: int) -> None:
        self.found = 0
        self._before = np.zeros((0, channels), np.float32)

    def add(self, block: NDArray[np.float32]) -> None:
        joined = np.concatenate([self._before, block])
        near = np.abs(joined) >= NEAR_FULL_SCALE
        same = near[1:] & near[:-1] & (joined[1:] == joined[:-1])
        # A sample is in a flat top where it ends FLAT_TOP equal ones.
        run = same[FLAT_TOP - 2 :].copy()
        for back in range(1, FLAT_TOP - 1):
            run &= same[FLAT_TOP - 2 - back : len(same) - back]
        self.found += int(run.sum())
        self._before = joined[-(FLAT_TOP - 1) :]


def _power(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    """The power spectrum summed over windows; a short signal is one padded window."""
    if len(signal) < SPECTRUM:
        signal = np.pad(signal, (0, SPECTRUM - len(signal)))
    frames = signal[: len(signal) // SPECTRUM * SPECTRUM].reshape(-1, SPECTRUM)
    return np.square(np.abs(np.fft.rfft(frames * np.hanning(SPECTRUM), axis=1))).sum(0)


#: Rates that recordings are kept at; content that ends at half of one came from there.
RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)

#: The content must fall by so much across that edge, a quarter of an octave, and stay so far under
#: the loudest bin: no natural slope is so steep.
EDGE_DB = 30.0
REST_DB = -65.0


def _likely_rate(spectrum: NDArray[np.float64], rate: int) -> int:
    """A rate from `RATES` below `rate` that the content was resampled from, or 0."""
    bins = np.arange(len(spectrum)) * rate / SPECTRUM
    top = spectrum.max()
    if top <= 0:
        return 0
    for older in RATES:
        edge = older / 2
        if edge > 0.45 * rate:
            break
        below = spectrum[(bins > 0.82 * edge) & (bins < 0.96 * edge)]
        beyond = spectrum[(bins > 1.05 * edge) & (bins < 1.2 * edge)]
        above = spectrum[bins > 1.05 * edge]
        if not len(below) or not len(beyond):
            continue
        fall = 10 * np.log10((np.median(below) + 1e-30) / (np.median(beyond) + 1e-30))
        rest = 10 * np.log10((above.max() + 1e-30) / top)
        if fall >= EDGE_DB and rest <= REST_DB:
            return older
    return 0
