"""An op's kernels as entries of torch.library, for torch.compile and export.

Made when an op is first traced: to make them all took half a second, which every command line would
have waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dspcore.ops._constant import constant

if TYPE_CHECKING:
    from dspcore.ops._op import Op

_LIBRARY = torch.library.Library("dspcore", "DEF")
_WAITING: dict[str, Op] = {}  # not traced yet


def call(name: str, tensors: Sequence[Tensor], attrs: Sequence[int]) -> tuple[Tensor, ...]:
    """The registered op, as a compiler traces it."""
    _defined(name)
    return _together(getattr(torch.ops.dspcore, name)(*tensors, list(attrs)))


def register(op: Op) -> None:
    """Let torch.library hear of an op when it is first traced."""
    _WAITING[op.record.name] = op


def define_waiting() -> None:
    """Define every op that waits."""
    for name in list(_WAITING):
        _defined(name)


@constant
def _defined(name: str) -> bool:
    """Define an op that waits; while a compiler traces, it is run and not traced."""
    if (op := _WAITING.pop(name, None)) is not None:
        _define(op)
    return True


def _alone(tensors: tuple[Any, ...]) -> Any:
    """What torch.library wants: a schema with one result has no tuple around it."""
    return tensors[0] if len(tensors) == 1 else tensors


def _together(tensors: Any) -> tuple[Tensor, ...]:
    return (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)


def _define(op: Op) -> None:
    """Define an op for torch.compile: opaque kernels with shapes, the backward pass one of them."""
    name, counts = op.record.name, op.counts
    inputs = ", ".join(f"Tensor {n}" for n in op.names)
    kept = [f"kept{i}" for i in range(counts["workspaces"])]
    gradients = [f"g{i}" for i in range(counts["results"])]
    out = ", ".join(["Tensor"] * (counts["results"] + counts["workspaces"]))
    back = ", ".join(["Tensor"] * counts["arguments"])
    more = ", ".join(f"Tensor {n}" for n in (*op.names, *kept, *gradients))
    _LIBRARY.define(f"{name}({inputs}, int[] attrs) -> ({out})", tags=torch.Tag.pt2_compliant_tag)
    _LIBRARY.define(
        f"{name}_backward({more}, int[] attrs) -> ({back})", tags=torch.Tag.pt2_compliant_tag
    )
    a, k = counts["arguments"], counts["workspaces"]
    every = [True] * a

    def forward(*inputs: Any) -> Any:
        return _alone(op.forward(inputs[:-1], tuple(inputs[-1])))

    def forward_shape(*inputs: Any) -> Any:
        bound = op.bind(inputs[:-1], inputs[-1])
        groups = (op.empty(group, inputs[0], bound) for group in ("results", "workspaces"))
        return _alone(tuple(chain.from_iterable(groups)))

    def backward(*inputs: Any) -> Any:
        t, attrs = inputs[:-1], tuple(inputs[-1])
        return _alone(op.backward(t[:a], t[a : a + k], t[a + k :], attrs, every))

    def backward_shape(*inputs: Any) -> Any:
        shapes = (torch.empty(t.shape, dtype=t.dtype, device=t.device) for t in inputs[:a])
        return _alone(tuple(shapes))

    def setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        *arguments, ctx.attrs = inputs
        ctx.save_for_backward(*arguments, *_together(output)[counts["results"] :])

    def gradient(ctx: Any, *gresults: Tensor) -> tuple[Any, ...]:
        g = [x.contiguous() for x in gresults[: counts["results"]]]
        return *call(f"{name}_backward", [*ctx.saved_tensors, *g], ctx.attrs), None

    def no_second(ctx: Any, *_: Tensor) -> None:
        raise RuntimeError(
            f"{name}: second derivatives under torch.compile are not supported; "
            "take them in eager mode"
        )

    for device in ("CPU", "CUDA"):
        _LIBRARY.impl(name, forward, device)
        _LIBRARY.impl(f"{name}_backward", backward, device)
    torch.library.register_fake(f"dspcore::{name}", forward_shape, lib=_LIBRARY)
    torch.library.register_fake(f"dspcore::{name}_backward", backward_shape, lib=_LIBRARY)
    torch.library.register_autograd(f"dspcore::{name}", gradient, setup_context=setup, lib=_LIBRARY)
    torch.library.register_autograd(f"dspcore::{name}_backward", no_second, lib=_LIBRARY)
