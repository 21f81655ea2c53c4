"""Impulse responses: from a file at any sample rate, and convolution with one in a stream."""

from __future__ import annotations

from math import gcd
from typing import Any

import torch
from torch import Tensor

from dspcore import audio, ops
from dspcore.effects.whole import as_one

_LONG = 16_384  # samples from which on partitions of 512 are better than of 128


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
