"""Losses between sounds: identities, bounds, gradients, landscapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from dspcore import losses
from dspcore.errors import UserError
from dspcore.losses.waveform import sign_changes

ALL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "waveform 1": losses.Waveform(1.0),
    "waveform 4": losses.Waveform(4.0),
    "huber": losses.RobustLoss("huber"),
    "cauchy": losses.RobustLoss("cauchy"),
    "median": losses.RobustLoss("median"),
    "trimmed": losses.RobustLoss("trimmed"),
    "extreme": losses.ExtremeWeighted(q=2.0, top=0.5),
    "sign swap": losses.SignSwapWeighted(),
    "proximal": losses.ProximalDifference(20),
    "proximal, far": losses.ProximalDifference(lags=(30, 40), weights=(1.0, 0.5), slope=True),
    "proximal, order 2": losses.ProximalDifference(6, order=2),
    "proximal, by transform": losses.ProximalDifference(90),
    "all pairs": losses.ProximalDifference(None),
    "random pairs": losses.RandomPairs(50, seed=1),
    "slope cosine": losses.SlopeCosine((1, 5)),
    "phase": losses.PhaseAgreement(),
    "phase at": losses.PhaseAgreement((0.1, 0.21)),
    "axis": losses.AxisAgreement(),
    "product": losses.ProductLoss(),
    "multiscale": losses.MultiscaleSpectral(fft_sizes=(64, 32)),
    "resolutions": losses.MultiResolutionSTFT((64, 32), (16, 8), (50, 24)),
    "transport": losses.SpectralOptimalTransport(fft_size=64, cutoff=False),
    "cumulated": losses.CumulatedSpectrum(None),
}


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", ALL)
def test_gradients_are_those_of_differences_and_a_match_is_best(name: str) -> None:
    loss, target = ALL[name], noise(2, 1, 120, seed=1)
    sound = (0.8 * noise(2, 1, 120, seed=2)).requires_grad_()
    found = loss(sound, target)
    assert found.shape == (2,)
    assert (loss(target, target) < found).all()
    torch.autograd.gradcheck(lambda x: loss(x, target), sound, fast_mode=True)
    again = loss(sound[:1], target[:1])
    assert torch.allclose(again, found[:1])  # items do not know one another
    with pytest.raises(ValueError, match=r"must be \(b, c, t\) alike"):
        loss(sound, target[..., 1:])


def test_proximal_differences_are_filtered_mean_squares() -> None:
    error = noise(1, 1, 40)
    zero = torch.zeros_like(error)
    pairs = (error[..., :, None] - error[..., None, :]).square()
    wanted = 2 * (error.square().mean() - error.mean().square())
    assert abs(float(losses.ProximalDifference(None)(error, zero) - pairs.mean())) < 1e-12
    assert abs(float(pairs.mean() - wanted)) < 1e-12
    # A window of C points: the mean over its pairs, over all windows, but for the ends.
    ramp = torch.arange(40.0, dtype=torch.float64)[None, None]
    means = {C: sum((C - k) * k**2 for k in range(1, C)) / (C * (C - 1) / 2) for C in (2, 20)}
    for window, mean in means.items():
        assert float(losses.ProximalDifference(window)(ramp, zero)) == pytest.approx(
            mean, rel=1e-12
        )
    for order, lag in ((1, 1), (1, 7), (2, 3)):
        padded = torch.nn.functional.pad(error, (order * lag, order * lag))
        power = torch.fft.fft(padded, n=256).abs().square()
        factor = (2 - 2 * torch.cos(2 * math.pi * torch.fft.fftfreq(256).double() * lag)) ** order
        wanted = (power * factor).sum() / 256 / (padded.shape[-1] - order * lag)
        found = losses.ProximalDifference(lags=(lag,), order=order)(
            padded, torch.zeros_like(padded)
        )
        assert abs(float(found - wanted)) < 1e-12


def test_many_lags_by_one_transform_are_those_one_by_one() -> None:
    sound, target = noise(2, 1, 300), noise(2, 1, 300, seed=3)
    both = [
        losses.ProximalDifference(lags=range(1, 200), slope=slope)(sound, target)
        for slope in (False, True)
    ]
    for slope, found in zip((False, True), both, strict=True):
        parts = [
            losses.ProximalDifference(lags=(k,), slope=slope)(sound, target) for k in range(1, 200)
        ]
        assert torch.allclose(found, torch.stack(parts).mean(0), rtol=1e-10)


def minima(loss: Callable[[Tensor, Tensor], Tensor], count: int = 512) -> int:
    """Local minima over the frequency of one sinusoid."""
    time = torch.arange(count, dtype=torch.float64)
    frequencies = torch.linspace(0.02, 0.48, 4001, dtype=torch.float64)
    target = torch.sin(2 * math.pi * 0.2 * time)
    sounds = torch.sin(2 * math.pi * frequencies[:, None] * time)
    with torch.no_grad():
        curve = loss(sounds[:, None], target.expand(len(sounds), 1, -1))
    fall = curve[1:] - curve[:-1]
    return int(((fall[:-1] < -1e-9) & (fall[1:] > 1e-9)).sum())


def test_transport_has_one_hollow_where_waveform_losses_have_hundreds() -> None:
    assert minima(losses.Waveform()) > 100
    assert minima(losses.ProximalDifference(20)) > 100
    assert minima(losses.SlopeCosine()) > 100
    assert minima(losses.CumulatedSpectrum(None)) == 1
    assert minima(losses.SpectralOptimalTransport(fft_size=None, cutoff=False)) <= 3


def test_transport_is_the_distance_that_scipy_finds() -> None:
    found, wanted = (noise(6, 30, seed=s).abs() for s in (1, 2))
    place = torch.arange(30) / 29
    ours = losses.transport(found, wanted, p=1.0)
    theirs = [
        wasserstein_distance(place, place, a, b)
        for a, b in zip(found.numpy(), wanted.numpy(), strict=True)
    ]
    assert torch.allclose(ours, torch.tensor(theirs), atol=1e-12)
    one, two = torch.eye(30, dtype=torch.float64)[[4]], torch.eye(30, dtype=torch.float64)[[10]]
    assert float(losses.transport(one, two, p=2.0)) == pytest.approx((6 / 29) ** 2)
    # With a cutoff a missing upper partial is not met by stretching what is there.
    assert float(losses.transport(one, one + two, cutoff=True)) == 0
    assert float(losses.transport(one, one + two)) > 0.01


def test_phase_agreement_reads_the_phase() -> None:
    time = torch.arange(400, dtype=torch.float64)
    target, turned = (torch.sin(2 * math.pi * 0.1 * time + p)[None, None] for p in (0.3, 1.1))
    for loss in (losses.PhaseAgreement(), losses.PhaseAgreement((0.1,))):
        assert float(loss(turned, target)) == pytest.approx(1 - math.cos(0.8), abs=1e-6)
        assert float(loss(5 * target, target)) == pytest.approx(0.0, abs=1e-6)


def test_axis_agreement_is_gated_by_the_strongest_bin() -> None:
    time = torch.arange(400, dtype=torch.float64)
    target, other = (torch.sin(2 * math.pi * f * time)[None, None] for f in (0.1, 0.15))
    loss = losses.AxisAgreement(gate_bins=1.0)
    sound = other.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(sound, target).sum(), sound)
    assert not gradient.any()
    near = (0.5 * target + 0.1 * other).requires_grad_()
    assert loss(near, target) < 0.1
    assert torch.autograd.grad(loss(near, target).sum(), near)[0].any()


def test_a_few_big_mistakes_count_little_or_most() -> None:
    target = torch.zeros(1, 1, 1000, dtype=torch.float64)
    sound = torch.full_like(target, 0.01)
    wild = sound.clone()
    wild[..., ::100] = 3.0

    def growth(loss: Any) -> float:
        return float(loss(wild, target) / loss(sound, target))

    assert growth(losses.RobustLoss("median")) == growth(losses.RobustLoss("trimmed")) == 1
    plain = growth(losses.Waveform())
    assert growth(losses.RobustLoss("huber")) < plain / 10
    assert growth(losses.RobustLoss("cauchy")) < plain / 10
    assert growth(losses.Waveform(4.0)) > 10 * plain
    assert growth(losses.ExtremeWeighted(0.0, top=0.01)) > 10 * plain
    soft = losses.ExtremeWeighted(0.0, sharpness=5.0)(wild, target)
    assert losses.Waveform()(wild, target) < soft < 9.0


def test_sign_changes_are_counted_around_each_sample() -> None:
    sound = noise(1, 1, 50)
    signs = [bool(x >= 0) for x in sound.flatten()]
    for window in (2, 5, 8):
        before = (window - 1) // 2
        wanted = []
        for n in range(50):
            low = n - before  # the window's samples are low .. low + window - 1
            places = [k for k in range(low + 1, low + window) if 1 <= k < 50]
            wanted.append(sum(signs[k] != signs[k - 1] for k in places))
        assert sign_changes(sound, window).flatten().tolist() == wanted


def test_consistency_of_partials_reads_semitones() -> None:
    amplitude = torch.tensor([[[1.0, 0.5, 0.25]]], dtype=torch.float64)
    frequency = torch.tensor([[[220.0, 440.0, 660.0]]], dtype=torch.float64)
    sharp = frequency * 2 ** (2 / 12)
    moved = losses.WassersteinConsistency()(amplitude, sharp, 3 * amplitude, frequency)
    assert float(moved) == pytest.approx(2.0)
    order = torch.tensor([2, 0, 1])
    same = losses.WassersteinConsistency()(
        amplitude[..., order], frequency[..., order], amplitude, frequency
    )
    assert float(same) == pytest.approx(0.0)
    kde = losses.KDEConsistency()
    apart = [
        float(kde(amplitude, frequency * 2 ** (c / 12), amplitude, frequency)) for c in (0, 1, 3)
    ]
    assert apart[0] < apart[1] < apart[2]
    level = torch.tensor([[1.0, 0.0]])
    shares = torch.tensor([[[0.5, 0.5], [1.0, 0.0]]])
    harmonic = losses.HarmonicConsistency()
    found = harmonic(level + 0.25, shares.flip(-1), level, shares)
    assert float(found) == pytest.approx(0.25 + 0.0)  # equal shares where loud, silence ignored


def test_a_group_is_the_weighted_sum_and_follows_its_schedules() -> None:
    sound, target = noise(3, 1, 100), noise(3, 1, 100, seed=1)
    plain, near = losses.Waveform(), losses.ProximalDifference(2)
    group = losses.LossGroup({"mse": plain, "near": (near, lambda step: 0.0 if step < 5 else 2.0)})
    early, late = group(sound, target, 0), group(sound, target, 9)
    assert early.keys() == {"loss", "mse"}
    assert torch.equal(early["loss"], plain(sound, target).mean())
    wanted = plain(sound, target).mean() + 2 * near(sound, target).mean()
    assert torch.allclose(late["loss"], wanted)
    with pytest.raises(UserError, match="the name 'loss' is the sum's"):
        losses.LossGroup({"loss": plain})


def test_band_residuals_say_where_the_error_lies() -> None:
    time = torch.arange(8000, dtype=torch.float64) / 8000
    low, high = (torch.sin(2 * math.pi * f * time)[None, None] for f in (200.0, 3000.0))
    found = losses.band_residuals_db(low + 0.1 * high, low + high, 8000)
    assert found["125-250 Hz"] < -100
    assert found["2000-4000 Hz"] == pytest.approx(20 * math.log10(0.9), abs=1e-6)
    target = torch.cat([torch.zeros(1, 1, 100, dtype=torch.float64), low], -1)
    assert float(losses.silence_dbfs(target + 1e-3, target)) == pytest.approx(-60.0, abs=0.2)
