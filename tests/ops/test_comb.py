"""Combs and Schroeder's all-pass against their difference equations."""

from __future__ import annotations

import pytest
import torch
from test_records import error_db
from torch import Tensor

from dspcore import ops


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def by_equation(x: Tensor, d: int, feedback: float, feedforward: float, blend: float) -> Tensor:
    w, y = torch.zeros_like(x), torch.zeros_like(x)
    for t in range(x.shape[-1]):
        past = w[..., t - d] if t >= d else torch.zeros_like(x[..., 0])
        w[..., t] = x[..., t] + feedback * past
        y[..., t] = blend * w[..., t] + feedforward * past
    return y


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gains", [(0.7, 0.0, 1.0), (0.0, -0.6, 1.0), (0.5, 1.0, -0.5)])
def test_comb_is_its_equation(gains: tuple[float, float, float], dtype: torch.dtype) -> None:
    x = noise(2, 3, 200)
    y, state = ops.comb(x.to(dtype), 13.0, *gains, max_delay=20.0)
    assert error_db(y, by_equation(x, 13, *gains)) < (-120 if dtype == torch.float32 else -250)
    assert state.shape == (2, 3, 22)


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_schroeder_passes_every_frequency_alike(interpolation: str) -> None:
    x = torch.nn.functional.pad(torch.ones(1, 1, 1, dtype=torch.float64), (0, 4_095))
    y, _ = ops.schroeder(x, 37.0, 0.6, max_delay=40.0, interpolation=interpolation)
    size = torch.fft.rfft(y).abs()
    assert (size - 1).abs().max() < 1e-9


def test_a_feedforward_comb_has_notches_between_the_samples() -> None:
    """A delay of 20.5 samples has its first notch at 1 / 41 cycles per sample."""
    t = torch.arange(2_000, dtype=torch.float64)
    x = torch.sin(2 * torch.pi * t / 41)[None, None]
    y, _ = ops.comb(x, 20.5, feedforward=1.0, max_delay=30.0)
    assert y[..., 100:].abs().max() < 1e-4


@pytest.mark.parametrize("op", ["comb", "schroeder"])
def test_gradients_are_exact(op: str) -> None:
    def output(x: Tensor, d: Tensor, gain: Tensor, state: Tensor) -> Tensor:
        return getattr(ops, op)(x, d, gain, state=state, max_delay=5.0)[0]

    x, state = noise(2, 2, 12).requires_grad_(), noise(2, 2, 7).requires_grad_()
    d = (2.2 + 2 * torch.rand(2, 2, 12, dtype=torch.float64)).requires_grad_()
    gain = (0.5 * torch.rand(2, 2, dtype=torch.float64)).requires_grad_()
    given = (x, d, gain, state)
    assert torch.autograd.gradcheck(output, given, check_forward_ad=True, eps=1e-7, atol=1e-5)
    assert torch.autograd.gradgradcheck(
        output, given, check_fwd_over_rev=True, eps=1e-7, atol=1e-4, rtol=1e-3
    )


def test_functorch_transforms_agree() -> None:
    x, gain = noise(3, 2, 1, 30), 0.5 * torch.rand(3, 2, 1, dtype=torch.float64)

    def loss(x: Tensor, gain: Tensor) -> Tensor:
        return ops.schroeder(x, 4.3, gain, max_delay=6.0)[0].square().sum()

    together = torch.func.vmap(torch.func.grad(loss, argnums=1))(x, gain)
    for i in range(3):
        torch.testing.assert_close(together[i], torch.func.grad(loss, argnums=1)(x[i], gain[i]))


@pytest.mark.parametrize("plan", [[7] * 43, [1, 0, 130, 2, 63, 104]], ids=["of seven", "mixed"])
def test_blocks_are_one_long_block(plan: list[int]) -> None:
    t = sum(plan)
    x, d = noise(2, 2, t), 2 + 30 * torch.rand(2, 2, t, dtype=torch.float64)
    whole, after = ops.comb(x, d, 0.6, 0.3, 0.8, max_delay=40.0)
    state, out = None, []
    for a, b in zip(x.split(plan, -1), d.split(plan, -1), strict=True):
        y, state = ops.comb(a, b, 0.6, 0.3, 0.8, state, max_delay=40.0)
        out.append(y)
    assert state is not None
    assert error_db(torch.cat(out, -1), whole) < -250
    assert error_db(state, after) < -250


def test_empty_signals_pass() -> None:
    for b, t in ((2, 0), (0, 5), (0, 0)):
        y, state = ops.schroeder(noise(b, 2, t), 4.0, 0.5, max_delay=6.0)
        assert y.shape == (b, 2, t)
        assert state.shape == (b, 2, 8)


@pytest.mark.slow
def test_compiles_without_a_graph_break() -> None:
    x, gain = noise(2, 1, 50).requires_grad_(), torch.tensor([[0.5]]).double().requires_grad_()

    def loss(x: Tensor, gain: Tensor) -> Tensor:
        return ops.schroeder(x, 4.5, gain, max_delay=6.0)[0].square().sum()

    found = torch.autograd.grad(torch.compile(loss, fullgraph=True)(x, gain), (x, gain))
    for f, e in zip(found, torch.autograd.grad(loss(x, gain), (x, gain)), strict=True):
        torch.testing.assert_close(f, e)


def test_wrong_arguments_are_named() -> None:
    x = noise(2, 3, 9)
    with pytest.raises(ValueError, match=r"schroeder: gain must be .*got \(4,\)"):
        ops.schroeder(x, 4.0, noise(4), max_delay=6.0)
    with pytest.raises(ValueError, match=r"comb: delay_samples .*got \(2, 2\)"):
        ops.comb(x, noise(2, 2), max_delay=6.0)
    with pytest.raises(ValueError, match=r"comb: state .*got \(6, 1, 8\)"):
        ops.comb(x, 4.0, state=noise(6, 1, 8), max_delay=6.0)
