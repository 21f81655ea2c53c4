"""Recursions divided along time, as on a GPU: the emulated CUDA kernels against the CPU's.

A row is divided from 1,024 samples on, into parts of 128 or more; more than 64 parts make a second
level of the scan, more than 4,096 a third. What is not linear is divided forwards from 32,768 on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from test_emulated_cuda import kernels
from torch import Tensor

from dspcore import _native, ops

Function = Callable[..., tuple[Tensor, Tensor]]
Case = tuple[Function, tuple[Tensor, ...]]  # the op on x, controls and state; the controls


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def between(low: float, high: float, *shape: int, seed: int = 1) -> Tensor:
    return low + (high - low) * noise(*shape, seed=seed).sigmoid()


def sections(*shape: int) -> Tensor:
    """Pole pairs of radius 0.5 to 0.97 anywhere, zeros anywhere: (..., 6)."""
    radius, angle = between(0.5, 0.97, *shape), between(0.05, math.pi, *shape, seed=2)
    a = torch.stack([torch.ones_like(radius), -2 * radius * angle.cos(), radius**2], -1)
    return torch.cat([noise(*shape, 3, seed=3), a], -1)


def coefficients(b: int, c: int, order: int, t: int) -> Tensor:
    """a_1 ... of a wandering pole pair of radius 0.975, others well inside: (b, c, order, t)."""
    if order > 5:
        a = noise(b, c, order, 1) * 0.4 / order
        return a * (1 + 0.2 * torch.cos(torch.arange(t, dtype=torch.float64) / 40))
    angle = between(0.1, 0.5, b, c)
    if order == 1:
        a = torch.full((b, c, 1), -0.99, dtype=torch.float64)
    else:
        pair = [torch.ones_like(angle), -1.95 * angle.cos(), torch.full_like(angle, 0.950625)]
        others = [(1.0,), (1.0, 0.3), (1.0, 0.5, 0.06)][min(order, 4) - 2]
        a = torch.zeros(b, c, order + 1, dtype=torch.float64)
        for i, other in enumerate(others):
            a[..., i : i + 3] += other * torch.stack(pair, -1)
        a = a[..., 1:]
    wander = 1 - 1e-3 * (1 + torch.cos(torch.arange(t, dtype=torch.float64) / 40))
    return a[..., None] * (wander if t > 1 else 1.0)


def relative_db(found: Tensor, expected: Tensor) -> float:
    peak = expected.double().abs().max().clamp(min=1e-30)
    error = (found.double() - expected.double()).abs().max() / peak
    return 20 * math.log10(float(error) + 1e-30)


def everything(
    module: Any, function: Function, x: Tensor, controls: tuple[Tensor, ...], state: Tensor
) -> list[Tensor]:
    """Results and gradients to all arguments under a fixed cotangent of both results."""
    tensors = [t.detach().requires_grad_() for t in (x, *controls, state)]
    with kernels(module):
        y, after = function(*tensors)
        weights = [noise(*r.shape, seed=5 + i).to(r.dtype) for i, r in enumerate((y, after))]
        loss = (y * weights[0]).sum() + (after * weights[1]).sum()
        gradients = torch.autograd.grad(loss, tensors)
    return [y.detach(), after.detach(), *gradients]


def case(name: str, b: int, c: int, t: int) -> Case:
    if name.startswith("sosfilt"):
        k = int(name[-1])
        if "moving" in name:
            return ops.sosfilt, (sections(b, c, k, t).movedim(3, -1),)
        return ops.sosfilt, (sections(b, c, k),)
    if name.startswith(("allpole", "lfilter")):
        order = int(name.split()[-1])
        a = coefficients(b, c, order, t if "moving" in name else 1)
        if name.startswith("allpole"):
            return ops.allpole, (a if "moving" in name else a[..., 0],)
        zeros = noise(b, c, order + 1, t if "moving zeros" in name else 1, seed=3)
        poles = torch.cat([torch.ones_like(a[:, :, :1]), a], 2)
        return ops.lfilter, (zeros, poles)
    if name in NOT_LINEAR:
        return NOT_LINEAR[name]
    n = (b, c, t) if "moving" in name else (b, c)
    if name.startswith("chain"):
        poles, feedback = between(-0.9, 0.9, *n), between(0.1, 0.8, b, c, seed=3)
        stages = int(name[-1])
        return lambda x, a, f, s: ops.allpass_chain(x, a, f, s, stages=stages), (poles, feedback)
    cutoff, q = between(0.002, 0.3, *n), between(0.6, 4, *n)
    if name.startswith("onepole"):
        mode = name.split()[1]
        return lambda x, p, s: ops.onepole(x, p, mode, s), (between(0.3, 0.99, *n),)
    if name.startswith("ladder"):
        return lambda x, f, k, s: ops.ladder(x, f, k, state=s), (cutoff, between(0.1, 3, *n))
    if name == "svf half moving":
        q = q[..., 0]
    return lambda x, f, r, s: ops.svf(x, f, r, (0.3, 1.0, 0.5), s), (cutoff, q)


def numbers(*values: float) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(value, dtype=torch.float64) for value in values)


# Their adjoints are linear; forwards the states at the begins of long rows' parts settle in rounds,
# but for a ladder that howls, which is gone through part after part.
NOT_LINEAR: dict[str, Case] = {
    "envelope": (ops.envelope, numbers(0.3, 0.01)),
    "saturated": (
        lambda x, f, k, s: ops.ladder(x, f, k, saturated=True, state=s),
        numbers(0.1, 2.5),
    ),
    "saturated, howling": (
        lambda x, f, k, s: ops.ladder(3 * x, f, k, saturated=True, state=s),
        numbers(0.1, 5.0),
    ),
    "compressor": (ops.compressor_gain, numbers(-20.0, 4.0, 6.0, 0.02, 0.0005)),
}


def state_of(name: str, b: int, c: int) -> Tensor:
    if name in ("envelope", "compressor"):
        return noise(b, c, seed=4)
    if name.startswith("chain"):
        return noise(b, c, int(name[-1]), seed=4)
    if name.startswith("sosfilt"):
        return noise(b, c, int(name[-1]), 2, seed=4)
    if name.startswith(("allpole", "lfilter")):
        return noise(b, c, int(name.split()[-1]), seed=4)
    if name.startswith("onepole"):
        return noise(b, c, seed=4)
    return noise(b, c, 4 if name.startswith(("ladder", "saturated")) else 2, seed=4)


CASES = [
    ("sosfilt 1", (1, 1, 1023)),
    ("sosfilt 1", (1, 1, 1024)),
    ("sosfilt 1", (2, 1, 1025)),
    ("sosfilt 3", (1, 3, 1151)),
    ("sosfilt 3", (2, 2, 1153)),
    ("sosfilt 2", (1, 1, 9001)),
    ("sosfilt 8", (1, 1, 1300)),
    ("sosfilt moving 1", (1, 2, 1025)),
    ("sosfilt moving 3", (2, 1, 1153)),
    ("sosfilt moving 2", (1, 1, 8449)),
    ("svf", (1, 2, 1025)),
    ("svf moving", (2, 2, 1281)),
    ("svf half moving", (1, 1, 8449)),
    ("onepole lowpass", (1, 1, 1039)),
    ("onepole highpass", (3, 1, 1024)),
    ("onepole allpass moving", (1, 2, 9001)),
    ("ladder", (1, 2, 1153)),
    ("ladder moving", (1, 1, 1041)),
    ("allpole 1", (2, 1, 1024)),
    ("allpole 2", (1, 2, 1153)),
    ("allpole 4", (1, 1, 9001)),
    ("allpole 5", (1, 1, 1100)),
    ("allpole 22", (1, 2, 1153)),
    ("allpole 33", (1, 1, 1100)),
    ("allpole moving 7", (1, 1, 8449)),
    ("allpole moving 32", (1, 2, 1025)),
    ("allpole moving 2", (2, 1, 1025)),
    ("allpole moving 3", (1, 1, 8449)),
    ("lfilter 2", (1, 2, 1025)),
    ("lfilter 4", (1, 1, 1300)),
    ("lfilter 9", (1, 1, 1300)),
    ("lfilter moving 3", (2, 1, 1153)),
    ("lfilter moving 11", (1, 1, 1025)),
    ("lfilter moving zeros 2", (1, 1, 8449)),
    ("chain 4", (1, 2, 1153)),
    ("chain moving 6", (1, 1, 8449)),
    ("envelope", (2, 1, 1153)),
    ("envelope", (2, 1, 33_000)),
    ("saturated", (1, 2, 1041)),
    ("saturated", (1, 1, 33_000)),
    ("saturated, howling", (1, 1, 33_000)),
    ("compressor", (2, 1, 1041)),
    ("compressor", (1, 2, 33_000)),
]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_a_divided_row_is_the_whole_row(
    name: str, shape: tuple[int, int, int], dtype: torch.dtype, emulated: Any
) -> None:
    function, controls = case(name, *shape)
    x, state = noise(*shape), state_of(name, *shape[:2])
    cpu = _native.module("cpu")
    expected = everything(cpu, function, x, controls, state)
    found = everything(emulated, function, x.to(dtype), controls, state.to(dtype))
    if dtype == torch.float64:
        assert max(relative_db(a, b) for a, b in zip(found, expected, strict=True)) < -220
        return
    whole = everything(cpu, function, x.to(dtype), controls, state.to(dtype))
    for a, b, w in zip(found, expected, whole, strict=True):
        assert relative_db(a, b) < max(-105.0, relative_db(w, b) + 6)


@pytest.mark.gpu
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_a_divided_row_on_a_gpu_is_the_whole_row(name: str, shape: tuple[int, int, int]) -> None:
    function, controls = case(name, *shape)
    x, state = noise(*shape), state_of(name, *shape[:2])
    cpu = _native.module("cpu")
    expected = everything(cpu, function, x, controls, state)
    tensors = [t.cuda().requires_grad_() for t in (x, *controls, state)]
    y, after = function(*tensors)
    weights = [noise(*r.shape, seed=5 + i).cuda() for i, r in enumerate((y, after))]
    loss = (y * weights[0]).sum() + (after * weights[1]).sum()
    found = [y.detach(), after.detach(), *torch.autograd.grad(loss, tensors)]
    for a, b in zip(found, expected, strict=True):
        assert relative_db(a.cpu(), b) < -220


@pytest.mark.gpu
def test_a_divided_row_is_captured_in_a_graph() -> None:
    x, sos = noise(1, 1, 9001).cuda(), sections(2).cuda()
    expected, _ = ops.sosfilt(x, sos)
    graph = torch.cuda.CUDAGraph()
    still = torch.zeros_like(x)
    with torch.cuda.graph(graph):
        y, _ = ops.sosfilt(still, sos)
    still.copy_(x)
    graph.replay()
    assert torch.equal(y, expected)


def test_three_levels_of_maps_are_one_long_recursion(emulated: Any) -> None:
    x, sos = noise(1, 1, 64 * 64 * 128 + 777), sections(1)
    both = []
    for module in (_native.module("cpu"), emulated):
        with kernels(module):
            both.append(ops.sosfilt(x, sos))
    assert emulated_memory(emulated, x, sos) > 0
    for a, b in zip(*reversed(both), strict=True):
        assert relative_db(a, b) < -220


@pytest.mark.parametrize("moving", [False, True])
def test_a_low_corner_with_high_resonance_keeps_its_digits(moving: bool, emulated: Any) -> None:
    t = 24_000
    x = noise(1, 1, t)
    low = ops.design.lowpass(20.0, 10.0, sample_rate=48_000.0)
    sos = low.expand(1, 6)
    if moving:  # the same at every sample: errors of the parts' maps would all point one way
        sos = sos[None, None, :, :, None].expand(1, 1, 1, 6, t)
    state = torch.zeros(1, 1, 1, 2, dtype=torch.float64)
    cpu = _native.module("cpu")
    truth = everything(cpu, ops.sosfilt, x, (sos,), state)
    found = everything(emulated, ops.sosfilt, x.float(), (sos,), state.float())
    y, after, *gradients = (relative_db(a, b) for a, b in zip(found, truth, strict=True))
    assert y < -118  # sample by sample it is -113 to -123
    assert max(after, *gradients) < -110


def test_strided_signals_and_gradients(emulated: Any) -> None:
    x = noise(3, 1200, 4)[:, :, ::2].transpose(1, 2)[::2]
    sos = sections(1, 1, 2)
    state = noise(2, 2, 2, 2).transpose(0, 2)
    both = []
    for module in (_native.module("cpu"), emulated):
        arguments = [t.detach().requires_grad_() for t in (x, sos, state)]
        with kernels(module):
            y, after = ops.sosfilt(*arguments)
            gradients = torch.autograd.grad((y.sin() + y.flip(2)).sum() + after.sum(), arguments)
        both.append([y.detach(), after.detach(), *gradients])
    for a, b in zip(*reversed(both), strict=True):
        assert relative_db(a, b) < -220


def test_blocks_of_any_size_are_one_long_block(emulated: Any) -> None:
    x, sos = noise(1, 2, 4000), sections(3)
    with kernels(emulated):
        whole, end = ops.sosfilt(x, sos)
        state: Tensor | None = None
        parts: list[Tensor] = []
        for block in x.split([1300, 90, 2610], 2):
            y, state = ops.sosfilt(block, sos, state)
            parts.append(y)
    assert relative_db(torch.cat(parts, 2), whole) < -240
    assert state is not None
    assert relative_db(state, end) < -240


def test_only_some_gradients(emulated: Any) -> None:
    """That of a parameter that moves, or of one that does not; none of the signal."""
    x, moving, still = noise(1, 1, 1100), between(0.01, 0.3, 1, 1, 1100), between(0.6, 4, 1, 1)
    for wanted in (0, 1):
        both = []
        for module in (_native.module("cpu"), emulated):
            controls = [
                t.detach().requires_grad_(i == wanted) for i, t in enumerate((moving, still))
            ]
            with kernels(module):
                y, _ = ops.svf(x, *controls)
                both.append(torch.autograd.grad(y.square().sum(), controls[wanted])[0])
        assert relative_db(both[1], both[0]) < -220


def test_what_is_not_a_number_touches_nothing_before_it(emulated: Any) -> None:
    x, sos = noise(1, 1, 9000), sections(2)
    with kernels(emulated):
        clean, _ = ops.sosfilt(x, sos)
        x[..., 5000] = math.nan
        y, _ = ops.sosfilt(x, sos)
    assert torch.equal(y[..., :5000], clean[..., :5000])
    assert bool(y[..., 5000:].isnan().all())


def swells(t: int) -> Tensor:
    """Noise that comes and goes, and is silent for a while."""
    time = torch.arange(t, dtype=torch.float64)
    return noise(1, 1, t) * (1.0001 - torch.cos(time / 3000)) * (time % 20_000 > 4000)


@pytest.mark.parametrize("release", [0.1, 1e-3, 2e-5])
@pytest.mark.parametrize("attack", [1.0, 0.02, 5e-4])
def test_smoothers_settle_whatever_their_times(
    attack: float, release: float, emulated: Any
) -> None:
    x, controls = swells(70_000).abs(), numbers(attack, release)
    both = []
    for module in (_native.module("cpu"), emulated):
        with kernels(module):
            both.append(ops.envelope(x, *controls))
    for a, b in zip(*reversed(both), strict=True):
        assert relative_db(a, b) < -220


def test_a_direction_of_a_long_smoother_goes_row_by_row(emulated: Any) -> None:
    x, controls = swells(33_000), numbers(-20.0, 4.0, 6.0, 0.02, 0.0005)
    both = []
    for module in (_native.module("cpu"), emulated):
        with kernels(module):
            gain = torch.func.jvp(
                lambda x: ops.compressor_gain(x, *controls)[0], (x,), (torch.ones_like(x),)
            )
        both.append(gain)
    for a, b in zip(*reversed(both), strict=True):
        assert relative_db(a, b) < -220


def test_what_is_not_a_number_in_a_smoother_touches_nothing_before_it(emulated: Any) -> None:
    x, controls = swells(33_000).abs(), numbers(0.02, 0.0005)
    with kernels(emulated):
        clean, _ = ops.envelope(x, *controls)
        x[..., 15_000] = math.nan
        y, _ = ops.envelope(x, *controls)
    assert torch.equal(y[..., :15_000], clean[..., :15_000])
    assert bool(y[..., 15_000:].isnan().all())


def emulated_memory(module: Any, x: Tensor, sos: Tensor) -> int:
    """Float64 numbers that the forward kernel of sosfilt asks for."""
    index = [name for name, *_ in module.ops()].index("sosfilt")
    b, c, _ = x.shape
    k = sos.shape[0]
    state = torch.zeros(1).expand(b, c, k, 2)
    full = sos[None, None, :, :, None].expand(b, c, k, 6, 1)
    return int(module.scan_memory(index, 0, (0,), x, full, state, x, state, None))


@pytest.mark.parametrize(
    ("shape", "divided"),
    [
        ((1, 1, 1023), False),
        ((1, 1, 1024), True),
        ((1, 1, 28_800_000), True),
        ((256, 1, 88_200), True),
        ((8192, 1, 88_200), True),
        ((8193, 1, 88_200), False),
    ],
)
def test_rows_are_divided_until_they_fill_a_gpu(
    shape: tuple[int, int, int], divided: bool, emulated: Any
) -> None:
    size = emulated_memory(emulated, torch.zeros(1).expand(shape), sections(1))
    assert (size > 0) == divided
    assert size * 8 < 10e6  # beside the 115 MB of ten minutes


def test_a_call_without_the_memory_for_its_scan_says_so(emulated: Any) -> None:
    index = [name for name, *_ in emulated.ops()].index("sosfilt")
    x, sos, state = (
        noise(1, 1, 2000),
        sections(1, 1, 1)[..., None],
        torch.zeros(1, 1, 1, 2).double(),
    )
    with pytest.raises(RuntimeError, match="sosfilt: called without the memory for its scan"):
        emulated.call(index, 0, 1, 0, (0,), x, sos, state, x.clone(), state.clone(), None)
