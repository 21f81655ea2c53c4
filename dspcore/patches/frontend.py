"""Spectrograms that estimators hear, and distances are taken of: log-mel, named and hashed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspcore.errors import UserError


@dataclass(frozen=True)
class LogMel:
    """Power of `bands` triangular mel bands in dB: ``10 log10(mel |STFT|^2 + floor)``.

    Frames begin at 0, `hop` apart, and lie within the sound (none is padded), Hann window. Bands
    are evenly spaced in mel = 2595 log10(1 + f/700) from `low_hz` to Nyquist, and their weights add
    up to 1. The defaults are the distance of the benchmark Faust-24.

    Args:
        sample_rate: In Hz.
        size: Samples of a frame.
        hop: Between two frames.
        bands: How many.
        low_hz: Where the lowest begins.
        floor: Power that is added before the logarithm.
    """

    sample_rate: int
    size: int = 1_024
    hop: int = 512
    bands: int = 64
    low_hz: float = 30.0
    floor: float = 1e-7

    def __post_init__(self) -> None:
        if not 0 <= self.low_hz < self.sample_rate / 2:
            raise UserError(
                f"log-mel: low_hz must be 0 to below {self.sample_rate / 2:g}, got {self.low_hz}"
            )
        if min(self.size, self.hop, self.bands) < 1 or self.floor <= 0:
            raise UserError("log-mel: size, hop, bands and floor must be above 0")

    @property
    def fingerprint(self) -> str:
        """A name for these settings."""
        text = json.dumps([type(self).__name__, 1, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def frames(self, samples: int) -> int:
        """How many frames a sound of so many samples has; a shorter one is padded to one."""
        return 1 + max(0, samples - self.size) // self.hop

    def weights(self) -> NDArray[np.float64]:
        """The bands' weights, (bands, size // 2 + 1)."""
        return _bands(self.sample_rate, self.size, self.bands, self.low_hz)

    def __call__(self, audio: NDArray[Any]) -> NDArray[np.float32]:
        """Audio (..., t) to dB (..., frames, bands), float32."""
        sound = np.asarray(audio, np.float64)
        short = self.size - sound.shape[-1]
        if short > 0:
            sound = np.pad(sound, [(0, 0)] * (sound.ndim - 1) + [(0, short)])
        frames = np.lib.stride_tricks.sliding_window_view(sound, self.size, -1)
        frames = frames[..., :: self.hop, :]
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.size) / self.size)
        power = np.abs(np.fft.rfft(frames * window)) ** 2
        return (10 * np.log10(power @ self.weights().T + self.floor)).astype(np.float32)


@lru_cache(maxsize=32)
def _bands(sample_rate: int, size: int, bands: int, low_hz: float) -> NDArray[np.float64]:
    def mel(hz: Any) -> Any:
        return 2595 * np.log10(1 + np.asarray(hz) / 700)

    places = np.linspace(mel(low_hz), mel(sample_rate / 2), bands + 2)
    edges = 700 * (10 ** (places / 2595) - 1)
    hz = np.fft.rfftfreq(size, 1 / sample_rate)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (hz - low) / (middle - low), (high - hz) / (high - middle)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    for row in np.flatnonzero(weights.sum(1) == 0):  # narrower than a bin: the nearest one
        weights[row, np.abs(hz - middle[row, 0]).argmin()] = 1.0
    return np.asarray(weights / weights.sum(1, keepdims=True))
