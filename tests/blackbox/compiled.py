"""A function compiled by numba; workers import this file."""

from __future__ import annotations

import numpy as np
from numba import njit

from dspcore.blackbox import Parameter, function


@function(Parameter("gain", "Gain", 0.0, 1.0, 0.5), Parameter("pole", "Pole", 0.0, 0.99, 0.5))
@njit
def follower(audio, values, sample_rate):
    """``y[t] = (1 - pole) x[t] + pole y[t-1]``, then the gain."""
    gain, pole = values[0], values[1]
    out = np.empty_like(audio)
    for c in range(audio.shape[0]):
        y = 0.0
        for t in range(audio.shape[1]):
            y = pole * y + (1.0 - pole) * audio[c, t]
            out[c, t] = gain * y
    return out
