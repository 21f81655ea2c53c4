"""An op's kernels as functions that autograd and functorch know, to second order.

`Forward` has `Backward` and `Tangent` as its derivatives, and both of those have `Second`, the
backward kernel on dual numbers. Third derivatives raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

if TYPE_CHECKING:
    from dspcore.ops._op import Op

Maybe = Tensor | None


def derivatives_wanted(arguments: Sequence[Maybe]) -> bool:
    """Does autograd or functorch watch a function of these?"""
    # Torch has no public name for what says which derivative machinery is switched on.
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return True
    if torch.is_grad_enabled():
        for a in arguments:
            if a is not None and a.requires_grad:
                return True
    return False


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


class Forward(torch.autograd.Function):
    """Results and kept workspaces of an op."""

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
        saved, a = ctx.saved_tensors, op.counts["arguments"]
        if not derivatives_wanted((*saved, *gresults)):
            return None, None, *op.backward(saved[:a], saved[a:], gresults, ctx.attrs, wanted)
        found = Backward.apply(op, ctx.attrs, wanted, *op.spread(saved[:a]), *saved[a:], *gresults)
        own = [
            g if g is None else g.sum_to_size(s.shape) for g, s in zip(found, saved, strict=False)
        ]
        return None, None, *own

    @staticmethod
    def jvp(ctx: Any, _op: None, _attrs: None, *tangents: Maybe) -> tuple[Any, ...]:
        moves = _typed(ctx.saved_tensors, tangents)
        moved = Tangent.apply(ctx.op, ctx.attrs, *ctx.saved_tensors, *moves)
        return (*moved, *[None] * ctx.op.counts["workspaces"])

    @staticmethod
    def vmap(info: Any, in_dims: Any, op: Op, attrs: tuple[int, ...], *arguments: Tensor) -> Any:
        folded = _fold(info.batch_size, in_dims[2:], arguments)
        return _unfold(info.batch_size, Forward.apply(op, attrs, *folded))


class Eager(torch.autograd.Function):
    """`Forward` without functorch, which costs a call half its time; the kept stay inside."""

    @staticmethod
    def forward(ctx: Any, op: Op, attrs: tuple[int, ...], *arguments: Tensor) -> tuple[Tensor, ...]:
        found, n = op.forward(op.spread(arguments), attrs), op.counts["results"]
        ctx.op, ctx.attrs = op, attrs
        ctx.save_for_backward(*arguments, *found[n:])
        ctx.save_for_forward(*arguments)
        return found[:n]

    backward = Forward.backward

    @staticmethod
    def jvp(ctx: Any, _op: None, _attrs: None, *tangents: Maybe) -> tuple[Any, ...]:
        op, arguments = ctx.op, ctx.saved_tensors
        moves = op.spread(arguments, _typed(arguments, tangents))
        return Tangent.apply(op, ctx.attrs, *op.spread(arguments), *moves)


class Backward(torch.autograd.Function):
    """Gradients of the wanted arguments: the adjoint, a function of its own."""

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
        second = Second.apply(op, ctx.attrs, *arguments, *gresults, *moves, *still)
        moved = Tangent.apply(op, ctx.attrs, *arguments, *moves)
        return None, None, None, *second, *[None] * op.counts["workspaces"], *moved

    @staticmethod
    def jvp(ctx: Any, _op: None, _attrs: None, _wanted_: None, *tangents: Maybe) -> tuple[Any, ...]:
        op, a, k = ctx.op, ctx.op.counts["arguments"], ctx.op.counts["workspaces"]
        arguments, gresults = ctx.saved_tensors[:a], ctx.saved_tensors[a:]
        moves, gmoves = _typed(arguments, tangents[:a]), _typed(gresults, tangents[a + k :])
        second = Second.apply(op, ctx.attrs, *arguments, *gresults, *moves, *gmoves)
        return tuple(_wanted(second, ctx.wanted))

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, op: Op, attrs: tuple[int, ...], wanted: Any, *tensors: Tensor
    ) -> Any:
        folded = _fold(info.batch_size, in_dims[3:], tensors)
        return _unfold(info.batch_size, Backward.apply(op, attrs, wanted, *folded))


class Tangent(torch.autograd.Function):
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
        second = Second.apply(op, ctx.attrs, *arguments, *gresults, *tangents, *still)
        kept = Forward.apply(op, ctx.attrs, *arguments)[op.counts["results"] :]
        wanted = tuple(t is not None for t in tangents)
        first = Backward.apply(op, ctx.attrs, wanted, *arguments, *kept, *gresults)
        return None, None, *second, *first

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(
            f"{ctx.op.record.name}: forward-over-forward derivatives are not "
            "supported; use torch.func.jacfwd(torch.func.jacrev(...))"
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, op: Op, attrs: tuple[int, ...], *tensors: Maybe) -> Any:
        folded = _fold(info.batch_size, in_dims[2:], tensors)
        return _unfold(info.batch_size, Tangent.apply(op, attrs, *folded))


class Second(torch.autograd.Function):
    """Tangents of the arguments' gradients: the second derivative along a direction."""

    @staticmethod
    def forward(op: Op, attrs: tuple[int, ...], *tensors: Maybe) -> tuple[Tensor, ...]:
        a, r = op.counts["arguments"], op.counts["results"]
        values, moves = tensors[: a + r], tensors[a + r :]
        return tuple(
            op.backward_dual(_there(values[:a]), _there(values[a:]), moves[:a], moves[a:], attrs)
        )

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
        return _unfold(info.batch_size, Second.apply(op, attrs, *folded))


def _there(tensors: Sequence[Maybe]) -> list[Tensor]:
    return [t for t in tensors if t is not None]


def _wanted(tensors: Sequence[Maybe], wanted: Sequence[bool]) -> list[Maybe]:
    return [t if w else None for t, w in zip(tensors, wanted, strict=True)]


def _typed(like: Sequence[Tensor], tangents: Sequence[Maybe]) -> list[Maybe]:
    return [None if t is None else t.to(x.dtype) for x, t in zip(like, tangents, strict=True)]
