"""Estimators on functions whose gradient is known, without any plug-in."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from dspcore.blackbox import SPSA, Differences, LeastSquares, LinearAudio, LocalAudio, RandomAudio
from dspcore.blackbox.estimators import Space

Array = np.ndarray[Any, np.dtype[np.float64]]
EPS = 1e-3


def smooth(p: Array) -> Array:
    """A function of (m, 6) with curvature everywhere."""
    weights = np.array([1.0, -2.0, 0.5, 3.0, 0.0, 1.5])
    return np.tanh(p @ weights) + np.sin(2 * p).sum(1) * p[:, 0]


def slope(p: Array, f: Callable[[Array], Array] = smooth) -> Array:
    steps = 1e-5 * np.eye(len(p))
    return (f(p + steps) - f(p - steps)) / 2e-5


def space(size: int, step: float = EPS, grid: float = 0.0) -> Space:
    return Space(np.full(size, step), np.full(size, grid))


def estimate(
    estimator: Any, p: Array, where: Space, seed: int = 0, f: Callable[[Array], Array] = smooth
) -> Array:
    points = estimator.points(p, where, np.random.default_rng(seed))
    assert len(points) == estimator.renders(len(p))
    assert points.min() >= 0
    assert points.max() <= 1
    return estimator.gradient(p, points, f(points), float(f(p[None])[0]), where)


def cosine(a: Array, b: Array) -> float:
    return float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-300))


INSIDE = np.array([0.3, 0.5, 0.7, 0.2, 0.4, 0.6])
EDGES = np.array([0.0, 1.0, 0.5, 1.0, 0.0, 0.3])


@pytest.mark.parametrize("p", [INSIDE, EDGES], ids=["inside", "at the edges"])
@pytest.mark.parametrize("estimator", [LeastSquares(), LeastSquares(24), Differences()], ids=repr)
def test_as_many_directions_as_parameters_give_the_gradient(estimator: Any, p: Array) -> None:
    truth = slope(p)
    found = estimate(estimator, p, space(6))
    assert cosine(found, truth) > 0.9999
    assert abs(np.linalg.norm(found) / np.linalg.norm(truth) - 1) < 5e-3


def test_differences_at_an_edge_are_as_good_as_inside() -> None:
    truth = slope(EDGES)
    assert np.abs(estimate(Differences(), EDGES, space(6)) - truth).max() < 1e-4
    one_sided = np.abs(estimate(Differences(sided=1), EDGES, space(6)) - truth).max()
    assert 1e-4 < one_sided < 2e-2


# What steps to one side only cannot step both ways at an edge, and is biased there.
INSIDE_ONLY = [(SPSA(2, sided=1), INSIDE), (LeastSquares(3, sided=1), INSIDE)]
BOTH = [
    (e, p)
    for e in (SPSA(1), SPSA(3), LeastSquares(1), Differences(params=2))
    for p in (INSIDE, EDGES)
]


@pytest.mark.parametrize(("estimator", "p"), BOTH + INSIDE_ONLY)
def test_the_mean_over_many_draws_is_the_gradient(estimator: Any, p: Array) -> None:
    draws = np.stack([estimate(estimator, p, space(6), seed) for seed in range(1500)])
    error = draws.mean(0) - slope(p)
    spread = draws.std(0) / math.sqrt(len(draws))
    assert (np.abs(error) < 4.5 * spread + 0.01 * np.abs(slope(p)).max()).all()


def test_averaging_follows_theory() -> None:
    """A cosine (in rms) of sqrt(k / (k + p - 1)) for SPSA, sqrt(k/p) for orthogonal directions."""
    weights = np.random.default_rng(5).standard_normal(16)

    def cosine_rms(estimator: Any) -> float:
        p = np.full(16, 0.5)
        found = [
            cosine(estimate(estimator, p, space(16), seed, lambda q: q @ weights), weights)
            for seed in range(400)
        ]
        return float(np.sqrt(np.mean(np.square(found))))

    for k in (1, 4):
        assert cosine_rms(SPSA(k)) == pytest.approx(math.sqrt(k / (k + 15)), rel=0.08)
        assert cosine_rms(LeastSquares(k)) == pytest.approx(math.sqrt(k / 16), rel=0.08)
        assert cosine_rms(Differences(params=k)) == pytest.approx(math.sqrt(k / 16), rel=0.08)


def test_the_intended_step_in_the_denominator_halves_the_gradient_at_an_edge() -> None:
    """The fault of the published layers, which ours do not have."""
    p = np.zeros(1)
    points = SPSA(1).points(p, space(1), np.random.default_rng(0))
    values = 3.0 * points[:, 0]
    naive = (values[0] - values[1]) / (2 * EPS) * np.sign(points[0, 0] - points[1, 0])
    assert naive == pytest.approx(1.5)
    assert SPSA(1).gradient(p, points, values, 0.0, space(1)) == pytest.approx(3.0)


def test_averaging_over_time_before_the_product_loses_the_direction() -> None:
    """ST-ITO's formula, ``mean(J+ - J-) mean(slope)``, against the product sample by sample."""
    rng = np.random.default_rng(0)
    right = wrong = 0
    for _ in range(200):
        change, incoming = rng.standard_normal((2, 1000))
        change += 0.3 * incoming * rng.choice([-1, 1])
        truth = np.sign(change @ incoming)
        right += np.sign(float(np.vdot(change, incoming))) == truth
        wrong += np.sign(change.mean() * incoming.mean()) == truth
    assert right == 200
    assert wrong < 150


@pytest.mark.parametrize("estimator", [SPSA(4), LeastSquares(), Differences()], ids=repr)
def test_whole_numbers_are_compared_with_their_neighbours(estimator: Any) -> None:
    """A parameter of ten values beside continuous ones; its slope is that of its staircase."""
    where = Space(np.array([0.01, 0.01, 1 / 9]), np.array([0.0, 0.0, 1 / 9]))
    p = np.array([0.5, 0.5, 4 / 9])

    def stairs(q: Array) -> Array:
        return q[:, 0] + 2.0 * np.rint(9 * q[:, 2])

    draws = [estimate(estimator, p, where, seed, stairs) for seed in range(200)]
    error = np.mean(draws, axis=0) - [1.0, 0.0, 18.0]
    assert (np.abs(error) < 4.5 * np.std(draws, axis=0) / math.sqrt(200) + 0.1).all()
    points = estimator.points(p, where, np.random.default_rng(1))
    assert np.abs(9 * points[:, 2] - np.rint(9 * points[:, 2])).max() < 1e-9


@pytest.mark.parametrize("estimator", [SPSA(8), LeastSquares(12), Differences()], ids=repr)
def test_a_failed_evaluation_has_no_part(estimator: Any) -> None:
    points = estimator.points(INSIDE, space(6), np.random.default_rng(0))
    values = smooth(points)
    whole = estimator.gradient(INSIDE, points, values, float(smooth(INSIDE[None])[0]), space(6))
    values[1] = np.nan
    found = estimator.gradient(INSIDE, points, values, float(smooth(INSIDE[None])[0]), space(6))
    assert np.isfinite(found).all()
    assert cosine(found, whole) > 0.9
    nothing = np.full(len(points), np.nan)
    assert not estimator.gradient(INSIDE, points, nothing, 0.0, space(6)).any()


# --- the audio ----------------------------------------------------------------------------------

T = 6000


def signals() -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    swell = 0.3 * np.abs(np.sin(np.linspace(0.1, 6, T)))
    return swell * rng.standard_normal((1, T)), rng.standard_normal((1, T))


def audio_gradient(estimator: Any, f: Callable[[Array], Array], seed: int = 0) -> Array:
    audio, along = signals()
    probes = estimator.probes(audio, np.random.default_rng(seed))
    return estimator.gradient(audio, probes, np.stack([f(x) for x in probes]), along)


def test_a_filter_has_an_exact_audio_gradient() -> None:
    b, a = [0.3, 0.2], [1.0, -1.6, 0.8]
    truth = lfilter(b, a, signals()[1][:, ::-1])[:, ::-1]
    found = audio_gradient(LinearAudio(), lambda x: lfilter(b, a, x))
    assert np.abs(found - truth).max() < 1e-9 * np.abs(truth).max()


def test_a_distortion_and_a_tremolo_have_a_near_audio_gradient() -> None:
    audio, along = signals()
    truth = 4 / np.cosh(4 * audio) ** 2 * along
    assert cosine(audio_gradient(LocalAudio(), lambda x: np.tanh(4 * x)), truth) > 0.99
    level = 1 + 0.8 * np.sin(np.arange(T) / 400)
    found = audio_gradient(LocalAudio(levels=1, length=32), lambda x: level * x)
    assert cosine(found, level * along) > 0.995


def test_two_channels_are_told_apart() -> None:
    """Left goes right with half its level, and right is filtered to the left."""
    rng = np.random.default_rng(3)
    audio, along = rng.standard_normal((2, 2, T))

    def crossed(x: Array) -> Array:
        return np.stack([lfilter([1.0], [1.0, -0.5], x[1]), 0.5 * x[0]])

    truth = np.stack([0.5 * along[1], lfilter([1.0], [1.0, -0.5], along[0, ::-1])[::-1]])
    for estimator in (LinearAudio(), LocalAudio(levels=1, length=64)):
        probes = estimator.probes(audio, rng)
        outputs = np.stack([crossed(x) for x in probes])
        assert cosine(estimator.gradient(audio, probes, outputs, along), truth) > 0.999


def test_random_signs_are_right_in_the_mean() -> None:
    """The z-scores of the mean over many draws are those of noise: 1 in rms."""
    audio, along = signals()
    audio, along = audio[:, 1000:1008], along[:, :8]
    truth = (2 / np.cosh(2 * audio) ** 2 * along)[0]
    rng, estimator = np.random.default_rng(0), RandomAudio(pairs=1)
    draws = []
    for _ in range(4000):
        probes = estimator.probes(audio, rng)
        draws.append(estimator.gradient(audio, probes, np.tanh(2 * probes), along)[0])
    spread = np.std(draws, axis=0) / math.sqrt(len(draws))
    z = (np.mean(draws, axis=0) - truth) / spread
    assert 0.4 < math.sqrt(float(np.mean(z**2))) < 1.7  # eight of them


@pytest.mark.parametrize("estimator", [RandomAudio(2), LinearAudio(), LocalAudio()], ids=repr)
def test_failed_probes_give_no_gradient(estimator: Any) -> None:
    audio, along = signals()
    probes = estimator.probes(audio, np.random.default_rng(0))
    outputs = np.full((len(probes), 1, T), np.nan)
    assert not estimator.gradient(audio, probes, outputs, along).any()
