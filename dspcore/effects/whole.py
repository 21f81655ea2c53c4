"""What effects do as one operation while they are exported: C++ has ways of its own for it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

import torch
from torch import Tensor


class Whole(Protocol):
    """Long computations as one operation each, where somebody wants to see them so."""

    def convolve(self, x: Tensor, h: Tensor, state: Any) -> tuple[Tensor, Any]:
        """As `StreamedConvolution`."""

    def room(
        self, x: Tensor, noise: Callable[[], Tensor], rates: Tensor, gains: Tensor, state: Any
    ) -> tuple[Tensor, Any]:
        """As `NoiseReverb` does it; `noise` gives (k, c, n), rates and gains are (b, k, 1 or t)."""

    def bells(self, wanted: Tensor, off: Tensor, share: float) -> Tensor:
        """The gains (b, 1 or t, k) for `wanted`, which graphic equalisers solve for."""


#: Set while effects are exported.
whole: ContextVar[Whole | None] = ContextVar("whole", default=None)


def as_one() -> Whole | None:
    """What `whole` holds; nothing while torch compiles, which knows no context variables."""
    return None if torch.compiler.is_compiling() else whole.get()
