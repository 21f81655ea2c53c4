"""What a look-ahead limiter promises."""

from __future__ import annotations

import pytest
import torch
from test_records import error_db
from torch import Tensor

from dspcore import ops


def loud(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64) * (1 + 3 * torch.rand(shape) ** 20)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("samples", [0, 1, 7, 240])
def test_no_peak_passes(samples: int, dtype: torch.dtype) -> None:
    x = loud(3, 2, 3_000).to(dtype)
    gain, _ = ops.limiter_gain(x, -6.0, 0.002, lookahead=samples)
    y = ops.lookahead(x, samples)[0] * gain
    ceiling = 10 ** (-6 / 20)
    assert y.abs().max() <= ceiling * (1 + 1e-5 if dtype == torch.float32 else 1 + 1e-12)
    assert y.abs().max() > 0.9 * ceiling


def test_a_signal_below_the_threshold_is_left_alone() -> None:
    x = 0.4 * torch.rand(2, 1, 1_000, dtype=torch.float64)
    gain, _ = ops.limiter_gain(x, -6.0, 0.01, lookahead=50)
    assert torch.equal(gain, torch.ones_like(gain))


def test_the_gain_glides_down_before_a_peak_and_back_after() -> None:
    x = torch.zeros(1, 1, 400, dtype=torch.float64)
    x[..., 100] = 2.0
    gain = ops.limiter_gain(x, 0.0, 0.05, lookahead=20)[0][0, 0]
    assert torch.equal(gain[:100], torch.ones(100, dtype=torch.float64))
    assert (gain[100:121].diff() < 0).all()
    assert gain[120] == pytest.approx(0.5, abs=1e-12)  # the peak arrives 20 samples late
    assert (gain[145:].diff() > 0).all()


def test_blocks_are_one_long_block() -> None:
    x, db = loud(2, 2, 1_100), -6 - 6 * torch.rand(2, 2, 1_100, dtype=torch.float64)
    gradients = []
    for plan in ([1_100], [7] * 158 + [0], [1, 0, 130, 2, 480, 63, 7, 300, 117]):
        leaves = [v.clone().requires_grad_() for v in (x, db)]
        release = torch.full((2, 2), 0.01, dtype=torch.float64, requires_grad=True)
        state, start, out = None, 0, []
        for n in plan:
            cut = (v[..., start : start + n] for v in leaves)
            y, state = ops.limiter_gain(*cut, release, state, lookahead=33)
            out.append(y)
            start += n
        y = torch.cat(out, -1)
        weight = torch.linspace(-1, 1, 1_100, dtype=y.dtype)
        found = torch.autograd.grad((y * weight).sum(), [*leaves, release])
        gradients.append([y.detach(), *found])
    for found in gradients[1:]:
        for a, b in zip(found, gradients[0], strict=True):
            assert error_db(a, b) < -230.0


def test_gradients_are_exact() -> None:
    x = (2 * torch.randn(2, 1, 20, dtype=torch.float64)).requires_grad_()
    db = torch.full((2, 1), -3.0, dtype=torch.float64, requires_grad=True)
    release = torch.full((2, 1), 0.3, dtype=torch.float64, requires_grad=True)

    def gain(x: Tensor, db: Tensor, release: Tensor) -> Tensor:
        return ops.limiter_gain(x, db, release, lookahead=4)[0]

    given = (x, db, release)
    assert torch.autograd.gradcheck(gain, given, check_forward_ad=True, eps=1e-7, atol=1e-5)
    assert torch.autograd.gradgradcheck(
        gain, given, check_fwd_over_rev=True, eps=1e-7, atol=1e-4, rtol=1e-3
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_empty_signals_pass(dtype: torch.dtype) -> None:
    for b, t in ((2, 0), (0, 5), (0, 0)):
        x = torch.zeros(b, 2, t, dtype=dtype)
        gain, state = ops.limiter_gain(x, -6.0, 0.1, lookahead=3)
        assert gain.shape == x.shape
        assert gain.dtype == dtype
        assert [s.shape for s in state] == [(b, 2, 3), (b, 2), (b, 2, 3)]


@pytest.mark.slow
def test_the_limiter_compiles_without_a_graph_break() -> None:
    x = loud(2, 1, 200).requires_grad_()

    def loss(x: Tensor) -> Tensor:
        return ops.limiter_gain(x, -6.0, 0.01, lookahead=9)[0].square().sum()

    (found,) = torch.autograd.grad(torch.compile(loss, fullgraph=True)(x), x)
    (expected,) = torch.autograd.grad(loss(x), x)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("samples", [0, 3, 50])
def test_lookahead_delays_across_blocks(samples: int) -> None:
    x = torch.randn(2, 1, 40)
    whole = ops.lookahead(x, samples)[0]
    state, out = None, []
    for part in x.split(7, -1):
        y, state = ops.lookahead(part, samples, state)
        out.append(y)
    assert torch.equal(torch.cat(out, -1), whole)
    kept = max(0, 40 - samples)
    assert torch.equal(whole[..., 40 - kept :], x[..., :kept])
