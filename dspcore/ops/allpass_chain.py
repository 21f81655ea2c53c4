"""First-order all-passes in series with a moving pole and feedback: the heart of a phaser."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dspcore.ops._check import audio, row_control, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record

_MAX_STAGES = 24  # kState in csrc/ops/allpass_chain.hpp


def allpass_chain(
    x: Tensor,
    pole: Tensor | float,
    feedback: Tensor | float = 0.0,
    state: Tensor | None = None,
    *,
    stages: int,
) -> tuple[Tensor, Tensor]:
    """Pass `x` through ``(-a + 1/z) / (1 - a/z)`` `stages` times, with feedback around all of them.

    Added to the dry signal this is a phaser, with a notch wherever the phases are opposite. The
    feedback loop has no delay of its own: ``y = H(x + feedback y)`` holds at each sample.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        pole: The pole a of all stages: a number, (b, c) or (b, c, t), its size below 1; ``(1 -
            tan(pi f)) / (1 + tan(pi f))`` puts 90 degrees of each stage at f cycles per sample.
        feedback: What comes back of the output, shaped like `pole`, its size below 1.
        state: State returned by the call before, (b, c, stages); silence when left out.
        stages: How many all-passes, 1 to 24.

    Returns:
        The filtered signal, the shape of `x`, and the state after its last sample.

    Raises:
        ValueError, TypeError: a number of stages out of range, or a shape, type or device that does
            not fit.

    Source:
        V. Zavalishin, "The Art of VA Filter Design", 2012: loops without delay.
    """
    b, c, _ = audio("allpass_chain", x)
    if not 1 <= stages <= _MAX_STAGES:
        raise ValueError(f"allpass_chain: stages must be 1 to {_MAX_STAGES}, got {stages}")
    y, after = _OP(
        x,
        row_control("allpass_chain", x, "pole", pole),
        row_control("allpass_chain", x, "feedback", feedback),
        signal_state("allpass_chain", state, x, (b, c, stages)),
    )
    return y, after


def _reference(x: Tensor, pole: Tensor, feedback: Tensor | float, stages: int) -> Tensor:
    """All stages and the loop of each sample as one linear system of equations."""
    b, c, t = x.shape
    every = (torch.as_tensor(v, dtype=x.dtype) for v in (pole, feedback))
    poles, returns = (
        (v[..., None] if v.ndim == 2 else v).expand(b, c, t).reshape(-1, t) for v in every
    )
    y, rows = torch.empty_like(poles), x.reshape(-1, t)
    for row in range(b * c):
        memory = x.new_zeros(stages)
        for n in range(t):
            a = float(poles[row, n])
            # Unknown u_0 ... u_n: u_0 - f u_n = x, u_k + a u_{k-1} = (1 + a) s_k.
            matrix = torch.eye(stages + 1, dtype=x.dtype)
            matrix += a * torch.diag(torch.ones(stages, dtype=x.dtype), -1)
            matrix[0, stages] -= returns[row, n]
            known = torch.cat([rows[row, n : n + 1], (1 + a) * memory])
            u = torch.linalg.solve(matrix, known)
            memory = a * memory + (1 - a) * u[:-1]
            y[row, n] = u[-1]
    return y.reshape(x.shape)


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    noise, spans = draws(generator)
    yield Sample((noise(1, 1, 131), spans(-0.9, 0.9, 1, 1), 0.5, 4), name="one row")
    sweep = spans(-0.95, 0.95, 2, 3, 67)
    yield Sample((noise(2, 3, 67), sweep, spans(-0.8, 0.8, 2, 3), 6), name="a sweep")
    loop = spans(-0.9, 0.9, 3, 1, 40)
    yield Sample((noise(3, 1, 40), spans(-0.9, 0.9, 3, 1, 40), loop, 3), name="odd, all moves")
    yield Sample((noise(2, 1, 17), spans(-0.9, 0.9, 2, 1), 0.0, 1), name="one stage, no loop")


def _public(
    x: Tensor, pole: Tensor, feedback: Tensor | float, stages: int
) -> tuple[Tensor, Tensor]:
    return allpass_chain(x, pole, feedback, stages=stages)


RECORD = record(
    Record(
        name="allpass_chain",
        arguments={"x": "b c t", "pole": "b c n", "feedback": "b c m", "state": "b c k"},
        results={"y": "b c t", "state_out": "b c k"},
        workspaces={"kept": "b c chunks k"},
        public=_public,
        reference=_reference,
        samples=_samples,
        budget_db=-115.0,
    )
)
_OP = Op(RECORD)
