"""A layer of sines: large angles, odd layouts, nothing at all, and wrong arguments."""

from __future__ import annotations

import pytest
import torch
from test_records import error_db
from torch import Tensor

from dspcore import ops

TYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def layer(i: int, j: int, *rows: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return [torch.randn(s, dtype=dtype) for s in ((*rows, i), (i, j), (i, j), (i, j))]


@TYPES
def test_large_angles_keep_their_sine(dtype: torch.dtype) -> None:
    x = torch.linspace(-1, 1, 4_001, dtype=dtype)[:, None]
    one, zero = torch.ones(1, 1, dtype=dtype), torch.zeros(1, 1, dtype=dtype)
    for size in (1.0, 50.0, 1e4):
        angle = (size * x).double()
        y = ops.sine_layer(size * x, one, one, zero)
        assert error_db(y, angle.sin()) < (-130 if dtype == torch.float32 else -230)


@TYPES
def test_what_is_not_finite_is_heard_in_its_row(dtype: torch.dtype) -> None:
    x, *weights = layer(5, 20, 9, dtype=dtype)
    clean = ops.sine_layer(x, *weights)
    x[4, 2] = float("nan")
    x[5, 1] = float("inf")
    y = ops.sine_layer(x, *weights)
    assert y[[4, 5]].isnan().all()
    rest = [0, 1, 2, 3, 6, 7, 8]
    assert torch.equal(y[rest], clean[rest])


@pytest.mark.parametrize("sizes", [(1, 1), (3, 16), (16, 17), (5, 70)])
def test_layouts_and_row_counts_do_not_matter(sizes: tuple[int, int]) -> None:
    x, *weights = layer(*sizes, 11)
    y = ops.sine_layer(x, *weights)
    turned = [w.T.contiguous().T for w in weights]
    assert torch.equal(ops.sine_layer(x.T.contiguous().T, *turned), y)
    for n in range(1, 11):
        assert torch.equal(ops.sine_layer(x[:n], *weights), y[:n])


@TYPES
def test_nothing_in_nothing_out(dtype: torch.dtype) -> None:
    for i, j, rows in ((3, 2, (0,)), (3, 0, (4,)), (0, 2, (4,)), (3, 2, (2, 0))):
        tensors = [t.requires_grad_() for t in layer(i, j, *rows, dtype=dtype)]
        y = ops.sine_layer(*tensors)
        assert y.shape == (*rows, j)
        assert not y.any()
        for g in torch.autograd.grad(y.sum(), tensors):
            assert not g.any()


def test_wrong_arguments_are_named() -> None:
    x, a, w, p = layer(3, 2, 4)
    with pytest.raises(TypeError, match=r"sine_layer: x must be float32 or float64, got .*int64"):
        ops.sine_layer(x.long(), a, w, p)
    with pytest.raises(ValueError, match=r"sine_layer: x must be .*got \(4, 2\) and \(3, 2\)"):
        ops.sine_layer(x[:, :2], a, w, p)
    with pytest.raises(ValueError, match=r"sine_layer: frequency and phase .*\(3, 2\) and \(3,\)"):
        ops.sine_layer(x, a, w, p[:, 0])
    with pytest.raises(TypeError, match=r"sine_layer: phase must be torch.float32"):
        ops.sine_layer(x, a, w, p.double())
