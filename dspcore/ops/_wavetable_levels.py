"""The levels of a wavetable as one opaque step: torch's compilers know no complex numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore.ops.wavetable import levels_of, shape_of_levels


@torch.library.custom_op("dspcore::wavetable_levels", mutates_args=())
def opaque_levels(table: Tensor) -> Tensor:
    """`levels_of` a table (b, n)."""
    return levels_of(table)


@torch.library.custom_op("dspcore::wavetable_levels_backward", mutates_args=())
def _backward(g: Tensor, n: int) -> Tensor:
    """The adjoint, which does not depend on the table: levels are linear in it."""
    pull = torch.func.vjp(levels_of, g.new_zeros(g.shape[0], n))[1]
    found: Tensor = pull(g)[0]
    return found.contiguous()


@opaque_levels.register_fake
def _(table: Tensor) -> Tensor:
    return table.new_empty(shape_of_levels(*table.shape))


@_backward.register_fake
def _(g: Tensor, n: int) -> Tensor:
    return g.new_empty(g.shape[0], n)


def _remember(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
    ctx.n = inputs[0].shape[-1]


def _adjoint(ctx: Any, g: Tensor) -> Tensor:
    return _backward(g, ctx.n)


opaque_levels.register_autograd(_adjoint, setup_context=_remember)
