"""Antiderivative anti-aliasing: exact at every distance of samples, and fewer aliases."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import torch
from torch import Tensor

from dspcore import ops
from dspcore.ops.antialiased import CURVES

CURVE: dict[str, Callable[[Any], Any]] = {
    "tanh": mpmath.tanh,
    "arctan": lambda x: 2 / mpmath.pi * mpmath.atan(mpmath.pi / 2 * x),
    "cubic": lambda x: _cubic(max(-1, min(1, x))),
    "hard": lambda x: max(-1, min(1, x)),
    "diode": mpmath.asinh,
    "fold": mpmath.sin,
    "tube": lambda x: mpmath.expm1(2 * x) / 2 if x < 0 else -mpmath.expm1(-x),
}
SLOPE: dict[str, Callable[[Any], Any]] = {
    "tanh": lambda x: mpmath.sech(x) ** 2,
    "arctan": lambda x: 1 / (1 + (mpmath.pi / 2 * x) ** 2),
    "cubic": lambda x: 1.5 * (1 - x * x) if abs(x) < 1 else mpmath.mpf(0),
    "hard": lambda x: mpmath.mpf(1 if abs(x) < 1 else 0),
    "diode": lambda x: 1 / mpmath.sqrt(1 + x * x),
    "fold": mpmath.cos,
    "tube": lambda x: mpmath.exp(2 * x if x < 0 else -x),
}
#: Antiderivatives of these grow with the level, and the error of their quotients too.
GROWING = {"diode": 40.0, "tube": 40.0}
EVERY = pytest.mark.parametrize("curve", CURVES)
STARTS = [-40.0, -1.3, -1.0, -0.7, -1e-9, 0.0, 0.02, 0.9999, 1.0, 1.00002, 5.0]
STEPS = [0.0, *(s * 10.0**e for s, e in zip([1.1, -3.7] * 10, range(-17, 3), strict=True))]
STEPS += [0.0218, -0.0220, 0.0312, 0.0313, -0.349, 0.351, 0.499, -0.501]  # around the seams


def _cubic(x: Any) -> Any:
    return 1.5 * x - 0.5 * x**3


def average(function: Callable[[Any], Any], a: float, b: float, power: int) -> float:
    """The integral of t^power f(a + (b - a) t) over 0 ... 1 with 30 digits, cut at edges and 0."""
    with mpmath.workdps(30):
        start, way = mpmath.mpf(a), mpmath.mpf(b) - mpmath.mpf(a)
        outward = (0.3, 1, 2, 6, 20, 90)
        edges = [mpmath.mpf(edge) * side for edge in (0, *outward) for side in (-1, 1)]
        cuts = [c for c in ((e - start) / way for e in edges) if 0 < c < 1] if way else []
        places = sorted([mpmath.mpf(0), *cuts, mpmath.mpf(1)])

        def integrand(t: Any) -> Any:
            return t**power * function(start + way * t)

        total = mpmath.mpf(0)
        for low, high in itertools.pairwise(places):
            # Inside a piece only, or a knee's slope would be taken from the wrong side.
            total += mpmath.quad(integrand, [low, high], maxdegree=4, method="gauss-legendre")
        return float(total)


def pairs(curve: str) -> list[tuple[float, float]]:
    """From and to; a hard clipper standing still on its edge has no slope to compare."""
    found = [(a, a + d) for a in STARTS for d in STEPS]
    if curve == "fold":  # the reference cannot follow hundreds of periods
        found = [(a, b) for a, b in found if abs(a - b) < 20]
    return [(a, b) for a, b in found if curve != "hard" or a != b or abs(a) != 1]


@pytest.mark.slow
@EVERY
def test_every_distance_of_samples_keeps_its_digits(curve: str) -> None:
    """Both orders and all slopes against quadrature with 30 digits."""
    ways, loose = pairs(curve), GROWING.get(curve, 1.0)
    x = torch.tensor(ways, dtype=torch.float64)[:, None].requires_grad_()  # (n, 1, 2)
    truth, slopes = (
        torch.tensor([[average(f[curve], *w, p) for p in powers] for w in ways], dtype=x.dtype)
        for f, powers in ((CURVE, (0, 1)), (SLOPE, (0, 1, 2)))
    )
    first = ops.antialiased(x, curve)[0][:, 0, 1]
    assert (first - truth[:, 0]).abs().max() < loose * 3e-13
    second, state = ops.antialiased(x, curve, order=2)
    falling = second[:, 0, 1] - ops.antialiased(x[..., :1], curve, order=2)[1][:, 0, 1]
    assert (falling - (truth[:, 0] - truth[:, 1])).abs().max() < loose * 3e-13
    assert (state[:, 0, 1] - truth[:, 1]).abs().max() < loose * 3e-13
    wanted = {
        "first": (first, slopes[:, 0] - slopes[:, 1], slopes[:, 1]),
        "rising": (state[:, 0, 1], slopes[:, 1] - slopes[:, 2], slopes[:, 2]),
    }
    for name, (y, to_before, to_now) in wanted.items():
        found = torch.autograd.grad(y.sum(), x, retain_graph=True)[0][:, 0]
        assert (found[:, 1] - to_now).abs().max() < loose * 1e-11, name
        assert (found[:, 0] - to_before).abs().max() < loose * 1e-11, name


@EVERY
@pytest.mark.parametrize("order", [1, 2])
def test_no_distance_has_a_seam(curve: str, order: int) -> None:
    """Across the distance where quadrature takes over, the result goes on as it came."""
    furthest = 0 if curve == "fold" else 2  # where a fold turns many times it has no smooth mean
    near = torch.linspace(-8, furthest, 4_001, dtype=torch.float64)
    for start in (-2.0, 0.0, 0.3):
        far = start + 10**near
        x = torch.stack([torch.full_like(far, start), far], -1)[:, None]
        y = ops.antialiased(x, curve, order=order)[0][:, 0, 1]
        assert (y.diff().abs() < 0.02).all()
        assert y.diff().diff().abs().max() < 2e-3


@pytest.mark.parametrize("order", [1, 2])
@EVERY
def test_a_knee_between_close_samples_is_averaged_too(curve: str, order: int) -> None:
    """Gradients right at the edge of a hard clipper, where a series would see one side alone."""
    d = 1e-4
    x = torch.tensor([[[1 - d, 1 + d, 1 + 3 * d]]], dtype=torch.float64, requires_grad=True)
    y = ops.antialiased(x, curve, order=order)[0]
    if curve == "hard":  # the mean of the ramp; and under the falling half, then the rising one
        found = y[0, 0, order].item()
        assert found == pytest.approx(1 - d / 4 if order == 1 else 1 - d / 24, abs=1e-13)
    moved = torch.autograd.forward_ad
    step = torch.tensor([[[0.3, -0.2, 1.0]]], dtype=torch.float64)
    with moved.dual_level():
        along = moved.unpack_dual(
            ops.antialiased(moved.make_dual(x.detach(), step), curve, order=order)[0]
        ).tangent
    for i in range(3):
        g = torch.autograd.grad(y[0, 0, i], x, retain_graph=True)[0]
        assert float((g * step).sum()) == pytest.approx(float(along[0, 0, i]), abs=1e-12)


def aliases_db(y: Tensor, f0: int) -> float:
    """Power below 5 kHz away from the harmonics of f0 over all power, for one second."""
    power = torch.fft.rfft(y).abs().square()
    between = torch.arange(power.shape[0]) % f0 > 0
    return float(10 * torch.log10(power[:5_000][between[:5_000]].sum() / power[1:].sum()))


@pytest.mark.parametrize("curve", [c for c in CURVES if c != "fold"])  # whose aliases lie higher
def test_second_order_leaves_fewer_aliases(curve: str) -> None:
    """A sine of 1,245 Hz at 44.1 kHz, 20 dB into the curve; aliases where they are heard."""
    rate, f0 = 44_100, 1_245
    x = torch.sin(2 * math.pi * f0 * torch.arange(2 * rate, dtype=torch.float64) / rate)[None, None]
    first, second = (
        aliases_db(ops.antialiased(x, curve, 10.0, order=n)[0][0, 0, rate:], f0) for n in (1, 2)
    )
    assert second < first - 15


def test_second_order_is_one_sample_late() -> None:
    """A slow quiet signal comes out as it was a sample before, under a triangle."""
    x = torch.randn(1, 1, 300, dtype=torch.float64) * 0.1
    y = ops.antialiased(x, "hard", order=2)[0]
    expected = (x[..., :-2] + 4 * x[..., 1:-1] + x[..., 2:]) / 6
    torch.testing.assert_close(y[..., 2:], expected, rtol=0, atol=1e-15)
