"""Single operations that a recording has in place of many small steps, as C++ has its own ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from dspcore.effects import whole
from dspcore.export.record import unseen

CONVOLVE, ROOM, BELLS = (f"dspcore_export.{name}.default" for name in ("convolve", "room", "bells"))


# A recording knows shapes and what depends on what; these are never asked for their sound.
@torch.library.custom_op("dspcore_export::convolve", mutates_args=())
def _convolve(x: Tensor, h: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(x), torch.zeros_like(state)


@torch.library.custom_op("dspcore_export::room", mutates_args=())
def _room(
    x: Tensor, noise: Tensor, rates: Tensor, gains: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(x), torch.zeros_like(state)


@torch.library.custom_op("dspcore_export::bells", mutates_args=())
def _bells(wanted: Tensor, off: Tensor, share: float) -> Tensor:
    return torch.zeros_like(wanted, memory_format=torch.contiguous_format)


class _Recorded:
    """`Whole` by these operations; the state stands for what C++ remembers."""

    def convolve(self, x: Tensor, h: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        return _convolve(x, h, _state(x, state))

    def room(
        self,
        x: Tensor,
        noise: Callable[[], Tensor],
        rates: Tensor,
        gains: Tensor,
        state: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        with unseen():
            made = noise()
        return _room(x, made, rates, gains, _state(x, state))

    def bells(self, wanted: Tensor, off: Tensor, share: float) -> Tensor:
        return _bells(wanted, off, share)


def _state(x: Tensor, state: Tensor | None) -> Tensor:
    return x.new_zeros(1) if state is None else state


@contextmanager
def recorded_whole() -> Iterator[None]:
    """Effects use the operations above."""
    token = whole.whole.set(_Recorded())
    try:
        yield
    finally:
        whole.whole.reset(token)
