"""Delay networks that stand still go faster; what they compute is what moving ones compute."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dspcore import ops

pytestmark = pytest.mark.usefixtures("native")


@pytest.mark.parametrize("shortest", [2.5, 3.0, 40.25, 1_500.5])
@pytest.mark.parametrize("interpolation", ["cubic", "linear"])
def test_a_network_that_stands_still_is_one_that_moves_by_nothing(
    shortest: float, interpolation: str
) -> None:
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    b, lines, t, longest = 2, 5, 2_600, 1_600.0
    x = noise(b, t, lines).mT.requires_grad_()  # not contiguous
    spans = (
        shortest + (longest - 10 - shortest) * torch.rand(b, lines, generator=generator).double()
    )
    spans[:, 0] = shortest
    matrix = 0.9 * torch.linalg.qr(noise(b, lines, lines)).Q
    past = [0.1 * noise(b, lines, int(longest) + 2), noise(b, lines, 0, 2)]
    found = []
    for moves in (False, True):
        d, feedback, before = (v.clone().requires_grad_() for v in (spans, matrix, past[0]))
        y, (after, _) = ops.delay(
            x,
            d[..., None].expand(b, lines, t) if moves else d,
            feedback,
            state=(before, past[1]),
            max_delay=longest,
            interpolation=interpolation,
        )
        loss = (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum() + after.square().sum()
        found.append([y, after, *torch.autograd.grad(loss, [x, d, feedback, before])])
    for still, moving in zip(*found, strict=True):
        torch.testing.assert_close(
            still, moving, rtol=1e-9, atol=1e-9 * float(moving.detach().abs().max())
        )
