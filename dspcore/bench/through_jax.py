"""Functions of JAX as contenders: compiled, and differentiated by JAX itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dspcore.bench.case import Run, Tensors


def through_jax(function: Callable[..., Any], names: Sequence[str]) -> Run:
    """What runs `function` of the inputs called `names`, as jitted code.

    Where torch wants gradients, JAX's forward pass keeps what its backward pass needs, and that is
    another jitted call. Arrays pass between the two by NumPy, copied once each way.
    """
    import jax

    plain = jax.jit(function)
    forward = jax.jit(lambda *inputs: jax.vjp(function, *inputs))
    backward = jax.jit(lambda back, gradient: back(gradient))

    class Through(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Tensor) -> Tensor:
            out, ctx.back = forward(*map(_array, inputs))
            return _tensor(out)

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
            return tuple(map(_tensor, backward(ctx.back, _array(gradient))))

    def run(given: Tensors) -> Tensor:
        inputs = [given[name] for name in names]
        if torch.is_grad_enabled() and any(x.requires_grad for x in inputs):
            return Through.apply(*inputs)  # type: ignore[no-untyped-call]
        return _tensor(plain(*map(_array, inputs)))

    return run


def _array(x: Tensor) -> Any:
    return x.detach().contiguous().numpy()


def _tensor(x: Any) -> Tensor:
    return torch.from_numpy(np.array(x))
