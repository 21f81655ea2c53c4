"""Running a curve at a multiple of the sample rate, between two linear-phase low-passes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_REACH = 24  # samples of the audio that a filter looks back and ahead
#: How many samples late what `oversampled` returns is, whatever the factor.
LATENCY = 2 * _REACH


def oversampled(
    x: Tensor, factor: int, bend: Callable[[Tensor], Tensor], state: Any = None
) -> tuple[Tensor, Any]:
    """`bend` of `x` at `factor` times the sample rate, `LATENCY` samples late.

    Both filters are one Kaiser-windowed sinc of ``48 factor + 1`` taps, -6 dB at half the sample
    rate of the audio, -90 dB from 0.56 of it on, flat up to 0.44; each runs as `factor` phases.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        factor: 2, 4 or 8.
        bend: From samples (b, c, t * factor) to as many; memoryless.
        state: State returned by the call before; silence, and what `bend` makes of it, when left
            out.

    Returns:
        The bent signal, the shape of `x`, and the state after its last sample.

    Source:
        P. Vaidyanathan, "Multirate Systems and Filter Banks", 1993, section 4.3: polyphase filters.
    """
    b, c, t = x.shape
    taps = lowpass(factor).to(x)
    rows = taps.shape[0] // factor + 1
    bank = functional.pad(taps, (0, rows * factor - taps.shape[0])).reshape(rows, factor).T
    past, fast_past = (None, None) if state is None else state
    if past is None or fast_past is None:
        past = x.new_zeros(b, c, rows - 1)
        fast_past = x.new_zeros(b, c, taps.shape[0] - 1)
    both = torch.cat([past, x], -1)
    phases = functional.conv1d(both.reshape(b * c, 1, -1), factor * bank.flip(1)[:, None])
    fast = bend(phases.transpose(1, 2).reshape(b, c, t * factor))
    bent = torch.cat([fast_past, fast], -1)
    y = functional.conv1d(bent.reshape(b * c, 1, -1), taps.flip(0)[None, None], stride=factor)
    return y.reshape(b, c, t), (both[..., t:], bent[..., t * factor :])


@functools.cache
def lowpass(factor: int) -> Tensor:
    """The taps at the high rate, (48 factor + 1,), float64, with a sum of 1."""
    at = torch.arange(-_REACH * factor, _REACH * factor + 1, dtype=torch.float64)
    window = torch.kaiser_window(len(at), False, 9.0, dtype=torch.float64)
    taps = torch.sinc(at / factor) * window
    return taps / taps.sum()
