"""The gain of a look-ahead limiter, and the delay that goes with a gain that looks ahead."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dspcore.ops import _parts
from dspcore.ops._check import audio, row_control, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record
from dspcore.ops.envelope import envelope

LimiterState = tuple[Tensor, Tensor, Tensor]


def limiter_gain(
    x: Tensor,
    threshold_db: Tensor | float,
    release: Tensor | float,
    state: LimiterState | None = None,
    *,
    lookahead: int,
) -> tuple[Tensor, LimiterState]:
    """The linear gain of a limiter, for `x` delayed by `lookahead` samples: no peak passes it.

    Each sample asks for the reduction ``r = max(0, 1 - threshold / |x|)``; the largest of the last
    `lookahead` + 1 is followed at once upwards and by `release` downwards, and the mean of the last
    `lookahead` + 1 of that is the reduction. So the gain glides down over the look-ahead and is low
    enough when the peak arrives: ``|lookahead(x) * gain| <= threshold``, up to rounding.

    Args:
        x: Side-chain signal, (b, c, t), float32 or float64. NaN asks for no reduction.
        threshold_db: The highest level let through, in dB: a number, (b, c) or (b, c, t).
        release: Smoothing coefficient in (0, 1] while the gain rises; see `envelope`.
        state: State returned by the call before, with the same `lookahead`; silence when left out.
        lookahead: Samples that the gain looks ahead, 0 or more; the latency of the limiter. Delay
            the signal by `lookahead(x, samples)` before the gain.

    Returns:
        The gain, the shape of `x`, and the state after its last sample.

    Raises:
        ValueError, TypeError: a shape, type or range does not fit.

    Source:
        G. Luff, "Designing a straightforward limiter", Signalsmith Audio, 2022; the running largest
        after M. van Herk, Pattern Recognition Letters 13(7), 1992. Its gradient is that of the
        sample which is the largest.
    """
    b, c, _ = audio("limiter_gain", x)
    if lookahead < 0:
        raise ValueError(f"limiter_gain: lookahead must be 0 samples or more, got {lookahead}")
    db = row_control("limiter_gain", x, "threshold_db", threshold_db)
    peaks, level, levels = (None, None, None) if state is None else state
    threshold = torch.exp(db * 0.11512925464970229)  # 10^(dB / 20)
    peaks = signal_state("limiter_gain", peaks, x, (b, c, lookahead))
    held, peaks = _parts.forgetful(_REDUCTION, x, threshold, peaks, lookahead)
    followed, level = envelope(held, 1.0, release, level)
    levels = signal_state("limiter_gain", levels, x, (b, c, lookahead))
    reduction, levels = _parts.forgetful(
        lambda x, _, past: _MEAN(x, past), followed, threshold, levels, lookahead
    )
    return 1 - reduction, (peaks, level, levels)


def lookahead(x: Tensor, samples: int, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Delay `x` by whole samples, ``y[t] = x[t - samples]``, for a gain that is not delayed.

    With it `compressor_gain` looks ahead: its gain of the undelayed signal, on the delayed one,
    begins to fall `samples` before a peak arrives.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        samples: The delay, 0 or more; the latency.
        state: State returned by the call before, (b, c, samples); silence when left out.

    Returns:
        The delayed signal, the shape of `x`, and its last samples, oldest first.

    Raises:
        ValueError, TypeError: a shape, type or range does not fit.

    Source:
        D. Giannoulis, M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design", JAES 2012.
    """
    b, c, t = audio("lookahead", x)
    if samples < 0:
        raise ValueError(f"lookahead: samples must be 0 or more, got {samples}")
    both = torch.cat([signal_state("lookahead", state, x, (b, c, samples)), x], -1)
    return both[..., :t], both[..., t:]


def _held(x: Tensor, threshold: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
    y, after = _REDUCTION(x, row_control("reduction", x, "threshold", threshold), past.to(x.dtype))
    return y, after


def _held_reference(x: Tensor, threshold: Tensor, past: Tensor) -> Tensor:
    """Every window on its own."""
    limit = threshold if threshold.ndim == 3 else threshold[..., None]
    asked = 1 - torch.minimum(torch.ones_like(x), limit / x.abs())
    return torch.cat([past, asked], -1).unfold(-1, past.shape[-1] + 1, 1).amax(-1)


def _mean(x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
    y, after = _MEAN(x, past.to(x.dtype))
    return y, after


def _mean_reference(x: Tensor, past: Tensor) -> Tensor:
    return torch.cat([past, x], -1).unfold(-1, past.shape[-1] + 1, 1).mean(-1)


def _held_samples(generator: torch.Generator) -> Iterator[Sample]:
    noise, spans = draws(generator)
    moving = spans(0.2, 2, 2, 2, 37)
    yield Sample((noise(1, 1, 131), spans(0.2, 1, 1, 1), spans(0, 1, 1, 1, 10)), name="one row")
    yield Sample((noise(2, 2, 37), moving, spans(0, 1, 2, 2, 5)), name="a moving threshold")
    yield Sample((noise(3, 1, 9), spans(0, 1, 3, 1), spans(0, 1, 3, 1, 14)), name="a long window")
    yield Sample((noise(2, 1, 20), spans(0, 1, 2, 1), spans(0, 1, 2, 1, 1)), name="a window of two")


def _mean_samples(generator: torch.Generator) -> Iterator[Sample]:
    noise, _ = draws(generator)
    yield Sample((noise(1, 1, 131), noise(1, 1, 10)), name="one row")
    yield Sample((noise(2, 3, 9), noise(2, 3, 14)), name="longer than the signal")
    yield Sample((noise(2, 1, 20), noise(2, 1, 1)), name="of two samples")


_REDUCTION = Op(
    record(
        Record(
            name="reduction",
            arguments={"x": "b c t", "threshold": "b c n", "past": "b c d"},
            results={"y": "b c t", "past_out": "b c d"},
            workspaces={"line": "b c d+t"},
            scratches={"where": "b c t", "owed": "b c d+t"},
            public=_held,
            reference=_held_reference,
            samples=_held_samples,
            budget_db=-130.0,
        )
    )
)
_MEAN = Op(
    record(
        Record(
            name="window_mean",
            arguments={"x": "b c t", "past": "b c d"},
            results={"y": "b c t", "past_out": "b c d"},
            public=_mean,
            reference=_mean_reference,
            samples=_mean_samples,
            budget_db=-130.0,
        )
    )
)
