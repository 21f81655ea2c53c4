"""Derivatives of divided rows: along a direction, second ones, and those of sections per frame."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_emulated_cuda import kernels
from test_emulated_scans import case, noise, relative_db, sections, state_of
from torch import Tensor

from dspcore import _native, ops

FORWARD, BACKWARD, FORWARD_DUAL, BACKWARD_DUAL = range(4)


class Watched:
    """A module that remembers which of its kernels divided rows."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.divided: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    def scan_memory(self, index: int, which: int, *arguments: Any) -> int:
        size = int(self.module.scan_memory(index, which, *arguments))
        if size:
            self.divided.add(which)
        return size


def derivatives(function: Any, tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """Tangents of the results, and of the gradients, along a direction."""
    moves = tuple(noise(*t.shape, seed=11 + i).to(t) * 0.1 for i, t in enumerate(tensors))

    def gradients(*at: Tensor) -> tuple[Tensor, ...]:
        def loss(*values: Tensor) -> Tensor:
            y, after = function(*values)
            weights = [noise(*r.shape, seed=7 + i).to(r) for i, r in enumerate((y, after))]
            return (y * weights[0]).sum() + (after * weights[1]).sum()

        return torch.func.grad(loss, tuple(range(len(tensors))))(*at)

    _, tangents = torch.func.jvp(function, tensors, moves)
    _, second = torch.func.jvp(gradients, tensors, moves)
    return [t.detach() for t in (*tangents, *second)]


CASES = [
    ("sosfilt 1", (2, 1, 1153)),
    ("sosfilt 3", (1, 2, 1025)),
    ("sosfilt 1", (1, 1, 8449)),
    ("sosfilt moving 2", (1, 1, 1300)),
    ("svf half moving", (1, 2, 1025)),
    ("onepole allpass moving", (1, 1, 1153)),
    ("ladder", (1, 1, 1041)),
    ("allpole 3", (1, 2, 1153)),
    ("allpole moving 6", (1, 1, 1025)),
    ("lfilter 2", (1, 1, 1300)),
    ("lfilter moving 7", (1, 1, 1025)),
    ("chain moving 4", (1, 1, 1153)),
]


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_derivatives_of_a_divided_row_are_those_of_the_whole_row(
    name: str, shape: tuple[int, int, int], emulated: Any
) -> None:
    function, controls = case(name, *shape)
    tensors = (noise(*shape), *controls, state_of(name, *shape[:2]))
    with kernels(_native.module("cpu")):
        expected = derivatives(function, tensors)
    watched = Watched(emulated)
    with kernels(watched):
        found = derivatives(function, tensors)
    assert {FORWARD_DUAL, BACKWARD_DUAL} <= watched.divided
    for a, b in zip(found, expected, strict=True):
        assert relative_db(a, b) < -210


@pytest.mark.parametrize("name", ["envelope", "saturated"])
def test_the_adjoint_alone_of_what_is_not_linear(name: str, emulated: Any) -> None:
    function, controls = case(name, 1, 1, 1153)
    tensors = (noise(1, 1, 1153), *controls, state_of(name, 1, 1))
    with kernels(_native.module("cpu")):
        expected = derivatives(function, tensors)
    watched = Watched(emulated)
    with kernels(watched):
        found = derivatives(function, tensors)
    assert watched.divided == {BACKWARD, BACKWARD_DUAL}
    for a, b in zip(found, expected, strict=True):
        assert relative_db(a, b) < -200


@pytest.mark.parametrize(
    ("hop", "start", "frames", "k"),
    [(230, 17, 7, 2), (5, 2, 302, 1), (700, 0, 2, 3), (9000, 40, 1, 1), (128, 1, 13, 8)],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradients_of_sections_per_frame(
    hop: int, start: int, frames: int, k: int, dtype: torch.dtype, emulated: Any
) -> None:
    """A frame in many parts, and many frames in a part."""
    x, sos = noise(2, 1, 1500).to(dtype), sections(2, 1, k, frames).movedim(3, -1)
    watched, both = Watched(emulated), []
    for module in (_native.module("cpu"), watched):
        arguments = [t.detach().requires_grad_() for t in (x, sos)]
        with kernels(module):
            y, after = ops.sosfilt(*arguments, hop=hop, start=start)
            gradients = torch.autograd.grad((y * y).sum() + after.sum(), arguments)
        both.append([y.detach(), after.detach(), *gradients])
    assert watched.divided == {FORWARD, BACKWARD}
    for a, b in zip(*reversed(both), strict=True):
        assert relative_db(a, b) < (-210 if dtype == torch.float64 else -100)


def test_second_derivatives_of_sections_per_frame(emulated: Any) -> None:
    x, sos = noise(1, 1, 1200), sections(1, 1, 2, 7).movedim(3, -1)
    watched, both = Watched(emulated), []
    for module in (_native.module("cpu"), watched):
        with kernels(module):
            both.append(derivatives(lambda x, s: ops.sosfilt(x, s, hop=200, start=3), (x, sos)))
    assert BACKWARD_DUAL in watched.divided
    for a, b in zip(*reversed(both), strict=True):
        assert relative_db(a, b) < -210
