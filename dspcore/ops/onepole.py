"""First-order low-pass, high-pass and all-pass whose pole may move every sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dspcore.ops._check import audio, row_control, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record

MODES = ("lowpass", "highpass", "allpass")


def onepole(
    x: Tensor, pole: Tensor | float, mode: str = "lowpass", state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Filter `x` by a first-order section; as low-pass, ``y[t] = (1 - a) x[t] + a y[t-1]``.

    The low-pass is 1 at 0 Hz, the high-pass ``(1 + a)/2 (1 - 1/z) / (1 - a/z)`` 1 at half the
    sample rate, the all-pass is ``(-a + 1/z) / (1 - a/z)``.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        pole: The pole a: a number, (b, c) or (b, c, t) for each sample; in float64 where it is near
            1. With f in cycles per sample ``exp(-2 pi f)`` puts a low corner of the low-pass
            near f, ``(1 - tan(pi f)) / (1 + tan(pi f))`` that of the high-pass, and 90 degrees of
            the all-pass, exactly at f. Stable while its size stays below 1.
        mode: "lowpass", "highpass" or "allpass".
        state: State returned by the call before, (b, c); silence when left out. It is the last
            output of the low-pass.

    Returns:
        The filtered signal, the shape of `x`, and the state after its last sample, (b, c).

    Raises:
        ValueError, TypeError: an unknown mode, or a shape, type or device that does not fit.

    Source:
        V. Zavalishin, "The Art of VA Filter Design", 2012, chapter 3.
    """
    b, c, _ = audio("onepole", x)
    if mode not in MODES:
        raise ValueError(f"onepole: mode must be one of {', '.join(MODES)}, got {mode!r}")
    before = signal_state("onepole", state, x, (b, c))
    y, after = _OPS[mode](x, row_control("onepole", x, "pole", pole), before[..., None])
    return y, after[..., 0]


def _reference(x: Tensor, pole: Tensor | float, mode: str) -> Tensor:
    """Direct form, one sample at a time; where the pole moves, around the smoothed signal."""
    a = torch.as_tensor(pole, dtype=x.dtype)
    moving = a.ndim == 3
    full = (a[..., None] if a.ndim == 2 else a).expand_as(x)
    y, last = torch.zeros_like(x), x.new_zeros(x.shape[:2])
    smooth, one = last, torch.ones_like(last)
    for n in range(x.shape[-1]):
        p, now = full[..., n], x[..., n]
        if moving or mode == "lowpass":
            before, smooth = smooth, (1 - p) * now + p * smooth
            # Trapezoidal: the mean of the smoother's state before and after is the low-pass.
            low = (before + smooth) / 2
            y[..., n] = {"lowpass": smooth, "highpass": now - low, "allpass": 2 * low - now}[mode]
        else:
            past = x[..., n - 1] if n else torch.zeros_like(now)
            b0, b1 = {"highpass": ((1 + p) / 2, -(1 + p) / 2), "allpass": (-p, one)}[mode]
            last = y[..., n] = b0 * now + b1 * past + p * last
    return y


def _samples(mode: str) -> Callable[[torch.Generator], Iterator[Sample]]:
    def samples(generator: torch.Generator) -> Iterator[Sample]:
        noise, _ = draws(generator)

        def poles(*shape: int) -> Tensor:
            return 1.9 * torch.rand(shape, generator=generator, dtype=torch.float64) - 0.95

        yield Sample((noise(1, 1, 131), poles(1, 1), mode), name=f"{mode}, one row")
        yield Sample((noise(3, 2, 65), poles(3, 2), mode), name=f"{mode}, its own for each row")
        yield Sample((noise(2, 1, 70), poles(2, 1, 70), mode), name=f"{mode}, moving")

    return samples


def _record(mode: str) -> Record:
    return record(
        Record(
            name=f"onepole_{mode}",
            arguments={"x": "b c t", "pole": "b c n", "state": "b c 1"},
            results={"y": "b c t", "state_out": "b c 1"},
            workspaces={"kept": "b c chunks 1"},
            public=onepole,
            reference=_reference,
            samples=_samples(mode),
            budget_db=-120.0,
        )
    )


_OPS = {mode: Op(_record(mode)) for mode in MODES}
