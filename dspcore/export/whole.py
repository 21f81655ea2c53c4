"""Convolutions as single operations: what a recording has in place of their many small steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from dspcore.effects import response
from dspcore.export.record import unseen

CONVOLVE, ROOM = "dspcore_export.convolve.default", "dspcore_export.room.default"


# A recording knows shapes and what depends on what; these are never asked for their sound.
@torch.library.custom_op("dspcore_export::convolve", mutates_args=())
def _convolve(x: Tensor, h: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(x), torch.zeros_like(state)


@torch.library.custom_op("dspcore_export::room", mutates_args=())
def _room(
    x: Tensor, noise: Tensor, rates: Tensor, gains: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(x), torch.zeros_like(state)


class _Recorded:
    """`response.Whole` by the two operations; the state stands for what C++ remembers."""

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


def _state(x: Tensor, state: Tensor | None) -> Tensor:
    return x.new_zeros(1) if state is None else state


@contextmanager
def whole_convolutions() -> Iterator[None]:
    """Effects convolve by the operations above."""
    token = response.whole.set(_Recorded())
    try:
        yield
    finally:
        response.whole.reset(token)
