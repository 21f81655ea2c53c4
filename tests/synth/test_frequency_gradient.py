"""What frequencies of a bank get in the backward pass, choice by choice."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dspcore.synth import SinusoidalBank

pytestmark = pytest.mark.usefixtures("native")
RATE, T = 16_000, 2_048


def bank(freq_grad: str) -> SinusoidalBank:
    return SinusoidalBank(1, RATE, T, amp_scale_fn=None, freq_scale_fn=None, freq_grad=freq_grad)  # type: ignore[arg-type]


def descended(freq_grad: str, start: list[float], truth: list[float], steps: int = 200) -> Tensor:
    """Frequencies in Hz after Adam from `start`, held over the sound, amplitudes held at 1."""
    n = torch.arange(T, dtype=torch.float64) / RATE
    target = sum(torch.sin(2 * math.pi * f * n + 2 * i + 1) for i, f in enumerate(truth))
    f = torch.tensor(start, dtype=torch.float64).requires_grad_()
    made = bank(freq_grad)
    optimizer = torch.optim.Adam([f], 60.0)
    fall = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.97)
    ones = torch.ones(1, 2, len(start), dtype=torch.float64)
    for _ in range(steps):
        optimizer.zero_grad()
        sound = made.get_signal(ones, f.expand(1, 2, -1), T)
        (sound[0, 0] - target).square().mean().backward()
        optimizer.step()
        fall.step()
    return f.detach()


@pytest.mark.parametrize("kind", ["surrogate", "transport"])
def test_frequencies_come_from_afar_where_the_derivative_does_not(kind: str) -> None:
    near = 3 * RATE / T  # three bins
    assert abs(float(descended(kind, [900.0], [2_300.0])) - 2_300) < near
    assert abs(float(descended("true", [900.0], [2_300.0])) - 2_300) > 100


def test_transport_carries_what_is_too_much_and_leaves_what_is_right() -> None:
    found = descended("transport", [1_000.0, 2_500.0, 4_000.0], [1_000.0, 3_100.0, 4_000.0])
    assert (found - torch.tensor([1_000.0, 3_100.0, 4_000.0])).abs().max() < 60


def test_only_the_slope_differs_and_blocks_join() -> None:
    f = torch.tensor([[[500.0], [700.0], [600.0]]], requires_grad=True)
    a = torch.full((1, 3, 1), 0.5, requires_grad=True)
    sounds, slopes = [], {}
    for kind in ("true", "surrogate", "transport", "none"):
        made = SinusoidalBank(1, RATE, 400, amp_scale_fn=None, freq_scale_fn=None, freq_grad=kind)  # type: ignore[arg-type]
        sound = made.get_signal(a, f, 800)
        first, state = made.step(a, f, 300)
        second, _ = made.step(a, f, 500, start=300, state=state)
        assert torch.allclose(torch.cat([first, second], 2), sound, atol=1e-6)
        loss = (sound - 0.3).square().sum() + (second - 0.1).square().sum()
        slopes[kind] = torch.autograd.grad(loss, (f, a), allow_unused=True)
        sounds.append(sound.detach())
    assert all(torch.equal(s, sounds[0]) for s in sounds)
    assert all(torch.allclose(s[1], slopes["true"][1]) for s in slopes.values())
    assert slopes["none"][0] is None
    assert all(bool(slopes[k][0].isfinite().all()) for k in ("surrogate", "transport"))
    assert not torch.allclose(slopes["surrogate"][0], slopes["true"][0])


def test_silence_pulls_at_nothing_and_a_wrong_choice_is_named() -> None:
    f = torch.full((1, 2, 1), 500.0, requires_grad=True)
    for kind in ("surrogate", "transport"):
        sound = bank(kind).get_signal(torch.zeros(1, 2, 1), f, 64)
        (slope,) = torch.autograd.grad(sound.square().sum(), f)
        assert float(slope.abs().max()) == 0
    with pytest.raises(ValueError, match="true, surrogate, transport, none"):
        bank("wish")
