"""All-pole filter of any order whose coefficients may move every sample."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dspcore.ops._check import audio, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record

_MAX_ORDER = 128  # kMaxOrder in csrc/ops/allpole.hpp


def allpole(x: Tensor, a: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Filter `x` by ``y[t] = x[t] - sum_i a[i, t] y[t-1-i]``, i = 0 ... p - 1.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        a: Coefficients without the leading 1, in the type of `x`: (b, c, p) constant or (b, c, p,
            t) for each sample; b and c may be 1. Order p is at most 128.
        state: The last p outputs, newest first, (b, c, p); silence when left out.

    Returns:
        The filtered signal, the shape of `x`, and its last p samples, newest first. A filter whose
        poles leave the unit circle for long grows without bound, as the formula says.

    Raises:
        ValueError, TypeError: a shape, type or device does not fit.

    Source:
        C.-Y. Yu, G. Fazekas, "Differentiable Time-Varying Linear Prediction in the Context of
        End-to-End Analysis-by-Synthesis", Interspeech 2024.
    """
    b, c, t = audio("allpole", x)
    full = a[..., None] if a.ndim == 3 else a
    if (
        full.ndim != 4
        or full.shape[0] not in (1, b)
        or full.shape[1] not in (1, c)
        or full.shape[3] not in (1, t)
    ):
        raise ValueError(
            f"allpole: a must be ({b}, {c}, p) or ({b}, {c}, p, {t}) for x of shape "
            f"{tuple(x.shape)}, got {tuple(a.shape)}"
        )
    p = full.shape[2]
    if p > _MAX_ORDER:
        raise ValueError(f"allpole: order must be at most {_MAX_ORDER}, got {p}; split the filter")
    full = full.to(x.dtype).expand(b, c, p, full.shape[3])
    y, after = _OP(x, full, signal_state("allpole", state, x, (b, c, p)))
    return y, after


def _reference(x: Tensor, a: Tensor) -> Tensor:
    """One sample at a time, all rows together."""
    full = (a[..., None] if a.ndim == 3 else a).expand(*x.shape[:2], a.shape[2], x.shape[2])
    y = [x.new_zeros(x.shape[:2])] * a.shape[2]
    for n in range(x.shape[-1]):
        past = torch.stack(y[: -a.shape[2] - 1 : -1], -1)
        y.append(x[..., n] - (full[..., n] * past).sum(-1))
    return torch.stack(y[a.shape[2] :], -1)


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    noise, _ = draws(generator)
    yield Sample((noise(1, 1, 67), 0.2 * noise(1, 1, 2)), name="order 2, one row")
    yield Sample((noise(2, 3, 33), 0.1 * noise(2, 3, 3, 33)), name="order 3, moving")
    yield Sample(
        (noise(2, 1, 21), 0.02 * noise(1, 1, 22, 21)), name="order 22, shorter than itself"
    )


RECORD = record(
    Record(
        name="allpole",
        arguments={"x": "b c t", "a": "b c p n", "state": "b c p"},
        results={"y": "b c t", "state_out": "b c p"},
        workspaces={"past": "b c p+t"},
        public=allpole,
        reference=_reference,
        samples=_samples,
        budget_db=-120.0,
    )
)
_OP = Op(RECORD)
