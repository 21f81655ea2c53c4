"""Convolutions against their sums, sample by sample, and in blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from test_records import error_db
from torch import Tensor

from dspcore import ops

PLANS = ([300], [7] * 43, [1, 0, 130, 2, 63, 104])


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def summed(x: Tensor, h: Tensor) -> Tensor:
    """Each row by `numpy.convolve`, all of it."""
    full = h.expand(*x.shape[:2], -1)
    rows = zip(x.flatten(0, 1), full.flatten(0, 1), strict=True)
    y = [torch.from_numpy(np.convolve(a.numpy(), b.numpy())) for a, b in rows]
    return torch.stack(y).unflatten(0, x.shape[:2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("t", "n"),
    [(1, 1), (5, 1), (1, 9), (50, 50), (20, 300), (5_000, 3), (777, 64), (9_001, 100)],
)
def test_convolve_is_the_sum(t: int, n: int, dtype: torch.dtype) -> None:
    x, h = noise(2, 3, t), noise(1, 3, n)
    y, tail = ops.convolve(x.to(dtype), h.to(dtype))
    budget = -115.0 if dtype == torch.float32 else -280.0
    assert y.shape == x.shape
    assert error_db(torch.cat([y, tail], -1), summed(x, h)) < budget


def frames_summed(x: Tensor, taps: Tensor, hop: int) -> Tensor:
    y = torch.zeros_like(x)
    full = taps.expand(*x.shape[:2], -1, -1)
    for t in range(x.shape[-1]):
        k, way = t // hop, (t % hop) / hop
        h = (1 - way) * full[..., k] + way * full[..., min(k + 1, full.shape[-1] - 1)]
        for i in range(min(t + 1, h.shape[-1])):
            y[..., t] += h[..., i] * x[..., t - i]
    return y


@pytest.mark.parametrize(("hop", "n", "f"), [(1, 3, 60), (10, 25, 6), (10, 1, 7), (64, 8, 1)])
def test_fir_frames_is_the_sum(hop: int, n: int, f: int) -> None:
    x, taps = noise(2, 2, 60), noise(1, 2, n, f)
    truth = frames_summed(x, taps, hop)
    assert error_db(ops.fir_frames(x, taps, hop=hop)[0], truth) < -280.0
    assert error_db(ops.fir_frames(x.float(), taps.float(), hop=hop)[0], truth) < -115.0


@pytest.mark.parametrize("plan", PLANS, ids=["one", "of seven", "mixed"])
@pytest.mark.parametrize("n", [1, 30, 32, 100])
@pytest.mark.parametrize("zero_latency", [True, False])
def test_partitions_give_the_convolution(n: int, zero_latency: bool, plan: list[int]) -> None:
    x, h = noise(2, 1, sum(plan)), noise(2, 1, n)
    convolver, state, out = ops.Partitioned(h, block=32, zero_latency=zero_latency), None, []
    for part in x.split(plan, -1):
        y, state = convolver(part, state)
        assert y.shape == part.shape
        out.append(y)
    late = convolver.latency
    assert late == (0 if zero_latency else 32)
    y, truth = torch.cat(out, -1), summed(x, h)[..., : x.shape[-1]]
    assert error_db(y[..., late:], truth[..., : x.shape[-1] - late]) < -280.0
    assert late == 0 or y[..., :late].abs().max() == 0


CASES: dict[str, Callable[..., Any]] = {
    "convolve": lambda x, h, state, start: ops.convolve(x, h, state),
    "fir_frames": lambda x, h, state, start: ops.fir_frames(
        x, h[..., None] * torch.linspace(1, 2, 20, dtype=h.dtype), state, hop=16, start=start
    ),
    "partitions": lambda x, h, state, start: ops.Partitioned(h, block=8)(x, state),
    "late partitions": lambda x, h, state, start: ops.Partitioned(h, block=8, zero_latency=False)(
        x, state
    ),
}
EVERY = pytest.mark.parametrize("run", CASES.values(), ids=CASES)


def convolve_by_scipy(x: Tensor, h: Tensor, state: Any, start: int) -> Any:
    """Much sound's transforms for a little."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dspcore.ops._filtered._MUCH", 0)
        return ops.convolve(x, h, state)


EVERY_WAY = pytest.mark.parametrize(
    "run", [*CASES.values(), convolve_by_scipy], ids=[*CASES, "convolve by SciPy"]
)


@pytest.mark.parametrize("plan", PLANS[1:], ids=["of seven", "mixed"])
@EVERY_WAY
def test_blocks_are_one_long_block(run: Callable[..., Any], plan: list[int]) -> None:
    x, h, results = noise(2, 2, sum(plan)), noise(2, 2, 21), []
    for lengths in ([sum(plan)], plan):
        leaves = [v.clone().requires_grad_() for v in (x, h)]
        state, start, out = None, 0, []
        for part in leaves[0].split(lengths, -1):
            y, state = run(part, leaves[1], state, start)
            start += part.shape[-1]
            out.append(y)
        y = torch.cat(out, -1)
        weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)
        results.append([y.detach(), *torch.autograd.grad((y * weight).sum(), leaves)])
    for found, whole in zip(*results, strict=True):
        assert error_db(found, whole) < -250.0


@EVERY_WAY
def test_gradients_are_exact(run: Callable[..., Any]) -> None:
    given = (noise(2, 1, 20).requires_grad_(), noise(2, 1, 11).requires_grad_())

    def output(x: Tensor, h: Tensor) -> Tensor:
        return run(x, h, None, 0)[0]

    assert torch.autograd.gradcheck(output, given, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(output, given, check_fwd_over_rev=True)


def test_gradients_of_many_directions_at_once_agree() -> None:
    x, h = noise(2, 1, 20).requires_grad_(), noise(2, 1, 11).requires_grad_()
    y, directions = convolve_by_scipy(x, h, None, 0)[0], noise(3, 2, 1, 20)
    together = torch.autograd.grad(y, [x, h], directions, retain_graph=True, is_grads_batched=True)
    for i, direction in enumerate(directions):
        for all_, one in zip(
            together, torch.autograd.grad(y, [x, h], direction, True), strict=True
        ):
            torch.testing.assert_close(all_[i], one)


@EVERY
def test_functorch_transforms_agree(run: Callable[..., Any]) -> None:
    x, h = noise(3, 2, 1, 20), noise(3, 2, 1, 9)

    def loss(x: Tensor, h: Tensor) -> Tensor:
        return run(x, h, None, 0)[0].square().sum()

    together = torch.func.vmap(torch.func.grad(loss, argnums=1))(x, h)
    for i in range(3):
        torch.testing.assert_close(together[i], torch.func.grad(loss, argnums=1)(x[i], h[i]))


@EVERY
def test_empty_signals_pass(run: Callable[..., Any]) -> None:
    h = noise(1, 2, 5)
    for b, t in ((2, 0), (0, 5), (0, 0)):
        assert run(noise(b, 2, t), h, None, 0)[0].shape == (b, 2, t)
    _, state = run(noise(2, 2, 9), h, None, 0)
    _, after = run(noise(2, 2, 0), h, state, 9)
    before, same = (s if isinstance(s, tuple) else (s,) for s in (state, after))
    for a, b in zip(before, same, strict=True):
        assert torch.equal(a, b) if isinstance(a, Tensor) else a == b


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex")
@EVERY
def test_compiles_without_a_graph_break(run: Callable[..., Any]) -> None:
    x, h = noise(2, 1, 50).requires_grad_(), noise(2, 1, 9).requires_grad_()

    def loss(x: Tensor, h: Tensor) -> Tensor:
        return run(x, h, None, 0)[0].square().sum()

    torch.compiler.reset()
    found = torch.autograd.grad(
        torch.compile(loss, fullgraph=True, backend="aot_eager")(x, h), (x, h)
    )
    for f, e in zip(found, torch.autograd.grad(loss(x, h), (x, h)), strict=True):
        torch.testing.assert_close(f, e)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ops.convolve(noise(2, 3, 9), noise(2, 2, 4)),
            r"convolve: h must be \(2, 3, n\).*got \(2, 2, 4\)",
        ),
        (lambda: ops.convolve(noise(2, 3, 9), noise(1, 1, 0)), r"convolve: h .*got \(1, 1, 0\)"),
        (
            lambda: ops.convolve(noise(2, 3, 9), noise(1, 1, 4), noise(2, 3, 4)),
            r"convolve: state must have the shape \(2, 3, 3\).*got \(2, 3, 4\)",
        ),
        (
            lambda: ops.fir_frames(noise(2, 3, 9), noise(2, 3, 4), hop=3),
            r"fir_frames: taps must be \(2, 3, n, f\).*got \(2, 3, 4\)",
        ),
        (
            lambda: ops.fir_frames(noise(1, 1, 9), noise(1, 1, 4, 2), hop=0),
            "fir_frames: hop must be at least 1 .*got 0 and 0",
        ),
        (
            lambda: ops.fir_frames(noise(1, 1, 9), noise(1, 1, 4, 2), hop=4),
            "fir_frames: 2 frames at hop 4 reach 8 samples, 9 are wanted",
        ),
        (lambda: ops.Partitioned(noise(1, 1, 9), block=0), "Partitioned: block .*got 0"),
        (
            lambda: ops.Partitioned(noise(1, 1, 9), block=2)(
                noise(2, 1, 5), ops.Partitioned(noise(1, 1, 9), block=4)(noise(2, 1, 5))[1]
            ),
            "Partitioned: state must come from a call .*the same block",
        ),
    ],
)
def test_wrong_arguments_are_named(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("h_rows", [(1, 1), (1, 2), (17, 2)])
def test_many_rows_share_or_own_a_response_on_any_number_of_threads(
    h_rows: tuple[int, int],
) -> None:
    x, h = torch.randn(17, 2, 30_000), torch.randn(*h_rows, 2_000)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            leaves = [x.clone().requires_grad_(), h.clone().requires_grad_()]
            y = ops.convolve(*leaves)[0]
            assert torch.equal(y, ops.convolve(x, h)[0])
            found.append([y, *torch.autograd.grad(y.square().sum(), leaves)])
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*found, strict=True):
        assert torch.equal(one, two)
    x, h = x.double().requires_grad_(), h.double().requires_grad_()
    y = torch.fft.irfft(torch.fft.rfft(x, 32_768) * torch.fft.rfft(h, 32_768))[..., :30_000]
    truth = [y, *torch.autograd.grad(y.square().sum(), [x, h])]
    for one, true in zip(found[0], truth, strict=True):
        assert error_db(one.detach(), true.detach()) < -115.0
