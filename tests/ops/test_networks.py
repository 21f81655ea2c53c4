"""Delay networks that stand still go faster; what they compute is what moving ones compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dspcore import ops
from dspcore.ops import design

pytestmark = pytest.mark.usefixtures("native")


@pytest.mark.parametrize("shortest", [2.5, 3.0, 40.25, 1_500.5])
@pytest.mark.parametrize(("interpolation", "sections"), [("cubic", 0), ("linear", 0), ("cubic", 2)])
def test_a_network_that_stands_still_is_one_that_moves_by_nothing(
    shortest: float, interpolation: str, sections: int
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
    past = [0.1 * noise(b, lines, int(longest) + 2), 0.1 * noise(b, lines, sections, 2)]
    cut = design.lowpass(2_000.0 + 4_000.0 * noise(b, lines, sections).abs(), 0.7, 48_000)
    found = []
    for moves in (False, True):
        d, feedback, sos, before, filters = (
            v.clone().requires_grad_() for v in (spans, matrix, cut, *past)
        )
        y, (after, _) = ops.delay(
            x,
            d[..., None].expand(b, lines, t) if moves else d,
            feedback,
            sos[..., None].expand(*sos.shape, t) if moves else sos,
            state=(before, filters),
            max_delay=longest,
            interpolation=interpolation,
        )
        loss = (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum() + after.square().sum()
        wanted = [x, d, feedback, before, *([sos, filters] if sections else [])]
        found.append([y, after, *torch.autograd.grad(loss, wanted)])
    for still, moving in zip(*found, strict=True):
        torch.testing.assert_close(
            still, moving, rtol=1e-9, atol=1e-9 * float(moving.detach().abs().max())
        )


def test_a_state_may_be_continued_twice() -> None:
    """Lines grow in place behind their past; a second continuation must not hear the first."""
    x = torch.randn(2, 2, 40, dtype=torch.float64)
    length, matrix = x.new_tensor([[61.0, 70.5]]).expand(2, 2), 0.5 * x.new_tensor([[0, 1], [1, 0]])

    def run(x: Tensor, state: Any = None) -> Any:
        return ops.delay(x, length, matrix[None], state=state, max_delay=100.0)

    whole = run(torch.cat([x, -x, 2 * x], -1).requires_grad_())[0].detach()
    state = run(x)[1]
    kept = state[0].clone()
    wrong = run(x.flip(-1), state)[0]
    first, after = run(-x, state)
    assert torch.equal(state[0], kept)
    second = run(2 * x, after)[0]
    torch.testing.assert_close(torch.cat([first, second], -1), whole[..., 40:])
    torch.testing.assert_close(run(x.flip(-1), (kept, state[1]))[0], wrong)
