"""Estimators find what was put in; checks 5 to 9 of the sine-network specification."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from bench.sinusoids import plain_descent, problems, solved, vibrato_tone
from dspcore import estimate
from dspcore.errors import UserError
from dspcore.estimate import Estimate

QUICK = ("fft_peaks", "nomp", "esprit")
ALL = (*QUICK, "particles", "surrogate", "surrogate_reseed")


def share(name: str, k: int | None, truth: Estimate, y: Tensor, **options: object) -> float:
    return float(solved(getattr(estimate, name)(y, k, **options), truth).double().mean())


def plain_share(y: Tensor, truth: Estimate) -> float:
    return float(solved(plain_descent(y, truth.frequencies.shape[1]), truth).double().mean())


@pytest.mark.parametrize("name", QUICK)
def test_parameters_of_clear_sinusoids_are_found_to_rounding(name: str) -> None:
    y, truth = problems(3, 3, separation=20.0)
    found = getattr(estimate, name)(y, 3)
    near = 2e-4 if name == "fft_peaks" else 1e-7
    torch.testing.assert_close(found.frequencies, truth.frequencies, atol=near, rtol=0)
    if name != "fft_peaks":
        turns = (found.phases - truth.phases) / (2 * math.pi)
        assert float((turns - turns.round()).abs().max()) < 1e-5
        torch.testing.assert_close(found.amplitudes, truth.amplitudes, atol=1e-5, rtol=0)
        assert float(found.residual_db(y).max()) < -130  # float32's own rounding is at -150


@pytest.mark.parametrize("name", ["nomp", "esprit"])
def test_dampings_are_found(name: str) -> None:
    t = 512
    f, d = torch.tensor([[0.11, 0.2]]).double(), torch.tensor([[0.01, 0.002]]).double()
    ones = torch.ones_like(f)
    y = Estimate(f, ones, 0.5 * ones, d, torch.tensor([2]), t).render()
    found = getattr(estimate, name)(y, 2, damped=True)
    torch.testing.assert_close(found.dampings, d, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.amplitudes, ones, atol=1e-5, rtol=0)


def test_render_says_the_formula_of_its_docstring() -> None:
    f, a, p, d = torch.tensor([[[0.1]], [[0.5]], [[0.3]], [[0.01]]], dtype=torch.float64)
    found = Estimate(f, a, p, d, torch.ones(1), 50)
    n = torch.arange(50).double()
    wanted = 0.5 * torch.exp(-0.01 * n) * torch.sin(2 * math.pi * 0.1 * n + 0.3)
    torch.testing.assert_close(found.render()[0], wanted, atol=1e-12, rtol=0)


def test_the_number_is_found_too() -> None:
    assert share("nomp", None, *reversed(problems(24, 8, separation=1.0))) >= 0.95
    assert share("nomp", None, *reversed(problems(40, 3, snr_db=20.0))) >= 0.9
    assert share("esprit", None, *reversed(problems(20, 3))) >= 0.9
    noise = torch.randn(100, 512)
    counts = estimate.nomp(noise).counts
    assert float((counts > 0).double().mean()) < 0.06  # asked for 0.01
    assert estimate.nomp(torch.zeros(2, 64)).counts.tolist() == [0, 0]


def test_items_of_a_batch_do_not_know_each_other() -> None:
    y, _ = problems(5, 4)
    for name in ("fft_peaks", "nomp", "esprit"):
        method = getattr(estimate, name)
        alone = torch.cat([method(row, 4).frequencies for row in y])
        torch.testing.assert_close(method(y, 4).frequencies, alone, atol=1e-9, rtol=0)


def test_hard_cells() -> None:
    """0.75 bins apart, sixteen and thirty-two at once, and ten decibels of signal over noise."""
    assert share("nomp", 8, *reversed(problems(40, 8, separation=0.75))) >= 0.95
    assert share("nomp", 16, *reversed(problems(20, 16, separation=1.0))) >= 0.95
    assert share("nomp", 32, *reversed(problems(10, 32, separation=1.0))) >= 0.9
    assert share("nomp", 8, *reversed(problems(60, 8, snr_db=10.0))) >= 0.85


@pytest.mark.slow
def test_gradient_methods_solve_what_plain_descent_does_not() -> None:
    """Check 7; descent from the same kind of start on the plain waveform guards the benchmark."""
    for k in (1, 2, 4, 8):
        y, truth = problems(16, k)
        assert share("nomp", k, truth, y) >= 0.98
        assert share("surrogate_reseed", k, truth, y, steps=900) >= 0.93
        assert share("particles", k, truth, y, steps=200) >= 0.93
        assert plain_share(y, truth) <= 0.15


@pytest.mark.parametrize("k", [1, 4])
def test_polished_frequencies_reach_the_cramer_rao_bound(k: int) -> None:
    """Check 8: within 2 dB over 200 problems, from 10 to 40 dB."""
    for snr_db in (10.0, 25.0, 40.0):
        y, truth = problems(200, k, separation=3.0, snr_db=snr_db, seed=k)
        found = estimate.varpro_polish(y, truth.frequencies + 0.1 / 512)
        power = truth.render().square().mean(1) * 10 ** (-snr_db / 10)
        error = (found.frequencies - truth.frequencies).square()
        ratio = (error / estimate.frequency_bound(truth, power)).mean()
        assert abs(10 * math.log10(float(ratio))) < 2.0


def test_bound_is_that_of_rife_and_boorstyn_for_one_tone() -> None:
    truth = problems(1, 1)[1]
    t, a = truth.num_samples, float(truth.amplitudes)
    wanted = 12 * 0.01 / (a**2 / 2 * t * (t**2 - 1)) / (2 * math.pi) ** 2
    assert float(estimate.frequency_bound(truth, 0.01)) == pytest.approx(wanted, rel=0.02)


def test_landscape_counts_minima() -> None:
    """Check 5: squared error has hundreds; the cumulated spectrum has hardly any."""

    def mse(found: Tensor, wanted: Tensor) -> Tensor:
        return (found - wanted).square().mean((1, 2))

    def cumulated(found: Tensor, wanted: Tensor) -> Tensor:
        window = torch.hann_window(found.shape[2], dtype=found.dtype)
        sums = [
            (p := torch.fft.rfft(x * window).abs().square()).cumsum(2) / p.sum(2, keepdim=True)
            for x in (found, wanted)
        ]
        return (sums[0] - sums[1]).square().mean((1, 2))

    rough, smooth = estimate.landscape(mse), estimate.landscape(cumulated)
    assert rough.minima > 100
    assert smooth.minima <= 3
    assert smooth.basin() > 0.2 > 0.01 > rough.basin()
    assert rough.picture("mean square").startswith(b"\x89PNG")
    with pytest.raises(UserError, match="one number an item"):
        estimate.landscape(lambda found, wanted: (found - wanted).square().mean())


@pytest.mark.slow
def test_the_surrogate_of_one_sinusoid_is_found_and_real_descent_is_not() -> None:
    """Check 6 in kind: one sinusoid, no partner to compete with."""
    y, truth = problems(100, 1, t=64, separation=0.0)
    assert share("surrogate", 1, truth, y, steps=1500) >= 0.75
    assert plain_share(y, truth) <= 0.25


def test_a_vibrato_tone_becomes_a_chain() -> None:
    """Check 9 and target M8: at least 60 dB with at most 40 parameters."""
    levels = []
    for seed in range(10):
        chain = estimate.init_chain(vibrato_tone(seed).float(), waves=10)
        assert chain.num_params <= 40
        levels.append(chain.residual_db)
    assert sum(level <= -60 for level in levels) >= 9


def test_init_bank_explains_more_with_more_sines() -> None:
    y, _ = problems(2, 6, t=4000)
    assert float(estimate.init_bank(y, 6).residual_db(y).max()) < -40
    few, more = (estimate.init_bank(y, k).residual_db(y) for k in (2, 4))
    assert bool((more < few).all())


@pytest.mark.parametrize("name", ALL)
def test_wrong_input_is_named(name: str) -> None:
    method: Callable[..., Estimate] = getattr(estimate, name)
    with pytest.raises(UserError, match=f"{name}: k must lie within 1 and 16"):
        method(torch.zeros(1, 64), 40)
    with pytest.raises(UserError, match="NaN"):
        method(torch.full((1, 64), math.nan), 1)
    with pytest.raises(UserError, match=r"y must be \(b, t\)"):
        method(torch.zeros(1, 1, 64), 1)
    with pytest.raises(TypeError, match="float32 or float64"):
        method(torch.zeros(1, 64, dtype=torch.int64), 1)
