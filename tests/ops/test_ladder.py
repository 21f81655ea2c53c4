"""What is true of the ladder: its loop closes, and it says what is wrong."""

from __future__ import annotations

import pytest
import torch

from dspcore import ops


@pytest.mark.parametrize("feedback", [0.0, 0.5, 3.9, 6.0])
@pytest.mark.parametrize("level", [1e-6, 1.0, 30.0, 1e4])
def test_the_saturated_loop_closes_at_every_sample(level: float, feedback: float) -> None:
    """The same ladder read at its input and at its last stage: u = tanh(x - k y)."""
    generator = torch.Generator().manual_seed(0)
    x = level * torch.randn(2, 2, 500, generator=generator, dtype=torch.float64)
    cutoff = 0.001 + 0.489 * torch.rand(2, 2, 500, generator=generator, dtype=torch.float64)
    taps = [
        ops.ladder(x, cutoff, feedback, gains, saturated=True)[0]
        for gains in ((1.0, 0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 1.0))
    ]
    entered, left = taps
    error = (entered - torch.tanh(x - feedback * left)).abs().max()
    assert error < 1e-14 * max(level, 10.0) * (1 + feedback)


def test_without_feedback_it_is_four_one_poles() -> None:
    """Each of them the mean of a one-pole's state before and after."""
    x = torch.randn(1, 2, 300, dtype=torch.float64)
    y, _ = ops.ladder(x, 0.03)
    for _ in range(4):
        g = torch.tan(torch.tensor(torch.pi * 0.03, dtype=torch.float64))
        pole = ((1 - g) / (1 + g)).expand(1, 2)
        high, _ = ops.onepole(x, pole, "highpass")
        x = x - high
    torch.testing.assert_close(y, x)


def test_the_ladder_says_what_is_wrong() -> None:
    x = torch.zeros(2, 1, 10)
    with pytest.raises(ValueError, match=r"ladder: mode must be one of lowpass_24, .*got 'low'"):
        ops.ladder(x, 0.1, mode="low")
    with pytest.raises(ValueError, match="ladder: mode must be a name or five gains, got 2"):
        ops.ladder(x, 0.1, mode=(1.0, 2.0))
    with pytest.raises(ValueError, match=r"ladder: cutoff must be .*got \(3, 1\)"):
        ops.ladder(x, torch.full((3, 1), 0.1))
    with pytest.raises(ValueError, match=r"ladder: state must have the shape \(2, 1, 4\)"):
        ops.ladder(x, 0.1, state=torch.zeros(2, 1, 2))
    with pytest.raises(TypeError, match="ladder: x must be float32 or float64"):
        ops.ladder(x.half(), 0.1)
