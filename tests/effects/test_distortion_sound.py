"""Curves, bias, oversampling, and what a bitcrusher leaves."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from bench.aliasing import alias_db
from dspcore.effects import Bitcrusher, Distortion

RATE = 48_000


def ramp() -> Tensor:
    return torch.linspace(-1, 1, RATE, dtype=torch.float64)[None, None]


CURVES = {
    "diode": torch.asinh,
    "fold": torch.sin,
    "tube": lambda x: torch.where(x > 0, 1 - torch.exp(-x), (torch.exp(2 * x) - 1) / 2),
}


@pytest.mark.parametrize("antialiasing", ["antiderivative", "oversampling_4x", "off"])
@pytest.mark.parametrize("curve", CURVES)
def test_a_slow_ramp_is_bent_by_the_curve_and_its_bias(curve: str, antialiasing: str) -> None:
    effect = Distortion(RATE, curve=curve, antialiasing=antialiasing, drive_db=12.0, bias=0.4)
    late = effect.latency_samples()
    y = effect(ramp())[0, 0]
    drive, bias = 10 ** (12 / 20), torch.tensor(0.4, dtype=torch.float64)
    expected = CURVES[curve](ramp()[0, 0] * drive + bias) - CURVES[curve](bias)
    found = y[1_000:][late:]
    assert (found - expected[1_000 : 1_000 + len(found)]).abs().max() < 1e-3


def test_the_curve_tube_makes_even_overtones_and_tanh_only_with_bias() -> None:
    time = torch.arange(RATE, dtype=torch.float64) / RATE
    sine = 0.5 * torch.sin(2 * math.pi * 100 * time)[None, None]

    def second_db(**settings: float | str) -> float:
        power = torch.fft.rfft(Distortion(RATE, **settings)(sine)[0, 0]).abs()
        return float(20 * torch.log10(power[200] / power[100]))

    assert second_db(curve="tanh") < -100
    assert second_db(curve="tanh", bias=0.5) > -30
    assert second_db(curve="tube") > -30


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_oversampling_passes_what_is_not_bent(factor: int) -> None:
    """At a level where the curve is straight, 18 kHz comes through, 48 samples late."""
    time = torch.arange(4_000, dtype=torch.float64) / RATE
    sine = 1e-4 * torch.sin(2 * math.pi * 18_000 * time)[None, None]
    settings = {"drive_db": 0.0, "mix": 1.0, "tone_hz": 20_000.0}
    plain = Distortion(RATE, antialiasing="off", **settings)(sine)
    effect = Distortion(RATE, antialiasing=f"oversampling_{factor}x", **settings)
    assert effect.latency_samples() == 48
    late = effect(sine)[..., 48:]
    error = (late - plain[..., :-48])[..., 200:].abs().max() / 1e-4
    assert float(error) < 2e-3


@pytest.mark.parametrize("curve", ["tanh", "hard", "diode", "tube"])
def test_every_way_lowers_aliases(curve: str) -> None:
    plain = alias_db(curve, "off")
    assert alias_db(curve, "antiderivative") < plain - 5
    twice, eight = alias_db(curve, "oversampling_2x"), alias_db(curve, "oversampling_8x")
    assert twice < plain - 3
    assert eight < twice - 10


@pytest.mark.parametrize("bits", [1.0, 3.0, 8.0])
def test_a_bitcrusher_knows_that_many_levels(bits: float) -> None:
    y = Bitcrusher(RATE, bits=bits, hold_samples=1.0)(ramp())[0, 0]
    step = 2 ** (1 - bits)
    assert torch.equal(y, step * torch.round(y / step))
    assert len(y.unique()) == 2**bits + 1
    assert (y - ramp()[0, 0]).abs().max() <= step / 2


def test_a_bitcrusher_holds_its_samples() -> None:
    x = torch.randn(1, 1, 400, dtype=torch.float64)
    y = Bitcrusher(RATE, bits=24.0, hold_samples=4.0)(x)
    expected = x[..., ::4].repeat_interleave(4, -1)
    torch.testing.assert_close(y, expected, atol=1e-6, rtol=0)
    held = Bitcrusher(RATE, bits=24.0, hold_samples=2.5)(ramp())[0, 0]
    places = 2.5 * torch.floor((torch.arange(RATE).double() + 1e-6) / 2.5)  # between samples, too
    torch.testing.assert_close(held, -1 + 2 * places / (RATE - 1), atol=1e-6, rtol=0)


def test_the_straight_through_gradient_leads_to_the_bits() -> None:
    """Learned from a target of 4 bits: the gradient is no derivative, and it points there."""
    x = torch.rand(1, 1, 4_000, generator=torch.Generator().manual_seed(0)) * 2 - 1
    crusher = Bitcrusher(RATE, hold_samples=1.0)
    (whole,) = torch.autograd.grad(crusher(y := x.clone().requires_grad_(), bits=4.0).sum(), y)
    assert torch.equal(whole, torch.ones_like(x))
    for bits in (2.0, 3.0):
        b = torch.tensor([bits], requires_grad=True)
        (slope,) = torch.autograd.grad((crusher(x, bits=b) - x).square().mean(), b)
        assert slope < 0  # more bits, less error


def test_the_gradient_to_the_hold_is_that_of_where_samples_are_taken() -> None:
    x = torch.sin(torch.arange(200, dtype=torch.float64) / 9)[None, None]
    crusher = Bitcrusher(RATE, bits=24.0)
    period = torch.tensor([3.317], dtype=torch.float64, requires_grad=True)
    weight = torch.linspace(0, 1, 200, dtype=torch.float64)

    def heard(at: Tensor) -> Tensor:
        return (crusher._held(x, at[:, None], None)[0] * weight).sum()

    (slope,) = torch.autograd.grad(heard(period), period)
    assert slope.isfinite()
    near = (heard(period + 1e-7) - heard(period - 1e-7)).detach() / 2e-7
    assert float(slope) == pytest.approx(float(near), rel=1e-4)
