"""Distances of sounds: golden values, slow references, exactly 0 for the target itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.fft
import scipy.stats
import torch
from numpy.typing import NDArray

from dspcore.errors import UserError
from dspcore.patches import LogMel, metric, summary
from dspcore.patches.metrics import METRICS

RATE = 16_000


def sounds(seconds: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
    """Two chords with noise that no random generator has to agree on, (1, 1, t)."""
    t = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    noise = ((torch.arange(len(t)) * 7_919) % 10_007).double() / 10_007 - 0.5
    first = 0.3 * (2 * math.pi * 220 * t).sin() + 0.2 * (2 * math.pi * 1_330 * t).sin()
    second = 0.4 * (2 * math.pi * 247 * t).sin() * (-3 * t).exp() + 0.02 * noise
    return first[None, None], second[None, None]


#: Of `sounds`; another number here is another version of the metric.
GOLDEN = {
    "logmel": 37.3700409,
    "lsd": 36.1375437,
    "sc": 1.83102974,
    "mss": 31.3983034,
    "mss_mel": 16.852941,
    "mfccd": 51.8250415,
    "sot": 0.0932345823,
    "rms_cos": 0.0727471232,
    "lufs": 4.96027484,
}


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("name", METRICS)
def test_golden_value(name: str) -> None:
    found, wanted = sounds()
    assert METRICS[name].version == 1
    assert float(METRICS[name](found, wanted, RATE)) == pytest.approx(GOLDEN[name], rel=1e-6)


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("name", METRICS)
def test_the_truth_rendered_again_scores_exactly_zero(name: str) -> None:
    for sound in sounds():
        assert METRICS[name](sound, sound.clone(), RATE).tolist() == [0.0]


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("name", METRICS)
def test_level_blind_metrics_are_those_that_say_so(name: str) -> None:
    (sound, _), found = sounds(), METRICS[name]
    moved = float(found(0.5 * sound, sound, RATE))
    assert (moved < 1e-6) == found.level_blind


def power(sound: torch.Tensor, size: int, hop: int) -> NDArray[np.float64]:
    """Centred frames, one after the other, (bins, frames)."""
    x = np.pad(sound[0, 0].numpy(), size // 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    frames = [np.fft.rfft(x[i : i + size] * window) for i in range(0, len(x) - size + 1, hop)]
    return np.abs(np.array(frames).T) ** 2


def test_references() -> None:
    a, b = sounds()
    p, q = power(a, 2048, 512), power(b, 2048, 512)
    db = 10 * np.log10(p + 1e-8) - 10 * np.log10(q + 1e-8)
    lsd = np.mean([math.sqrt(np.mean(frame**2)) for frame in db.T])
    assert float(METRICS["lsd"](a, b, RATE)) == pytest.approx(lsd, rel=1e-9)
    sc = np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / np.linalg.norm(np.sqrt(q))
    assert float(METRICS["sc"](a, b, RATE)) == pytest.approx(sc, rel=1e-9)
    places = np.linspace(0, 1, len(p))
    sot = np.mean(
        [
            scipy.stats.wasserstein_distance(places, places, u, v)
            for u, v in zip(np.sqrt(p).T, np.sqrt(q).T, strict=True)
        ]
    )
    assert float(METRICS["sot"](a, b, RATE)) == pytest.approx(sot, rel=1e-7)
    mss = 0.0
    for n in (2048, 1024, 512, 256, 128, 64):
        u, v = (np.sqrt(power(x, n, n // 4)) for x in (a, b))
        mss += np.abs(u - v).mean() + np.abs(np.log(u + 1e-5) - np.log(v + 1e-5)).mean()
    assert float(METRICS["mss"](a, b, RATE)) == pytest.approx(mss, rel=1e-6)
    mel = [LogMel(RATE)(x[0, 0].numpy()).astype(np.float64) for x in (a, b)]
    logmel = math.sqrt(np.mean((mel[0] - mel[1]) ** 2))
    assert float(METRICS["logmel"](a, b, RATE)) == pytest.approx(logmel, rel=1e-5)
    cepstra = [scipy.fft.dct(m, axis=1, norm="ortho")[:, :13] for m in mel]
    mfccd = np.abs(cepstra[0] - cepstra[1]).mean()
    assert float(METRICS["mfccd"](a, b, RATE)) == pytest.approx(mfccd, rel=1e-5)
    rms = []
    for x in (a, b):
        y = x[0, 0].numpy()
        rms.append([math.sqrt(np.mean(y[i : i + 800] ** 2)) for i in range(0, len(y) - 799, 400)])
    u, v = map(np.array, rms)
    cosine = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
    assert float(METRICS["rms_cos"](a, b, RATE)) == pytest.approx(1 - cosine, rel=1e-6)


@pytest.mark.usefixtures("native")
def test_silence_is_no_number_and_is_counted() -> None:
    sound, _ = sounds()
    silent = torch.zeros_like(sound)
    assert METRICS["rms_cos"](silent, sound, RATE).isnan().all()
    assert METRICS["lufs"](silent, sound, RATE).isnan().all()
    assert METRICS["sc"](sound, silent, RATE).isinf().all()
    assert METRICS["sot"](silent, sound, RATE).tolist() == [1.0]
    found = summary(torch.tensor([1.0, math.nan, 3.0, math.inf]))
    assert (found.mean, found.count, found.nan) == (2.0, 2, 2)


def test_bootstrap_interval_holds_the_mean_of_a_normal_sample() -> None:
    values = torch.randn(400, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = summary(values)
    # The interval of the mean of n values is 1.96 deviations / sqrt(n) to either side.
    assert found.high - found.low == pytest.approx(2 * 1.96 * float(values.std()) / 20, rel=0.1)


def test_a_version_that_is_not_here_is_refused() -> None:
    assert metric("sot@1") is METRICS["sot"]
    with pytest.raises(UserError, match="not comparable"):
        metric("sot@2")
    with pytest.raises(UserError, match="logmel"):
        metric("logmell")
