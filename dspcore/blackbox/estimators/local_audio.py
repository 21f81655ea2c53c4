"""The gradient of the audio through a plug-in whose action depends on the level of the moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.linalg import cho_factor, cho_solve

from dspcore.blackbox.estimators.linear_audio import convolve, correlate
from dspcore.blackbox.estimators.space import Array


@dataclass(frozen=True)
class LocalAudio:
    """A model of how small changes pass, fitted to what faint noise on top of the sound becomes.

    ``change of y = gain(t) * sum_b h_b * (hat_b(x) change of x)``: short filters h_b, each for the
    samples whose value is near one of a few levels, and a slow gain. It contains filters,
    distortions before a filter, tremolos, and of a compressor all but that the sound steers its own
    gain. The gradient is the model's adjoint. Fitted to one pair of renders.

    Args:
        step: Amplitude of the noise.
        length: Samples of the filters.
        levels: Number of hats over the range of the samples.
        frame: Samples over which the gain may change.
    """

    step: float = 2e-3
    length: int = 128
    levels: int = 8
    frame: int = 256

    def probes(self, audio: Array, rng: np.random.Generator) -> Array:
        """The sound with the noise, and with its opposite; its end stays as it was."""
        noise = self.step * rng.choice([-1.0, 1.0], audio.shape)
        noise[:, max(1, audio.shape[1] - self.length) :] = 0.0
        return np.stack([audio + noise, audio - noise])

    def gradient(self, audio: Array, probes: Array, outputs: Array, slope: Array) -> Array:
        """The adjoint of the fitted model on the slope."""
        change = (outputs[0] - outputs[1]) / (2 * self.step)
        if not np.isfinite(change).all():
            return np.zeros_like(audio)
        noise = (probes[0] - probes[1]) / (2 * self.step)
        hats = np.stack([self.hats(channel) for channel in audio])  # (c, b, t)
        moves = (hats * noise[:, None]).reshape(-1, audio.shape[1])  # (c b, t)
        found = np.zeros((len(moves), audio.shape[1]))
        for wanted, along in zip(change, slope, strict=True):
            filters, gain = self.fit(moves, wanted)
            found += correlate((gain * along)[None], filters)
        return (hats * found.reshape(hats.shape)).sum(1)

    def hats(self, channel: Array) -> Array:
        """How near each sample is to each level, (b, t); they add up to one."""
        shares = np.linspace(0.0, 1.0, self.levels)
        knots = np.unique(np.quantile(channel, shares))
        if len(knots) < 2 or knots[-1] - knots[0] < 1e-6:
            return np.ones((1, len(channel)))
        place = np.interp(channel, knots, np.arange(len(knots)))
        return np.maximum(0.0, 1.0 - np.abs(place - np.arange(len(knots))[:, None]))

    def fit(self, moves: Array, wanted: Array) -> tuple[Array, Array]:
        """Filters (n, length) and gain (t,) with ``gain * sum filters * moves`` near `wanted`."""
        length = min(self.length, len(wanted))
        gain = np.ones_like(wanted)
        size = next_fast_len(2 * len(wanted))
        spectra = rfft(moves, size)
        gram = _gram(spectra, size, length)
        gram[np.diag_indices_from(gram)] += 1e-9 * np.trace(gram) / len(gram) + 1e-30
        factor = cho_factor(gram, overwrite_a=True)
        for turn in range(3):
            heard = np.where(np.abs(gain) > 1e-3, wanted / np.where(gain == 0, 1.0, gain), 0.0)
            target = irfft(np.conj(spectra) * rfft(heard, size), size)[:, :length].ravel()
            filters = cho_solve(factor, target).reshape(-1, length)
            if turn == 2:
                break
            modelled = convolve(moves, filters).sum(0)
            left = np.square(wanted - gain * modelled).sum()
            if left <= 1e-10 * np.square(wanted).sum():
                break
            gain = self.slow(wanted * modelled) / (self.slow(modelled**2) + 1e-12)
            gain /= np.sqrt(np.mean(gain**2)) + 1e-12
        return filters, gain

    def slow(self, signal: Array) -> Array:
        """Means over frames, linear in between, (t,)."""
        count = max(1, len(signal) // self.frame)
        edges = np.linspace(0, len(signal), count + 1).astype(int)
        means = np.add.reduceat(signal, edges[:-1]) / np.diff(edges)
        return np.interp(np.arange(len(signal)), (edges[:-1] + edges[1:]) / 2, means)


def _gram(spectra: Array, size: int, length: int) -> Array:
    """Products of all moves with one another at all shifts below `length`, (n l, n l)."""
    count = len(spectra)
    lags = np.arange(length)[:, None] - np.arange(length)[None]
    gram = np.empty((count * length, count * length))
    for i in range(count):
        rows = slice(i * length, (i + 1) * length)
        for j in range(i, count):
            columns = slice(j * length, (j + 1) * length)
            # sum_t m_i[t - l] m_j[t - m] depends on l - m alone, as the moves end in silence.
            shifted = irfft(np.conj(spectra[i]) * spectra[j], size)
            gram[rows, columns] = shifted[lags % size]
            gram[columns, rows] = gram[rows, columns].T
    return gram
