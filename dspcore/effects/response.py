"""Impulse responses: from a file at any sample rate, and convolution with one in a stream."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from math import gcd
from typing import Any, Protocol

import torch
from torch import Tensor

from dspcore import audio, ops

_LONG = 16_384  # samples from which on partitions of 512 are better than of 128


class Whole(Protocol):
    """Convolutions as one operation each, where somebody wants to see them so."""

    def convolve(self, x: Tensor, h: Tensor, state: Any) -> tuple[Tensor, Any]:
        """As `StreamedConvolution`."""

    def room(
        self, x: Tensor, noise: Callable[[], Tensor], rates: Tensor, gains: Tensor, state: Any
    ) -> tuple[Tensor, Any]:
        """As `NoiseReverb` does it; `noise` gives (k, c, n), rates and gains are (b, k, 1 or t)."""


#: Set while effects are exported: C++ has convolutions of its own.
whole: ContextVar[Whole | None] = ContextVar("whole", default=None)


def as_one() -> Whole | None:
    """What `whole` holds; nothing while torch compiles, which knows no context variables."""
    return None if torch.compiler.is_compiling() else whole.get()


def read_response(path: str, sample_rate: int) -> Tensor:
    """The file's impulse response at `sample_rate`, (c, n) float64, with its gain kept.

    Raises:
        UserError: As `dspcore.audio.read`.
    """
    sound, rate = audio.read(path)
    return resampled(sound.double(), rate, sample_rate)


def resampled(response: Tensor, rate: int, sample_rate: int) -> Tensor:
    """An impulse response (c, n) at another rate in Hz, with its gain kept."""
    from scipy.signal import resample_poly

    if rate == sample_rate:
        return response
    shared = gcd(rate, sample_rate)
    up, down = sample_rate // shared, rate // shared
    return torch.from_numpy(resample_poly(response.numpy(), up, down, axis=1)) * down / up


class StreamedConvolution:
    """``y[t] = sum_i h[i] x[t-i]``, whole at first, and in partitions as blocks follow.

    Args:
        h: Impulse responses, (b, c, n), where b and c may be 1.
    """

    def __init__(self, h: Tensor) -> None:
        self.h = h
        self._parts: ops.Partitioned | None = None

    def __call__(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """The convolution of `x` (b, c, t) after `state`, and the state after.

        The state is what early input still gives, and a partitioned convolution's of later input.
        Nobody knows of a first block whether others follow: it is convolved at once.
        """
        t, n = x.shape[2], self.h.shape[2]
        if (instead := as_one()) is not None:
            return instead.convolve(x, self.h, state)
        if state is None:
            y, tail = ops.convolve(x, self.h)
            return y, (tail, None)
        tail, late = state
        if late is None and 4 * t >= n:
            y, tail = ops.convolve(x, self.h, tail)
            return y, (tail, None)
        if self._parts is None:
            self._parts = ops.Partitioned(self.h, block=512 if n >= _LONG else 128)
        y, after = self._parts(x, None if late is None else ops.PartitionState(*late))
        rest = tail[..., :t]
        y = y + torch.nn.functional.pad(rest, (0, t - rest.shape[2]))
        return y, (tail[..., t:], tuple(after))
