"""What torch.compile may take for granted, and whether it or anyone else looks."""

from __future__ import annotations

import torch
from torch import Tensor

from dspcore.ops._compiled import define_waiting
from dspcore.ops._constant import constant
from dspcore.ops._op import watched

__all__ = ["constant", "define", "unseen"]


def unseen(*arguments: Tensor | None) -> bool:
    """Is it nobody's business how a function of these is computed: no gradient, trace or count?"""
    return not watched(*arguments) and not torch._C._len_torch_dispatch_stack()


def define() -> None:
    """Tell torch.library of every op at once, in place of each when it is first traced.

    A program that `torch.export.save` wrote names its ops: they must be there before it is loaded.
    """
    define_waiting()
