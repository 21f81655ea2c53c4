"""All-pole filters of low order, whose long rows have their time on the lanes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from dspcore import _native, ops

SHORT = 100  # shorter than any block on the lanes: these run sample by sample


@pytest.fixture(autouse=True, params=_native.module("cpu").isas())
def _isa(request: pytest.FixtureRequest) -> Iterator[None]:
    """Blocks are as long as the registers of an instruction set make them."""
    module = _native.module("cpu")
    chosen = module.isa()
    module.set_isa(request.param)
    yield
    module.set_isa(chosen)


def sample_by_sample(x: Tensor, a: Tensor) -> Tensor:
    state, blocks = None, []
    for first in range(0, x.shape[-1], SHORT):
        part = slice(first, first + SHORT)
        y, state = ops.allpole(x[..., part], a[..., part] if a.shape[-1] > 1 else a, state)
        blocks.append(y)
    return torch.cat(blocks, -1)


def below_db(value: Tensor, truth: Tensor) -> float:
    return 20 * math.log10(float((value - truth).norm() / truth.norm()) + 1e-30)


@pytest.mark.parametrize("q", [2.0, 10.0])
@pytest.mark.parametrize("hz", [20.0, 60.0, 1_000.0, 23_950.0])
def test_lanes_lose_no_accuracy_at_either_end(hz: float, q: float) -> None:
    """In float32 at most 7 dB worse than sample by sample, which near 0 Hz is worse itself."""
    torch.manual_seed(0)
    w = 2 * math.pi * hz / 48_000
    alpha = math.sin(w) / (2 * q)
    a = torch.tensor([-2 * math.cos(w), 1 - alpha], dtype=torch.float64) / (1 + alpha)
    x, a = torch.randn(2, 1, 9_000), a.float()[:, None].expand(2, 1, 2, 9_000)
    truth = sample_by_sample(x.double(), a.double())
    budget = below_db(sample_by_sample(x, a), truth) + 7
    assert below_db(ops.allpole(x, a)[0], truth) < budget
    assert below_db(ops.allpole(x, a[..., :1])[0], truth) < budget
    assert below_db(ops.allpole(x.double(), a.double())[0], truth) < -200


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("constant", [False, True])
def test_gradients_of_lanes_are_those_of_single_samples(order: int, constant: bool) -> None:
    torch.manual_seed(0)
    t = 3_000
    x, weight = torch.randn(2, 5, 1, t, dtype=torch.float64)
    a = 0.9 * torch.rand(5, 1, order, 1 if constant else t, dtype=torch.float64) - 0.45
    if not constant:
        a = torch.cat([a.cumsum(-1).sin() * 0.45], -1)  # changes sign on and on
    given = [v.requires_grad_() for v in (x, a)]
    found = torch.autograd.grad(ops.allpole(*given)[0], given, weight)
    wanted = torch.autograd.grad(sample_by_sample(*given), given, weight)
    for f, w in zip(found, wanted, strict=True):
        assert below_db(f, w) < -200
