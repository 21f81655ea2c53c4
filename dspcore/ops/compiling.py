"""What torch.compile may take for granted, and whether it or anyone else looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from dspcore.ops._op import watched

_Function = TypeVar("_Function", bound=Callable[..., Any])


def constant(function: _Function) -> _Function:
    """Mark a function whose results are constants to a compiler.

    It is what `torch.compiler.assume_constant_result` does, which imports the whole compiler first:
    more than a second before a command line begins.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


def unseen(*arguments: Tensor | None) -> bool:
    """Is it nobody's business how a function of these is computed: no gradient, trace or count?"""
    return not watched(*arguments) and not torch._C._len_torch_dispatch_stack()
