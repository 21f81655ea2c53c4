"""The CUDA kernels, compiled for the CPU by csrc/dsp/emulated_cuda.hpp, against the CPU kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from test_records import cases, leaves, on_tensors, shrink
from torch import Tensor

from dspcore import _native
from dspcore.ops import _op
from dspcore.ops._record import Record, Sample


@contextmanager
def kernels(module: Any) -> Iterator[None]:
    """CPU tensors go to `module` meanwhile."""
    caches = (_op._index, _op._chunk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_native, "module", lambda device: module)
        patch.setattr(_op, "_scans", lambda device, name: name in module.scans())
        for cache in caches:
            cache.cache_clear()
        try:
            yield
        finally:
            for cache in caches:
                cache.cache_clear()


def everything(entry: Record, arguments: tuple[Any, ...], dtype: torch.dtype) -> list[Tensor]:
    """What each of the four kernels gives: results, gradients, their tangents."""
    function, tensors = on_tensors(entry, arguments)
    tensors = [
        t.detach().to(dtype) if i == entry.audio else t.detach() for i, t in enumerate(tensors)
    ]
    for t in tensors:
        t.requires_grad_()
    results = function(*tensors)
    weights = [torch.linspace(-1, 1, y.numel()).reshape(y.shape).to(y.dtype) for y in results]
    loss = sum((y * w).sum() for y, w in zip(results, weights, strict=True))
    gradients = torch.autograd.grad(loss, tensors, create_graph=True)
    moves = tuple(torch.linspace(1, 2, t.numel()).reshape(t.shape).to(t.dtype) for t in tensors)
    slope = sum((g * m).sum() for g, m in zip(gradients, moves, strict=True))
    second = torch.autograd.grad(slope, tensors, allow_unused=True)
    _, tangents = torch.func.jvp(function, tuple(tensors), moves)
    found = [*results, *gradients, *(s for s in second if s is not None), *leaves(tangents)]
    return [t.detach() for t in found]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("entry", "sample"), cases())
def test_cuda_kernels_are_the_cpu_kernels(
    entry: Record, sample: Sample, dtype: torch.dtype, emulated: Any
) -> None:
    with kernels(_native.module("cpu")):
        expected = everything(entry, sample.arguments, dtype)
    with kernels(emulated):
        found = everything(entry, sample.arguments, dtype)
    # Both add in the same order; lanes, chunks and contraction round differently.
    budget = -200.0 if dtype == torch.float64 else entry.budget_db + 30
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        if a.numel():
            peak = b.double().abs().max().clamp(min=1e-30)
            error = (a.double() - b.double()).abs().max() / peak
            assert 20 * torch.log10(error + 1e-30) < budget


@pytest.mark.parametrize(("entry", "sample"), cases(smooth=True))
def test_gradients_of_the_cuda_kernels_are_exact(
    entry: Record, sample: Sample, emulated: Any
) -> None:
    function, tensors = on_tensors(entry, shrink(sample))
    with kernels(emulated):
        assert torch.autograd.gradcheck(function, tensors, eps=1e-7, atol=1e-5)


def test_emulation_covers_every_op_of_the_cpu(emulated: Any) -> None:
    assert emulated.ops() == _native.module("cpu").ops()
    assert emulated.isa() == "emulated"
    assert emulated.chunk < _native.module("cpu").chunk


def test_a_refused_launch_names_the_op_and_the_reason(emulated: Any) -> None:
    index = [name for name, *_ in emulated.ops()].index("biquad_design")
    controls, sos = (torch.zeros(1, n).expand(2**38, n) for n in (3, 6))  # 2^32 blocks
    with pytest.raises(RuntimeError, match="biquad_design: CUDA: invalid configuration argument"):
        emulated.call(index, 0, 1, 0, (0,), controls, sos)
