"""The gradient of the audio through a plug-in that is a filter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from dspcore.blackbox.estimators.space import Array


@dataclass(frozen=True)
class LinearAudio:
    """Exact for linear effects that do not change over time: equalisers, delays, reverbs.

    Their response to an impulse says all: the gradient is the slope at the output filtered by it,
    backwards in time. One render for each input channel, and one of silence.

    Args:
        level: Of the impulse.
    """

    level: float = 0.25

    def probes(self, audio: Array, rng: np.random.Generator) -> Array:
        """Silence, then an impulse in each channel."""
        sounds = np.zeros((1 + len(audio), *audio.shape))
        sounds[np.arange(1, len(sounds)), np.arange(len(audio)), 0] = self.level
        return sounds

    def gradient(self, audio: Array, probes: Array, outputs: Array, slope: Array) -> Array:
        """Correlation of the slope with the responses."""
        responses = (outputs[1:] - outputs[0]) / self.level  # (inputs, outputs, t)
        if not np.isfinite(responses).all():
            return np.zeros_like(audio)
        return correlate(slope[None], responses).sum(1)


def correlate(slope: Array, responses: Array) -> Array:
    """``g[s] = sum_t slope[t] response[t - s]`` along the last axis, as long as `slope`."""
    samples = slope.shape[-1]
    size = next_fast_len(samples + responses.shape[-1])
    spectrum = rfft(slope, size) * np.conj(rfft(responses, size))
    return irfft(spectrum, size)[..., :samples]


def convolve(signal: Array, responses: Array) -> Array:
    """``y[t] = sum_s response[t - s] signal[s]`` along the last axis, as long as `signal`."""
    samples = signal.shape[-1]
    size = next_fast_len(samples + responses.shape[-1])
    return irfft(rfft(signal, size) * rfft(responses, size), size)[..., :samples]
