"""What torch.compile may take for granted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


def constant(function: _Function) -> _Function:
    """Mark a function whose results are constants to a compiler.

    It is what `torch.compiler.assume_constant_result` does, which imports the whole compiler first:
    more than a second before a command line begins.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function
