"""The room as one op: its two ways of keeping lines, and what it says of wrong lengths."""

from __future__ import annotations

import pytest
import torch

from dspcore import ops

FAR = [71, 83, 67, 97, 101, 79, 66, 90, 70, 69, 68, 67]
NEAR = [5, 7, 4, 9, 6, 11, 3, 8, 5, 4, 3, 2]
pytestmark = pytest.mark.usefixtures("native")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lines_in_blocks_and_lines_kept_for_gradients_are_the_same(dtype: torch.dtype) -> None:
    """Without gradients a line is a loop; with them all of it is kept. Same sums, same bits."""
    x = torch.randn(2, 2, 500, generator=torch.Generator().manual_seed(0)).to(dtype)
    whole, after = ops.freeverb(x, 0.7, 0.3, lengths=[FAR, NEAR])
    kept, past = ops.freeverb(x.clone().requires_grad_(), 0.7, 0.3, lengths=[FAR, NEAR])
    assert torch.equal(kept, whole)
    assert all(torch.equal(a, b) for a, b in zip(past, after, strict=True))
    state, parts = None, []
    for part in x.split([1, 39, 1, 90, 289, 80], -1):
        y, state = ops.freeverb(part, 0.7, 0.3, state, lengths=[FAR, NEAR])
        parts.append(y)
    assert torch.equal(torch.cat(parts, -1), whole)
    assert state is not None
    assert all(torch.equal(a, b) for a, b in zip(state, after, strict=True))


def test_the_four_all_passes_have_the_gain_of_their_formula() -> None:
    """Without feedback the combs make eight clicks of one, which only the all-passes colour."""
    x = torch.zeros(1, 1, 20_000, dtype=torch.float64)
    x[..., 0] = 1.0
    combs = [3, 5, 7, 9, 11, 13, 15, 17]
    y, _ = ops.freeverb(x, 0.0, 0.0, lengths=[[*combs, 70, 50, 30, 20]])
    response = torch.fft.rfft(y[0, 0])
    clicks = torch.zeros(20_000, dtype=torch.float64)
    clicks[combs] = 1.0
    # An all-pass of this form is flat within (1 + 1.5) / (1 + 0.5) and (1 - 1.5) / (1 - 0.5).
    share = response.abs() / torch.fft.rfft(clicks).abs().clamp(min=1e-9)
    heard = torch.fft.rfft(clicks).abs() > 1e-3
    assert float(share[heard].max()) <= (5 / 3) ** 4 + 1e-6
    assert float(share[heard].min()) >= 1.0 - 1e-6


@pytest.mark.parametrize(
    ("lengths", "said"),
    [
        ([FAR], r"lengths must be 12 for each of the 2 channels of x, at most 2; got \[12\]"),
        ([FAR, FAR[:11]], r"got \[12, 11\]"),
        ([FAR, [0, *FAR[1:]]], "lengths must be whole samples, 1 to 1048575, got 0"),
        ([FAR, [2.5, *FAR[1:]]], "whole samples, .* got 2.5"),
    ],
)
def test_wrong_lengths_are_named(lengths: list[list[int]], said: str) -> None:
    with pytest.raises(ValueError, match=f"^freeverb: .*{said}"):
        ops.freeverb(torch.zeros(1, 2, 10), 0.5, 0.2, lengths=lengths)
