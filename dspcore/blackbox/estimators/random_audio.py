"""The gradient of the audio by random signs: right in the mean, and noisy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dspcore.blackbox.estimators.space import Array


@dataclass(frozen=True)
class RandomAudio:
    """``delta <slope, y(x + e delta) - y(x - e delta)> / 2e`` over random signs, averaged.

    Unbiased for any plug-in, but every sample of the input is a parameter: k pairs over n samples
    have a cosine of about ``sqrt(k/n)``. What it is good for is the mean over very many steps.

    Args:
        pairs: Draws to average.
        step: e, as an amplitude.
    """

    pairs: int = 4
    step: float = 1e-3

    def probes(self, audio: Array, rng: np.random.Generator) -> Array:
        """First all with the signs, then all with the opposite ones."""
        signs = self.step * rng.choice([-1.0, 1.0], (self.pairs, *audio.shape))
        return np.concatenate([audio + signs, audio - signs])

    def gradient(self, audio: Array, probes: Array, outputs: Array, slope: Array) -> Array:
        """The mean over the pairs of which both were rendered."""
        rises = np.einsum("moc,oc->m", outputs[: self.pairs] - outputs[self.pairs :], slope)
        good = np.isfinite(rises)
        if not good.any():
            return np.zeros_like(audio)
        signs = (probes[: self.pairs] - probes[self.pairs :]) / (2 * self.step)
        weights = np.where(good, rises, 0.0) / (2 * self.step * good.sum())
        return np.tensordot(weights, signs, axes=1)
