"""Convolution with impulse responses: whole, in blocks, and streaming in partitions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from dspcore.ops._check import audio, signal_state
from dspcore.ops._filtered import fast_size, filtered

#: Samples and responses in a block, at least: few ends, in transforms that stay in the cache. Eight
#: responses where that takes no more than `_CACHED` (measured on AMD EPYC with 512 KB of L2).
_BLOCK, _RESPONSES, _CACHED = 2048, 2, 32_768


def convolve(x: Tensor, h: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Filter `x` by ``y[t] = sum_i h[i] x[t-i]``, by fast Fourier transforms long enough for it.

    Nothing wraps around: it is the sum itself, up to rounding, and so are its derivatives.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        h: Impulse responses, (b, c, n) with n of at least 1, where b and c may be 1; in the type of
            `x`.
        state: State returned by the call before, (b, c, n - 1); silence when left out. The tail:
            what the past adds to the next outputs.

    Returns:
        The first t samples of the convolution, and the n - 1 after them.

    Raises:
        ValueError, TypeError: a shape or type does not fit.

    Source:
        T. Stockham, "High-speed convolution and correlation", AFIPS 1966: overlap-add.
    """
    b, c, t = audio("convolve", x)
    n = _response("convolve", h, x)
    tail = signal_state("convolve", state, x, (b, c, n - 1))
    if x.numel() == 0:
        return x + 0 * h.sum(), tail  # an output of every argument, as at any other size
    h = h.to(x.dtype)
    step = max(_BLOCK, _RESPONSES * n, min(8 * n, _CACHED))
    step = t if t < 2 * step else step
    blocks = -(-t // step)
    size = fast_size(step + n - 1)
    y = filtered(x, h, size) if blocks == 1 else _overlapped(x, h, step, size)
    if state is not None:
        y = y + pad(tail, (0, y.shape[-1] - (n - 1)))
    return y[..., :t], y[..., t : t + n - 1]


def _overlapped(x: Tensor, h: Tensor, step: int, size: int) -> Tensor:
    """The convolution block by block: the end of every block lies over the start of the next."""
    t, n = x.shape[-1], h.shape[-1]
    blocks = -(-t // step)
    parts = pad(x, (0, blocks * step - t)).unflatten(-1, (blocks, step))
    each = filtered(parts, h[:, :, None], size)[..., : step + n - 1]
    y = pad(each[..., :step].flatten(-2), (0, n - 1))
    if n > 1:  # a block holds the end of the one before, for it is longer
        y = y + _spread(each[..., step:], step, y.shape[-1])
    return y[..., : t + n - 1]


def _spread(ends: Tensor, step: int, length: int) -> Tensor:
    """Ends (b, c, blocks, n - 1) where the next block begins, in a signal of `length`."""
    return pad(pad(ends, (0, step - ends.shape[-1])).flatten(-2), (step, 0))[..., :length]


def _response(op: str, h: Tensor, x: Tensor) -> int:
    """The length of the impulse responses `h` for `x`."""
    b, c, _ = x.shape
    if h.ndim != 3 or h.shape[0] not in (1, b) or h.shape[1] not in (1, c) or h.shape[2] == 0:
        raise ValueError(
            f"{op}: h must be ({b}, {c}, n) with n of at least 1 for x of shape {tuple(x.shape)}, "
            f"got {tuple(h.shape)}"
        )
    return h.shape[2]


class PartitionState(NamedTuple):
    """What a partitioned convolution remembers."""

    filled: int  # samples of the block under way
    inputs: Tensor  # (b, c, 2 block): the block before, and the one under way
    spectra: Tensor  # of the last blocks of input, newest first, (b, c, partitions, block + 1)
    ready: Tensor  # (b, c, block): what past blocks give to the one under way


class Partitioned:
    """Convolution for streams: the response cut into partitions of `block` samples each.

    A block of input is transformed once and meets every partition, so that the work of a sample
    grows with the response's length over `block`. Calls may bring any number of samples.

    Args:
        h: Impulse responses, (b, c, n), as in `convolve`.
        block: Samples in a partition, 1 or more.
        zero_latency: Whether the first partition is convolved directly, sample by sample, which
            leaves no delay at `block` multiplications a sample. Otherwise the output is `block`
            samples late: see `latency`.

    Raises:
        ValueError, TypeError: a shape, type or range does not fit.

    Source:
        W. Gardner, "Efficient Convolution without Input-Output Delay", JAES 43(3), 1995; uniform
        partitions.
    """

    def __init__(self, h: Tensor, *, block: int, zero_latency: bool = True) -> None:
        """Transform the partitions once."""
        audio("Partitioned", h, "h", "(b, c, n)")
        if block < 1:
            raise ValueError(f"Partitioned: block must be at least 1 sample, got {block}")
        self.h, self.block, self.zero_latency = h, block, zero_latency
        self.latency = 0 if zero_latency else block
        #: The first taps, newest sample last.
        self._head = pad(h[..., :block], (0, max(0, block - h.shape[-1]))).flip(-1)
        rest = h[..., block:] if zero_latency else h
        count = -(-rest.shape[-1] // block)
        parts = pad(rest, (0, count * block - rest.shape[-1])).unflatten(-1, (count, block))
        if count:
            self._partitions = torch.fft.rfft(parts, 2 * block)
        else:  # nothing to transform, which torch.fft refuses
            none = (*h.shape[:2], 0, block + 1)
            self._partitions = h.new_zeros(none, dtype=h.dtype.to_complex())

    def __call__(
        self, x: Tensor, state: PartitionState | None = None
    ) -> tuple[Tensor, PartitionState]:
        """The convolution of `x` (b, c, t) after `state`, `latency` samples late; state after."""
        b, c, t = audio("Partitioned", x)
        _response("Partitioned", self.h, x)
        size, count = self.block, self._partitions.shape[2]
        if state is None:
            spectra = self._partitions.new_zeros((b, c, count, size + 1))
            state = PartitionState(
                0, x.new_zeros((b, c, 2 * size)), spectra, x.new_zeros((b, c, size))
            )
        if state.inputs.shape != (b, c, 2 * size) or state.spectra.shape[2] != count:
            raise ValueError(
                f"Partitioned: state must come from a call with x of {b} x {c} rows, the same "
                "response and the same block"
            )
        if x.numel() == 0:
            return x, state
        filled, inputs, spectra, ready = state
        out, start = [x[..., :0]], 0
        while start < t:
            n = min(size - filled, t - start)
            at = size + filled
            inputs = torch.cat([inputs[..., :at], x[..., start : start + n]], -1)
            y = ready[..., filled : filled + n]
            if self.zero_latency:
                recent = inputs[..., at - size + 1 :].unfold(-1, size, 1)
                y = y + (recent @ self._head.to(x.dtype)[..., None])[..., 0]
            out.append(y)
            filled, start = filled + n, start + n
            if filled == size:
                if count:
                    newest = torch.fft.rfft(inputs)[:, :, None]
                    spectra = torch.cat([newest, spectra[:, :, :-1]], 2)
                    ready = torch.fft.irfft((spectra * self._partitions).sum(2), 2 * size)
                    ready = ready[..., size:]
                inputs, filled = inputs[..., size:], 0
            inputs = pad(inputs, (0, 2 * size - inputs.shape[-1]))
        return torch.cat(out, -1), PartitionState(filled, inputs, spectra, ready)
