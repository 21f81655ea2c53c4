"""What every op must pass, read from its record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from dspcore import _native, ops
from dspcore.ops._record import RECORDS, Record, Sample

assert ops
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def cases(*, smooth: bool = False) -> list[Any]:
    found = []
    for entry in RECORDS.values():
        assert entry.samples is not None
        for sample in entry.samples(torch.Generator().manual_seed(0)):
            if sample.smooth or not smooth:
                found.append(pytest.param(entry, sample, id=f"{entry.name}: {sample.name}"))
    return found


#: The first smooth sample of every op, by its name.
FIRST: dict[str, str] = {}
for _case in cases(smooth=True):
    FIRST.setdefault(_case.values[0].name, _case.values[1].name)


def shrink(sample: Sample, most: int = 12) -> tuple[Any, ...]:
    """The sample with few items on long axes, so that finite differences stay affordable."""
    longest = max(a.shape[-1] for a in sample.arguments if isinstance(a, Tensor))
    if longest <= 40:
        return sample.arguments
    return tuple(
        a[..., :most] if isinstance(a, Tensor) and a.shape[-1] == longest else a
        for a in sample.arguments
    )


def first(result: Any) -> Tensor:
    return result if isinstance(result, Tensor) else result[0]


def leaves(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    return [leaf for part in result for leaf in leaves(part)]


def on_tensors(
    entry: Record, arguments: tuple[Any, ...], device: str = "cpu"
) -> tuple[Callable[..., Any], list[Tensor]]:
    """The op as a function of its tensors alone, and those as leaves."""
    places = [i for i, a in enumerate(arguments) if isinstance(a, Tensor)]

    def function(*tensors: Tensor) -> Any:
        full = list(arguments)
        for place, tensor in zip(places, tensors, strict=True):
            full[place] = tensor
        assert entry.public is not None
        return tuple(leaves(entry.public(*full)))

    return function, [arguments[i].detach().to(device, copy=True).requires_grad_() for i in places]


def error_db(value: Tensor, truth: Tensor) -> float:
    peak = truth.abs().max().clamp(min=1e-30)
    return float(20 * torch.log10((value.double() - truth).abs().max() / peak + 1e-30))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("entry", "sample"), cases())
def test_forward_is_the_reference(
    entry: Record, sample: Sample, dtype: torch.dtype, device: str
) -> None:
    assert entry.public is not None
    assert entry.reference is not None
    truth = entry.reference(*sample.arguments)
    arguments = [
        a.to(device).to(dtype) if isinstance(a, Tensor) and i == entry.audio else _to(a, device)
        for i, a in enumerate(sample.arguments)
    ]
    y = first(entry.public(*arguments)).cpu()
    budget = entry.budget_db if dtype == torch.float32 else -200.0
    if entry.name.startswith("antialiased"):
        budget = max(budget, -120.0)  # what the reference's quadrature is good for
    assert error_db(y, truth) < budget


def _to(a: Any, device: str) -> Any:
    return a.to(device) if isinstance(a, Tensor) else a


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("entry", "sample"), cases(smooth=True))
def test_gradients_are_exact(entry: Record, sample: Sample, device: str) -> None:
    function, tensors = on_tensors(entry, shrink(sample), device)
    assert torch.autograd.gradcheck(function, tensors, check_forward_ad=True, eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("entry", "sample"), cases(smooth=True))
def test_second_gradients_are_exact(entry: Record, sample: Sample, device: str) -> None:
    function, tensors = on_tensors(entry, shrink(sample, 6), device)
    many = sum(t.numel() for t in tensors) > 60  # then along random directions, not every one
    assert torch.autograd.gradgradcheck(
        function,
        tensors,
        check_fwd_over_rev=True,
        eps=1e-7,
        atol=1e-4,
        rtol=1e-3,
        fast_mode=many,
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("entry", "sample"), cases())
def test_float32_gradients_follow_float64(entry: Record, sample: Sample, device: str) -> None:
    """The lanes of the float kernels and the scalar double ones agree over several chunks."""
    gradients = []
    for dtype in (torch.float64, torch.float32):
        function, tensors = on_tensors(entry, sample.arguments, device)
        given = [
            t.detach().to(dtype if i == entry.audio else t.dtype) for i, t in enumerate(tensors)
        ]
        for t in given:
            t.requires_grad_()
        y = function(*given)[0]
        weight = torch.linspace(-1, 1, y.numel()).reshape(y.shape).to(y)
        (y * weight).sum().backward()
        gradients.append([t.grad for t in given])
    for exact, rounded in zip(*gradients, strict=True):
        assert error_db(rounded, exact) < entry.budget_db + 30


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("entry", "sample"), cases(smooth=True))
def test_functorch_transforms_agree(entry: Record, sample: Sample, device: str) -> None:
    function, tensors = on_tensors(entry, shrink(sample), device)
    tensors = [t.detach() for t in tensors]
    stacks = [torch.stack([t, 0.97 * t]) for t in tensors]

    def loss(*arguments: Tensor) -> Tensor:
        return function(*arguments)[0].square().sum()

    every = tuple(range(len(tensors)))
    batched = torch.func.vmap(torch.func.grad(loss, argnums=every))(*stacks)
    for i, found in enumerate(batched):
        for j in range(2):
            alone = torch.func.grad(loss, argnums=every)(*(s[j] for s in stacks))[i]
            torch.testing.assert_close(found[j], alone)
    moves = [torch.ones_like(t) for t in tensors]
    _, along = torch.func.jvp(loss, tuple(tensors), tuple(moves))
    slopes = torch.func.grad(loss, argnums=every)(*tensors)
    expected = sum((g * m).sum() for g, m in zip(slopes, moves, strict=True))
    torch.testing.assert_close(along, expected)


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("entry", "sample"), [c for c in cases(smooth=True)])
def test_compiles_without_a_graph_break(entry: Record, sample: Sample, device: str) -> None:
    function, tensors = on_tensors(entry, sample.arguments, device)
    torch.compiler.reset()
    # Graphs break in the same places without the minutes of compiling; one sample does it all.
    backend = "inductor" if sample.name == FIRST[entry.name] else "aot_eager"
    compiled = torch.compile(
        lambda *a: function(*a)[0].square().sum(), fullgraph=True, backend=backend
    )
    found = torch.autograd.grad(compiled(*tensors), tensors)
    expected = torch.autograd.grad(function(*tensors)[0].square().sum(), tensors)
    for f, e in zip(found, expected, strict=True):
        torch.testing.assert_close(f, e)


@pytest.mark.parametrize(("entry", "sample"), cases())
def test_results_do_not_depend_on_threads(entry: Record, sample: Sample) -> None:
    function, tensors = on_tensors(entry, sample.arguments)
    before, results = torch.get_num_threads(), []
    items = tensors[entry.audio or 0].shape[0]
    shared = 2 if entry.name == "sosfilt" else 0  # (k, 6) serves all rows
    wide = [torch.cat([t] * 40) if t.shape[0] == items and t.ndim != shared else t for t in tensors]
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(leaves(function(*wide)))
    torch.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize(("entry", "sample"), cases())
def test_instruction_sets_agree(entry: Record, sample: Sample) -> None:
    function, tensors = on_tensors(entry, sample.arguments)
    module = _native.module("cpu")
    chosen, results = module.isa(), {}
    for isa in module.isas():
        module.set_isa(isa)
        y = function(*tensors)[0]
        results[isa] = [y, *torch.autograd.grad(y.square().sum(), tensors)]
    module.set_isa(chosen)
    for isa, found in results.items():
        for a, b in zip(found, results[chosen], strict=True):
            assert error_db(a.detach(), b.detach()) < -180, isa
