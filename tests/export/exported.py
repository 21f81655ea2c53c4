"""What the tests of exported chains share: the chain, the sound, the distance, a host."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dspcore import Chain, effects

NAME = "Test Chain"


def chain(sample_rate: int = 48_000) -> Chain:
    """What is exported: a delay line, loops, a look-ahead, a curve, moving gains."""
    return Chain(
        [
            effects.ParametricEQ(sample_rate, low_cut_hz=60.0, peak_2_gain_db=5.0),
            effects.Compressor(sample_rate, threshold_db=-30.0, lookahead="1_ms"),
            effects.Delay(sample_rate, time_ms=37.0, mode="ping_pong"),
            effects.Reverb(sample_rate, decay_mid_s=0.7),
        ]
    )


def distance_db(got: NDArray[np.float32], wanted: NDArray[np.float64]) -> float:
    """The greatest difference, relative to the peak."""
    return float(20 * np.log10(np.abs(got - wanted).max() / np.abs(wanted).max() + 1e-30))
