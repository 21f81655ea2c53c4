"""The gain of a gate with hysteresis, hold, attack and release."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from dspcore.ops._check import audio, row_control, row_controls, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record


def gate_gain(
    x: Tensor,
    opening: Tensor | float,
    closing: Tensor | float,
    floor: Tensor | float,
    attack: Tensor | float,
    release: Tensor | float,
    hold: Tensor | float = 0.0,
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The linear gain of a gate that opens where ``|x|`` reaches a level, and closes below another.

    A closed gate opens when ``|x|`` reaches `opening`; an open one closes when ``|x|`` has stayed
    below `closing` for `hold` samples. The gain moves to 1 by ``g += attack (1 - g)`` while open,
    to `floor` by ``g += release (floor - g)`` while closed. Between two samples ``|x|`` is a
    straight line: a sample in which the gate opens or closes is divided at that point, one part
    for each. So the gain has gradients to levels, hold and signal, as long as no opening or
    closing comes or goes.

    Args:
        x: Side-chain signal, (b, c, t), float32 or float64.
        opening: Linear level that opens: a number, (b, c) or (b, c, t), as are the other controls.
        closing: Linear level below which the gate closes, `opening` or less.
        floor: Gain of the closed gate, 0 to 1.
        attack: Smoothing coefficient in (0, 1] while open; see `envelope`.
        release: The same while closed.
        hold: Samples below `closing` before the gate closes, 0 or more, not whole ones either.
        state: State after the call before, (b, c, 4): gain, 1 where open, samples below `closing`,
            the last level. A closed gate after silence when left out.

    Returns:
        The gain, the shape of `x`, and the state after the last sample.

    Raises:
        ValueError, TypeError: a shape, type or device does not fit.

    Source:
        U. Zoelzer (editor), "DAFX: Digital Audio Effects", 2011, section 4.2.3: the noise gate with
        hysteresis.
    """
    b, c, t = audio("gate_gain", x)
    controls = row_controls(
        "gate_gain",
        x,
        opening=opening,
        closing=closing,
        floor=floor,
        attack=attack,
        release=release,
        hold=hold,
    )
    if state is None:
        closed = row_control("gate_gain", x, "floor", floor)[..., :1].expand(b, c, min(t, 1))
        start = torch.cat([closed, closed.new_zeros(b, c, 4 - closed.shape[2])], 2)
        before = start.to(x.dtype)
    else:
        before = signal_state("gate_gain", state, x, (b, c, 4))
    y, after = _OP(x, controls, before[:, :, None])
    return y, after[:, :, 0]


def _reference(x: Tensor, *settings: Tensor | float) -> Tensor:
    """One sample at a time, with the point of every passing."""
    every = [torch.as_tensor(v, dtype=x.dtype) for v in settings]
    every = [(v[..., None] if v.ndim == 2 else v).expand(x.shape) for v in every]
    out = torch.empty_like(x)
    for row in itertools.product(*(range(n) for n in x.shape[:2])):
        gain, is_open, low, before = float(every[2][*row, 0]), False, 0.0, 0.0
        for t, level in enumerate(x[row].abs().tolist()):
            opening, closing, floor, attack, release, hold = (float(v[*row, t]) for v in every)
            share = 1.0 if is_open else 0.0  # of this sample, that the gate is open
            if is_open and level < closing:
                low += (closing - level) / (before - level) if before >= closing else 1.0
                share = 1 - min(max(low - hold, 0.0), 1.0)
                is_open = share == 1.0
            elif not is_open and level >= opening:
                share = (level - opening) / (level - before) if before < opening else 1.0
                is_open, low = True, 0.0
            elif is_open:
                low = 0.0
            up, down = share * attack * (1 - gain), (1 - share) * release * (floor - gain)
            gain, before = gain + up + down, level
            out[*row, t] = gain
    return out


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    noise, spans = draws(generator)
    yield Sample((noise(1, 1, 129), 1.5, 0.7, 0.1, 0.4, 0.2, 1.7), name="one row")
    every = [
        spans(*ends, 3, 2)
        for ends in ((1, 2), (0.4, 0.9), (0, 0.3), (0.1, 0.5), (0.1, 0.5), (0, 3))
    ]
    yield Sample((noise(3, 2, 65), *every), name="its own for each row")
    moving = spans(0.9, 1.4, 2, 1, 40)
    yield Sample((noise(2, 1, 40), moving, 0.8, 0.0, 0.5, 0.3, 0.0), name="moving, no hold")


RECORD = record(
    Record(
        name="gate",
        arguments={"x": "b c t", "params": "b c 1 6 n", "state": "b c 1 4"},
        results={"y": "b c t", "state_out": "b c 1 4"},
        workspaces={"kept": "b c chunks 1 4"},
        precise=frozenset({"params"}),
        public=gate_gain,
        reference=_reference,
        samples=_samples,
        budget_db=-110.0,
    )
)
_OP = Op(RECORD)
