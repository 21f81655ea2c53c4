"""The spectrogram: its bands, its floor, and where a sine shows."""

from __future__ import annotations

import numpy as np
import pytest

from dspcore.errors import UserError
from dspcore.patches import LogMel


def test_bands_add_up_to_one_and_reach_nyquist() -> None:
    weights = LogMel(22_050).weights()
    np.testing.assert_allclose(weights.sum(1), 1.0)
    assert weights.shape == (64, 513)
    assert weights[:, 2:-1].any(0).all()  # no bin between 30 Hz and Nyquist goes unheard


def test_silence_is_the_floor_and_a_sine_is_in_its_band() -> None:
    heard = LogMel(22_050)
    assert (heard(np.zeros((2, 4_096))) == -70.0).all()
    sine = np.sin(2 * np.pi * 1_000 * np.arange(22_050) / 22_050)
    spectrum = heard(sine)
    assert spectrum.shape == (heard.frames(22_050), 64)
    hz = np.fft.rfftfreq(1_024, 1 / 22_050)
    centre = heard.weights()[spectrum.mean(0).argmax()] @ hz
    assert abs(centre - 1_000) < 60


def test_power_is_that_of_the_definition() -> None:
    heard = LogMel(8_000, size=64, hop=16, bands=5, low_hz=30.0)
    x = np.random.default_rng(0).standard_normal(200)
    window = np.hanning(65)[:-1]
    frame = np.abs(np.fft.rfft(x[32:96] * window)) ** 2
    np.testing.assert_allclose(
        heard(x)[2], 10 * np.log10(heard.weights() @ frame + 1e-7), atol=1e-4
    )


def test_names_tell_settings_apart() -> None:
    assert LogMel(22_050).fingerprint == LogMel(22_050, 1_024).fingerprint
    assert LogMel(22_050).fingerprint != LogMel(22_050, hop=256).fingerprint
    with pytest.raises(UserError, match="low_hz"):
        LogMel(8_000, low_hz=5_000)
