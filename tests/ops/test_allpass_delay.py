"""Delays read by all-pass: level, delay, and the gradient to it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dspcore import ops


def impulse_response(d: float, n: int = 4_096) -> Tensor:
    x = torch.zeros(1, 1, n, dtype=torch.float64)
    x[..., 0] = 1.0
    still = torch.tensor([[d]], dtype=torch.float64)
    none = torch.zeros(1, 1, 1, dtype=torch.float64)
    return ops.delay(x, still, none, max_delay=100.0, interpolation="allpass")[0][0, 0]


@pytest.mark.parametrize("d", [2.0, 2.3, 17.5, 99.9])
def test_all_levels_stay(d: float) -> None:
    gain = torch.fft.rfft(impulse_response(d)).abs()
    torch.testing.assert_close(gain, torch.ones_like(gain), rtol=0, atol=1e-12)


@pytest.mark.parametrize("d", [2.2, 17.49, 50.77])
def test_low_frequencies_are_delayed_by_what_was_asked(d: float) -> None:
    h = impulse_response(d)
    n = torch.arange(h.shape[0], dtype=torch.float64)
    assert float((n * h).sum()) == pytest.approx(d, abs=1e-9)  # the slope of the phase at 0
    w = 2 * math.pi * 0.01
    late = (
        -torch.angle((h * torch.exp(-1j * w * n)).sum() * torch.exp(1j * w * torch.tensor(d))) / w
    )
    assert abs(float(late)) < 1e-3


def test_a_delay_of_whole_samples_is_exact() -> None:
    x = torch.randn(2, 1, 60, dtype=torch.float64)
    d, none = torch.full((2, 1), 7.0), torch.zeros(2, 1, 1)
    y, _ = ops.delay(x, d, none, max_delay=9.0, interpolation="allpass")
    assert torch.equal(y[..., 7:], x[..., :-7])
    assert not y[..., :7].any()


def test_a_string_keeps_its_top_where_straight_lines_lose_it() -> None:
    """A loop of 20.4 samples: after half a second one has lost the harmonics, the other none."""
    x = torch.zeros(1, 1, 24_000, dtype=torch.float64)
    x[..., :20] = torch.randn(20, dtype=torch.float64)
    d, loop = torch.tensor([[20.4]], dtype=torch.float64), torch.ones(1, 1, 1, dtype=torch.float64)
    power = {}
    for kind in ("linear", "allpass"):
        y = ops.delay(x, d, 0.9999 * loop, max_delay=30.0, interpolation=kind)[0][0, 0]
        power[kind] = float(y[-4_096:].square().mean() / y[100:4_196].square().mean())
    assert power["allpass"] > 0.7
    assert power["linear"] < 0.3


def test_a_delay_is_found_by_its_gradient() -> None:
    x = torch.randn(1, 1, 400, dtype=torch.float64).cumsum(-1) / 10
    none = torch.zeros(1, 1, 1, dtype=torch.float64)
    kind = {"max_delay": 20.0, "interpolation": "allpass"}
    target = ops.delay(x, torch.tensor([[11.3]]), none, **kind)[0]  # type: ignore[arg-type]
    d = torch.tensor([[10.6]], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([d], lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        (ops.delay(x, d, none, **kind)[0] - target).square().mean().backward()  # type: ignore[arg-type]
        optimizer.step()
    assert abs(d.item() - 11.3) < 1e-3


def test_combs_take_it_with_their_state() -> None:
    x = torch.randn(2, 2, 90, dtype=torch.float64)
    settings = {"max_delay": 9.0, "interpolation": "allpass"}
    y, _ = ops.comb(x, 5.3, 0.5, 0.2, **settings)  # type: ignore[arg-type]
    first, state = ops.comb(x[..., :41], 5.3, 0.5, 0.2, **settings)  # type: ignore[arg-type]
    second, _ = ops.comb(x[..., 41:], 5.3, 0.5, 0.2, state=state, **settings)  # type: ignore[arg-type]
    torch.testing.assert_close(torch.cat([first, second], -1), y, rtol=0, atol=1e-14)
