"""Comb filters and Schroeder's all-pass: one delay line with gains around it."""

from __future__ import annotations

import torch
from torch import Tensor

from dspcore.ops._check import audio, row_control
from dspcore.ops.delay import carry, delay


def comb(
    x: Tensor,
    delay_samples: Tensor | float,
    feedback: Tensor | float = 0.0,
    feedforward: Tensor | float = 0.0,
    blend: Tensor | float = 1.0,
    state: Tensor | None = None,
    *,
    max_delay: float,
    interpolation: str = "cubic",
) -> tuple[Tensor, Tensor]:
    """Filter `x` by ``y = blend w + feedforward w(t - d)``, ``w = x + feedback w(t - d)``.

    With `feedforward` alone it has notches, with `feedback` alone resonances, every 1/d cycles per
    sample. It is `delay` with one line for each row.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        delay_samples: Delay d in samples: a number, (b, c) or (b, c, t) where it moves, as are the
            gains; from 2 to `max_delay`, outside of which the output is NaN.
        feedback: What comes back, its size below 1.
        feedforward: What is added after the delay.
        blend: What is added before it.
        state: State returned by the call before, with the same `max_delay`; silence when left out.
        max_delay: The longest delay that the line can hold, in samples.
        interpolation: Reading between samples: "cubic", "linear" or "allpass", as in `delay`.

    Returns:
        The filtered signal, the shape of `x`, and the state after, (b, c, max_delay + 2); one more
        for "allpass".

    Raises:
        ValueError, TypeError: a shape, type or range does not fit.

    Source:
        U. Zoelzer (editor), "DAFX: Digital Audio Effects", 2011, section 2.5: the universal comb.
    """
    return _comb(
        "comb", x, delay_samples, feedback, feedforward, blend, state, max_delay, interpolation
    )


def schroeder(
    x: Tensor,
    delay_samples: Tensor | float,
    gain: Tensor | float,
    state: Tensor | None = None,
    *,
    max_delay: float,
    interpolation: str = "cubic",
) -> tuple[Tensor, Tensor]:
    """Filter `x` by Schroeder's all-pass ``(-g + z^-d) / (1 - g z^-d)``: echoes without colour.

    Between samples the delay is read by interpolation, whose gain falls towards half the sample
    rate; there the all-pass loses what the reading loses. A delay of whole samples loses nothing.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        delay_samples: Delay d in samples, as in `comb`.
        gain: Gain g: a number, (b, c) or (b, c, t), its size below 1.
        state: State returned by the call before, with the same `max_delay`; silence when left out.
        max_delay: The longest delay that the line can hold, in samples.
        interpolation: Reading between samples: "cubic", "linear" or "allpass", as in `delay`.

    Returns:
        The filtered signal, the shape of `x`, and the state after, (b, c, max_delay + 2); one more
        for "allpass".

    Raises:
        ValueError, TypeError: a shape, type or range does not fit.

    Source:
        M. Schroeder, "Natural Sounding Artificial Reverberation", JAES 10(3), 1962.
    """
    audio("schroeder", x)
    row_control("schroeder", x, "gain", gain)
    return _comb("schroeder", x, delay_samples, gain, 1.0, -gain, state, max_delay, interpolation)


def _comb(
    op: str,
    x: Tensor,
    delay_samples: Tensor | float,
    feedback: Tensor | float,
    feedforward: Tensor | float,
    blend: Tensor | float,
    state: Tensor | None,
    max_delay: float,
    interpolation: str,
) -> tuple[Tensor, Tensor]:
    b, c, t = audio(op, x)
    d = row_control(op, x, "delay_samples", delay_samples)
    back, on, through = (
        row_control(op, x, name, value).to(x.dtype)
        for name, value in (("feedback", feedback), ("feedforward", feedforward), ("blend", blend))
    )
    if state is not None and state.shape[:2] != (b, c):
        raise ValueError(
            f"{op}: state must have the shape ({b}, {c}, max_delay + 2) for x of shape "
            f"{tuple(x.shape)}, got {tuple(state.shape)}; pass the state that the same op returned"
        )
    late, (line, _) = delay(
        x.reshape(b * c, 1, t),
        d.reshape(b * c, 1, d.shape[2]),
        back.reshape(b * c, 1, 1, back.shape[2]),
        state=None
        if state is None
        else (
            carry(state.reshape(b * c, 1, state.shape[2]), state),
            x.new_zeros((b * c, 1, 0, 2)),
        ),
        max_delay=max_delay,
        interpolation=interpolation,
    )
    y = torch.addcmul(through * x, through * back + on, late.reshape(b, c, t))
    return y, carry(line.reshape(b, c, line.shape[2]), line)
