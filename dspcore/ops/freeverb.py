"""Schroeder and Moorer's room as one op: damped combs side by side, then all-passes in series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from dspcore.ops._check import audio, row_control, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record

_COMBS, _PASSES = 8, 4  # as kCombs and kPasses in csrc/ops/freeverb.hpp
_SIDES = 2  # the lengths of so many fit into the attributes of a call
_BITS = 20  # of a length: three of them to an attribute
FreeverbState = tuple[Tensor, Tensor]


def freeverb(
    x: Tensor,
    feedback: Tensor | float,
    damping: Tensor | float,
    state: FreeverbState | None = None,
    *,
    lengths: Sequence[Sequence[int]],
) -> tuple[Tensor, FreeverbState]:
    """Let `x` ring in eight combs ``u = z^-n w``, ``w = x + f (1 - d) / (1 - d/z) u``.

    The sum of the u goes through four all-passes ``(-1 + 1.5 z^-m) / (1 - 0.5 z^-m)`` in series.

    Args:
        x: Signal, (b, c, t), float32 or float64; at most two channels.
        feedback: Gain f of every loop, its size below 1: a number, (b, c) or (b, c, t) where it
            moves, as is `damping`.
        damping: Pole d of the low-pass in every loop, from 0 to below 1.
        state: State returned by the call before; silence when left out.
        lengths: For each channel the n of the eight combs, then the m of the four all-passes, in
            samples, from 1 on.

    Returns:
        What leaves the last all-pass, the shape of `x`, and the state after.

    Raises:
        ValueError, TypeError: a shape, type or range does not fit.

    Source:
        M. Schroeder, "Natural Sounding Artificial Reverberation", JAES 10(3), 1962; J. Moorer,
        "About This Reverberation Business", CMJ 3(2), 1979; Jezar at Dreampoint, Freeverb, 2000.
    """
    b, c, _ = audio("freeverb", x)
    if c > _SIDES or len(lengths) != c or any(len(one) != _COMBS + _PASSES for one in lengths):
        raise ValueError(
            f"freeverb: lengths must be {_COMBS + _PASSES} for each of the {c} channels of x, at "
            f"most {_SIDES}; got {[len(one) for one in lengths]}"
        )
    for n in (n for one in lengths for n in one):
        if n != int(n) or not 1 <= n < 2**_BITS:
            raise ValueError(
                f"freeverb: lengths must be whole samples, 1 to {2**_BITS - 1}, got {n}"
            )
    # Lines lie one after the other, in one size for all.
    longest = max([sum(one) for one in lengths] or [0])
    past, low = (None, None) if state is None else state
    every = [int(n) for one in lengths for n in one]
    attrs = [
        sum(n << (_BITS * i) for i, n in enumerate(every[first : first + 3]))
        for first in range(0, len(every), 3)
    ]
    y, past, low = _OP(
        x,
        row_control("freeverb", x, "feedback", feedback).double(),
        row_control("freeverb", x, "damping", damping).double(),
        signal_state("freeverb", past, x, (b, c, longest)),
        signal_state("freeverb", low, x, (b, c, _COMBS)),
        attrs=attrs,
    )
    return y, (past, low)


def _reference(
    x: Tensor, feedback: Tensor | float, damping: Tensor | float, lengths: list[list[int]]
) -> Tensor:
    """Sample by sample."""
    controls = [torch.as_tensor(v, dtype=x.dtype) for v in (feedback, damping)]
    f, d = ((v[..., None] if v.ndim == 2 else v).expand_as(x) for v in controls)
    y = torch.zeros_like(x)
    for item in range(x.shape[0]):
        for side, all_lengths in enumerate(lengths):
            lines = [[0.0] * n for n in all_lengths]
            low = [0.0] * _COMBS
            for t in range(x.shape[2]):
                sound, total = float(x[item, side, t]), 0.0
                for i in range(_COMBS):
                    heard = lines[i][t % all_lengths[i]]
                    low[i] = heard + float(d[item, side, t]) * (low[i] - heard)
                    lines[i][t % all_lengths[i]] = sound + float(f[item, side, t]) * low[i]
                    total += heard
                for i in range(_COMBS, _COMBS + _PASSES):
                    heard = lines[i][t % all_lengths[i]]
                    lines[i][t % all_lengths[i]] = total + 0.5 * heard
                    total = heard - total
                y[item, side, t] = total
    return y


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    noise, spans = draws(generator)
    short = [[5, 7, 4, 9, 6, 11, 3, 8, 5, 4, 3, 2]]
    sides = [*short, [6, 8, 5, 10, 7, 12, 4, 9, 6, 5, 4, 3]]
    far = [[71, 83, 67, 97, 101, 79, 66, 90, 70, 69, 68, 67]]
    yield Sample((noise(1, 1, 60), spans(0.3, 0.9, 1, 1), 0.3, short), name="short lines")
    yield Sample(
        (noise(2, 2, 36), spans(0.3, 0.9, 2, 2), spans(0, 0.8, 2, 2), sides), name="two sides"
    )
    every = (noise(2, 2, 30), spans(0.3, 0.9, 2, 2, 30), spans(0, 0.8, 2, 2, 30), sides)
    yield Sample(every, name="everything moves")
    yield Sample((noise(1, 1, 300), 0.8, spans(0, 0.8, 1, 1), far), name="several chunks")


def _public(
    x: Tensor, feedback: Tensor | float, damping: Tensor | float, lengths: list[list[int]]
) -> tuple[Tensor, FreeverbState]:
    return freeverb(x, feedback, damping, lengths=lengths)


RECORD = record(
    Record(
        name="freeverb",
        arguments={
            "x": "b c t",
            "feedback": "b c n",
            "damping": "b c m",
            "past": "b c d",
            "state": "b c 8",
        },
        results={"y": "b c t", "past_out": "b c d", "state_out": "b c 8"},
        workspaces={"line": "b c d+8*t", "kept": "b c chunks 8"},
        scratches={"owed": "b c d"},
        lean=True,
        attributes=tuple(f"lengths{i}" for i in range(_SIDES * (_COMBS + _PASSES) // 3)),
        precise=frozenset({"feedback", "damping"}),
        public=_public,
        reference=_reference,
        samples=_samples,
        budget_db=-115.0,
    )
)
_OP = Op(RECORD)
