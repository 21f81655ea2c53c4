"""From a record to a function that autograd, functorch and torch.compile know.

Each op has four kernels: forward, backward, and both on dual numbers. The dual forward is the
forward-mode derivative; the dual backward is the derivative of the backward pass, so second
derivatives of any order of modes need no formula of their own. Third derivatives raise.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from dspcore import _native
from dspcore.ops._record import Dims, Record

_FORWARD, _BACKWARD, _FORWARD_DUAL, _BACKWARD_DUAL = range(4)
Maybe = Tensor | None
_CHUNK = {"cpu": 64, "cuda": 16}  # kChunk in csrc/dsp/launch.hpp
_LIBRARY = torch.library.Library("dspcore", "DEF")


_Dim = tuple[tuple[str | int, ...], ...]  # a sum of products


def _parse(spec: str) -> tuple[_Dim, ...]:
    """"b c d+t" to sums of products of names and numbers."""

    def factor(word: str) -> str | int:
        return int(word) if word.isdigit() else word

    return tuple(
        tuple(tuple(factor(w) for w in term.split("*")) for term in dim.split("+"))
        for dim in spec.split()
    )


def _shape(dims: tuple[_Dim, ...], bound: Dims) -> list[int]:
    return [
        sum(prod(w if isinstance(w, int) else bound[w] for w in term) for term in dim)
        for dim in dims
    ]


@functools.cache
def _index(device: str, name: str) -> int:
    for index, (found, *_) in enumerate(_native.module(device).ops()):
        if found == name:
            return index
    raise RuntimeError(f"{name}: not in this build of dspcore's {device} kernels; build it again")


class Op:
    """An op on canonical arguments: every dimension there, every tensor of the right type."""

    def __init__(self, record: Record) -> None:
        """Reads the record and tells torch.library about the op."""
        self.record = record
        self.names = tuple(record.arguments)
        self._dims = {
            group: [_parse(spec) for spec in getattr(record, group).values()]
            for group in ("arguments", "results", "workspaces", "scratches")
        }
        self._wide = {
            group: [name in record.precise for name in getattr(record, group)]
            for group in ("results", "workspaces", "scratches")
        }
        self.counts = {group: len(dims) for group, dims in self._dims.items()}
        _register(self)

    def __call__(self, *arguments: Tensor, attrs: Sequence[int] = ()) -> tuple[Tensor, ...]:
        """The results, differentiable to every argument."""
        n = self.counts["results"]
        if torch.compiler.is_compiling():
            return tuple(getattr(torch.ops.dspcore, self.record.name)(*arguments, list(attrs))[:n])
        if not _derivatives_wanted(arguments):
            return self.forward(arguments, tuple(attrs), keep=False)[:n]
        return _Forward.apply(self, tuple(attrs), *arguments)[:n]

    def bind(self, arguments: Sequence[Tensor], attrs: Sequence[int]) -> Dims:
        """The size of every named dimension."""
        bound: Dims = dict(zip(self.record.attributes, attrs, strict=False))
        for argument, dims in zip(arguments, self._dims["arguments"], strict=True):
            for dim, size in zip(dims, argument.shape, strict=True):
                name = dim[0][0]
                if len(dim) == len(dim[0]) == 1 and isinstance(name, str) and name not in bound:
                    bound[name] = size
        if "t" in bound:
            chunk = _CHUNK.get(arguments[0].device.type, _CHUNK["cpu"])
            bound["chunk"], bound["chunks"] = chunk, (bound["t"] + chunk - 1) // chunk
        return bound

    def empty(self, group: str, like: Tensor, bound: Dims) -> list[Tensor]:
        """Uninitialised tensors for results, workspaces or scratches."""
        return [
            torch.empty(
                _shape(dims, bound), dtype=torch.float64 if wide else like.dtype, device=like.device
            )
            for dims, wide in zip(self._dims[group], self._wide[group], strict=True)
        ]

    def _run(self, which: int, attrs: Sequence[int], tensors: Sequence[Maybe]) -> None:
        first = tensors[0]
        assert first is not None
        device = first.device.type
        stream = torch.cuda.current_stream(first.device).cuda_stream if device == "cuda" else 0
        _native.module(device).call(
            _index(device, self.record.name), which, torch.get_num_threads(), stream, attrs, *tensors
        )

    def forward(
        self, arguments: Sequence[Tensor], attrs: tuple[int, ...], *, keep: bool = True
    ) -> tuple[Tensor, ...]:
        """Results and, when `keep`, what the backward pass wants to find again."""
        bound = self.bind(arguments, attrs)
        results = self.empty("results", arguments[0], bound)
        kept = self.empty("workspaces", arguments[0], bound) if keep or self.record.scratches else []
        blanks = [None] * (self.counts["workspaces"] - len(kept))
        self._run(_FORWARD, attrs, [*arguments, *results, *kept, *blanks])
        return (*results, *kept)

    def backward(
        self,
        arguments: Sequence[Tensor],
        kept: Sequence[Tensor],
        gresults: Sequence[Tensor],
        attrs: tuple[int, ...],
        wanted: Sequence[bool],
    ) -> tuple[Maybe, ...]:
        """Gradients of the wanted arguments."""
        scratch = self.empty("scratches", arguments[0], self.bind(arguments, attrs))
        out = [
            torch.empty(a.shape, dtype=a.dtype, device=a.device) if w else None
            for a, w in zip(arguments, wanted, strict=True)
        ]
        self._run(_BACKWARD, attrs, [*arguments, *kept, *scratch, *gresults, *out])
        return tuple(out)

    def forward_dual(
        self, arguments: Sequence[Tensor], tangents: Sequence[Maybe], attrs: tuple[int, ...]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Tangents of the results; the workspaces and their tangents."""
        bound = self.bind(arguments, attrs)
        results, kept, kept_tangents = (
            self.empty(group, arguments[0], bound)
            for group in ("results", "workspaces", "workspaces")
        )
        values = [*arguments, *self.empty("results", arguments[0], bound), *kept]
        self._run(_FORWARD_DUAL, attrs, [*values, *tangents, *results, *kept_tangents])
        return results, kept, kept_tangents

    def backward_dual(
        self,
        arguments: Sequence[Tensor],
        gresults: Sequence[Tensor],
        tangents: Sequence[Maybe],
        gtangents: Sequence[Maybe],
        attrs: tuple[int, ...],
    ) -> list[Tensor]:
        """Tangents of the arguments' gradients."""
        _, kept, kept_tangents = self.forward_dual(arguments, tangents, attrs)
        bound = self.bind(arguments, attrs)
        scratch, scratch_tangents = (
            self.empty("scratches", arguments[0], bound) for _ in range(2)
        )
        out = [torch.empty(a.shape, dtype=a.dtype, device=a.device) for a in arguments]
        blanks = [None] * len(out)
        values = [*arguments, *kept, *scratch, *gresults, *blanks]
        moves = [*tangents, *kept_tangents, *scratch_tangents, *gtangents, *out]
        self._run(_BACKWARD_DUAL, attrs, [*values, *moves])
        return out


def _derivatives_wanted(arguments: Sequence[Tensor]) -> bool:
    # The one place that asks torch's private state which derivative machinery is switched on.
    if torch._C._are_functorch_transforms_active():
        return True
    if torch.is_grad_enabled() and any(a.requires_grad for a in arguments):
        return True
    return torch.autograd.forward_ad._current_level >= 0


def _fold(size: int, dims: Sequence[int | None], tensors: Sequence[Any]) -> list[Any]:
    """A vmapped dimension joins the batch, which every argument has in front."""
    return [
        t
        if t is None
        else (t.unsqueeze(0).expand(size, *t.shape) if d is None else t.movedim(d, 0)).flatten(0, 1)
        for t, d in zip(tensors, dims, strict=True)
    ]


def _unfold(size: int, tensors: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[int | None, ...]]:
    unfolded = tuple(t if t is None else t.unflatten(0, (size, -1)) for t in tensors)
    return unfolded, tuple(None if t is None else 0 for t in tensors)


class _Forward(torch.autograd.Function):
    @staticmethod
    def forward(op: Op, attrs: tuple[int, ...], *arguments: Tensor) -> tuple[Tensor, ...]:
        return op.forward(arguments, attrs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.op, ctx.attrs, *arguments = inputs
        kept = output[ctx.op.counts["results"] :]
        ctx.mark_non_differentiable(*kept)
        ctx.save_for_backward(*arguments, *kept)
        ctx.save_for_forward(*arguments)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        op = ctx.op
        wanted = tuple(ctx.needs_input_grad[2:])
        gresults = [g.contiguous() for g in gradients[: op.counts["results"]]]
        found = _Backward.apply(op, ctx.attrs, wanted, *ctx.saved_tensors, *gresults)
        return None, None, *found

    @staticmethod
    def jvp(ctx: Any, _op: None, _attrs: None, *tangents: Maybe) -> tuple[Any, ...]:
        moves = _typed(ctx.saved_tensors, tangents)
        moved = _Tangent.apply(ctx.op, ctx.attrs, *ctx.saved_tensors, *moves)
        return (*moved, *[None] * ctx.op.counts["workspaces"])

    @staticmethod
    def vmap(info: Any, in_dims: Any, op: Op, attrs: tuple[int, ...], *arguments: Tensor) -> Any:
        folded = _fold(info.batch_size, in_dims[2:], arguments)
        return _unfold(info.batch_size, _Forward.apply(op, attrs, *folded))


class _Backward(torch.autograd.Function):
    @staticmethod
    def forward(
        op: Op, attrs: tuple[int, ...], wanted: tuple[bool, ...], *tensors: Tensor
    ) -> tuple[Maybe, ...]:
        a, k = op.counts["arguments"], op.counts["workspaces"]
        return op.backward(tensors[:a], tensors[a : a + k], tensors[a + k :], attrs, wanted)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Maybe, ...]) -> None:
        ctx.op, ctx.attrs, ctx.wanted, *tensors = inputs
        a, k = ctx.op.counts["arguments"], ctx.op.counts["workspaces"]
        ctx.save_for_backward(*tensors[:a], *tensors[a + k :])
        ctx.save_for_forward(*tensors[:a], *tensors[a + k :])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        op, a = ctx.op, ctx.op.counts["arguments"]
        arguments, gresults = ctx.saved_tensors[:a], ctx.saved_tensors[a:]
        moves = _wanted(_typed(arguments, cotangents), ctx.wanted)
        still = [None] * len(gresults)
        second = _Second.apply(op, ctx.attrs, *arguments, *gresults, *moves, *still)
        moved = _Tangent.apply(op, ctx.attrs, *arguments, *moves)
        return None, None, None, *second, *[None] * op.counts["workspaces"], *moved

    @staticmethod
    def jvp(ctx: Any, _op: None, _attrs: None, _wanted_: None, *tangents: Maybe) -> tuple[Any, ...]:
        op, a, k = ctx.op, ctx.op.counts["arguments"], ctx.op.counts["workspaces"]
        arguments, gresults = ctx.saved_tensors[:a], ctx.saved_tensors[a:]
        moves, gmoves = _typed(arguments, tangents[:a]), _typed(gresults, tangents[a + k :])
        second = _Second.apply(op, ctx.attrs, *arguments, *gresults, *moves, *gmoves)
        return tuple(_wanted(second, ctx.wanted))

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, op: Op, attrs: tuple[int, ...], wanted: Any, *tensors: Tensor
    ) -> Any:
        folded = _fold(info.batch_size, in_dims[3:], tensors)
        return _unfold(info.batch_size, _Backward.apply(op, attrs, wanted, *folded))


class _Tangent(torch.autograd.Function):
    """Tangents of the results: the derivative along a direction, J(arguments) tangents."""

    @staticmethod
    def forward(op: Op, attrs: tuple[int, ...], *tensors: Maybe) -> tuple[Tensor, ...]:
        a = op.counts["arguments"]
        return tuple(op.forward_dual(_there(tensors[:a]), tensors[a:], attrs)[0])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.op, ctx.attrs, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, *gresults: Tensor) -> tuple[Any, ...]:
        op, a = ctx.op, ctx.op.counts["arguments"]
        arguments, tangents = ctx.saved_tensors[:a], ctx.saved_tensors[a:]
        still = [None] * len(gresults)
        second = _Second.apply(op, ctx.attrs, *arguments, *gresults, *tangents, *still)
        kept = _Forward.apply(op, ctx.attrs, *arguments)[op.counts["results"] :]
        wanted = tuple(t is not None for t in tangents)
        first = _Backward.apply(op, ctx.attrs, wanted, *arguments, *kept, *gresults)
        return None, None, *second, *first

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(f"{ctx.op.record.name}: forward-over-forward derivatives are not "
                           "supported; use torch.func.jacfwd(torch.func.jacrev(...))")

    @staticmethod
    def vmap(info: Any, in_dims: Any, op: Op, attrs: tuple[int, ...], *tensors: Maybe) -> Any:
        folded = _fold(info.batch_size, in_dims[2:], tensors)
        return _unfold(info.batch_size, _Tangent.apply(op, attrs, *folded))


class _Second(torch.autograd.Function):
    """Tangents of the arguments' gradients: the second derivative along a direction."""

    @staticmethod
    def forward(op: Op, attrs: tuple[int, ...], *tensors: Maybe) -> tuple[Tensor, ...]:
        a, r = op.counts["arguments"], op.counts["results"]
        values, moves = tensors[: a + r], tensors[a + r :]
        return tuple(op.backward_dual(_there(values[:a]), _there(values[a:]), moves[:a], moves[a:], attrs))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.name = inputs[0].record.name

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(f"{ctx.name}: third derivatives are not supported")

    jvp = backward

    @staticmethod
    def vmap(info: Any, in_dims: Any, op: Op, attrs: tuple[int, ...], *tensors: Maybe) -> Any:
        folded = _fold(info.batch_size, in_dims[2:], tensors)
        return _unfold(info.batch_size, _Second.apply(op, attrs, *folded))


def _there(tensors: Sequence[Maybe]) -> list[Tensor]:
    return [t for t in tensors if t is not None]


def _wanted(tensors: Sequence[Maybe], wanted: Sequence[bool]) -> list[Maybe]:
    return [t if w else None for t, w in zip(tensors, wanted, strict=True)]


def _typed(like: Sequence[Tensor], tangents: Sequence[Maybe]) -> list[Maybe]:
    return [None if t is None else t.to(x.dtype) for x, t in zip(like, tangents, strict=True)]


def _register(op: Op) -> None:
    """The op for torch.compile and export: opaque kernels with shapes, and a backward op of its own."""
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

    def forward(*inputs: Any) -> tuple[Tensor, ...]:
        return op.forward(inputs[:-1], tuple(inputs[-1]))

    def forward_shape(*inputs: Any) -> tuple[Tensor, ...]:
        bound = op.bind(inputs[:-1], inputs[-1])
        return (*op.empty("results", inputs[0], bound), *op.empty("workspaces", inputs[0], bound))

    def backward(*inputs: Any) -> tuple[Maybe, ...]:
        t, attrs = inputs[:-1], tuple(inputs[-1])
        return op.backward(t[:a], t[a : a + k], t[a + k :], attrs, every)

    def backward_shape(*inputs: Any) -> tuple[Tensor, ...]:
        return tuple(torch.empty(t.shape, dtype=t.dtype, device=t.device) for t in inputs[:a])

    def setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        *arguments, ctx.attrs = inputs
        ctx.save_for_backward(*arguments, *output[counts["results"] :])

    def gradient(ctx: Any, *gresults: Tensor) -> tuple[Any, ...]:
        call = getattr(torch.ops.dspcore, f"{name}_backward")
        g = [x.contiguous() for x in gresults[: counts["results"]]]
        return *call(*ctx.saved_tensors, *g, ctx.attrs), None

    def no_second(ctx: Any, *_: Tensor) -> None:
        raise RuntimeError(f"{name}: second derivatives under torch.compile are not supported; "
                           "take them in eager mode")

    for device in ("CPU", "CUDA"):
        _LIBRARY.impl(name, forward, device)
        _LIBRARY.impl(f"{name}_backward", backward, device)
    torch.library.register_fake(f"dspcore::{name}", forward_shape, lib=_LIBRARY)
    torch.library.register_fake(f"dspcore::{name}_backward", backward_shape, lib=_LIBRARY)
    torch.library.register_autograd(
        f"dspcore::{name}", gradient, setup_context=setup, lib=_LIBRARY
    )
    torch.library.register_autograd(f"dspcore::{name}_backward", no_second, lib=_LIBRARY)
