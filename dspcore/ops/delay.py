"""Coupled delay lines: echo, ping-pong, modulated delays and feedback delay networks in one op."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from dspcore.ops._check import audio, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record
from dspcore.ops.compiling import unseen
from dspcore.ops.sosfilt import reference_section

_MAX_LINES, _MAX_SECTIONS = 16, 4  # kMostLines and kMostSections in csrc/ops/shared/delay_lines.hpp
_KINDS = ("linear", "cubic", "allpass")
DelayState = tuple[Tensor, Tensor]


def delay(
    x: Tensor,
    delay_samples: Tensor,
    feedback: Tensor,
    loop_sos: Tensor | None = None,
    state: DelayState | None = None,
    *,
    max_delay: float,
    interpolation: str = "cubic",
) -> tuple[Tensor, DelayState]:
    """Delay lines ``y_i[t] = w_i(t - d_i[t])``, ``w_i[t] = x_i[t] + sum_j F[i, j] (h_j * y_j)[t]``.

    Args:
        x: What goes into each line, (b, l, t), float32 or float64; at most 16 lines.
        delay_samples: Delay d in samples, (b, l) or (b, l, t) where it moves, float64 for
            precision; from 2 to `max_delay`. A delay outside gives NaN, never a wrong echo.
        feedback: Matrix F from the outputs j to the inputs i of the lines, (b, l, l), or
            (b, l, l, t) where it moves. Stable while its gain at every frequency stays below 1.
        loop_sos: Sections h_j that each output passes on its way back, (b, l, k, 6) or
            (b, l, k, 6, t), with k <= 4, as in `sosfilt`; none when left out.
        state: State returned by the call before, with the same `max_delay`; silence when left out.
        max_delay: The longest delay that the lines can hold, in samples.
        interpolation: Reading between samples: "cubic" (third-order Lagrange), "linear", or
            "allpass" (first-order Thiran), which leaves all levels as they are, at the price of a
            delay that grows or falls towards half the sample rate. It remembers its last output,
            so it is for delays that stand still or move slowly: where one passes a half sample it
            changes its samples and clicks, and a NaN stays.

    Returns:
        The delayed signals before the loop filters, the shape of `x`, and the state after.

    Raises:
        ValueError, TypeError: a shape, type or range does not fit.

    Source:
        J.-M. Jot, A. Chaigne, "Digital Delay Networks for Designing Artificial Reverberators",
        1991; T. Laakso et al., "Splitting the Unit Delay", IEEE Signal Processing Magazine 13(1),
        1996, for the ways of reading.
    """
    b, lines, t = audio("delay", x, dims="(b, l, t)")
    d = delay_samples.to(torch.float64)
    d = d[..., None] if d.ndim == 2 else d
    if d.ndim != 3 or d.shape[0] not in (1, b) or d.shape[1] != lines or d.shape[2] not in (1, t):
        raise ValueError(
            f"delay: delay_samples must be {(b, lines)} or {(b, lines, t)}, "
            f"got {tuple(delay_samples.shape)}"
        )
    matrix = feedback[..., None] if feedback.ndim == 3 else feedback
    if matrix.shape not in [(n, lines, lines, m) for n in (1, b) for m in (1, t)]:
        raise ValueError(
            f"delay: feedback must be {(b, lines, lines)} or {(b, lines, lines, t)}, "
            f"got {tuple(feedback.shape)}"
        )
    if loop_sos is None:
        loop_sos = x.new_zeros((b, lines, 0, 6))
    sos = loop_sos[..., None] if loop_sos.ndim == 4 else loop_sos
    if (
        sos.ndim != 5
        or sos.shape[0] not in (1, b)
        or sos.shape[1] not in (1, lines)
        or sos.shape[3] != 6
        or sos.shape[4] not in (1, t)
    ):
        raise ValueError(
            f"delay: loop_sos must be ({b}, {lines}, k, 6) or ({b}, {lines}, k, 6, {t}), "
            f"got {tuple(loop_sos.shape)}"
        )
    k = sos.shape[2]
    if lines > _MAX_LINES or k > _MAX_SECTIONS:
        raise ValueError(
            f"delay: at most {_MAX_LINES} lines and {_MAX_SECTIONS} loop sections, "
            f"got {lines} and {k}"
        )
    if interpolation not in _KINDS:
        raise ValueError(
            f"delay: interpolation must be one of {', '.join(_KINDS)}, got {interpolation!r}"
        )
    if not max_delay >= 2:
        raise ValueError(f"delay: max_delay must be at least 2 samples, got {max_delay}")
    history = math.ceil(max_delay) + 2 + (interpolation == "allpass")  # and its last output
    past, filters = (None, None) if state is None else state
    arguments = (
        x,
        d.expand(b, lines, d.shape[2]),
        matrix.to(x.dtype).expand(b, lines, lines, -1),
        sos.to(torch.float64).expand(b, lines, k, 6, -1),
        signal_state("delay", past, x, (b, lines, history)),
        signal_state("delay", filters, x, (b, lines, k, 2)),
    )
    attrs = (_KINDS.index(interpolation),)
    # Behind the past of an all-pass lies its last output, which growing lines would write over.
    if t < history and interpolation != "allpass" and unseen(*arguments):
        return _grown(*arguments, attrs)
    y, past, filters = _OP(*arguments, attrs=attrs)
    return y, (past, filters)


class _Reel:
    """Lines (b, l, n) that blocks are added to, and how many of their samples are written."""

    def __init__(self, lines: Tensor) -> None:
        self.lines, self.written = lines, 0


def _grown(
    x: Tensor,
    d: Tensor,
    matrix: Tensor,
    sos: Tensor,
    past: Tensor,
    filters: Tensor,
    attrs: tuple[int, ...],
) -> tuple[Tensor, DelayState]:
    """The op on lines that grow in place: a block costs its own length, however long the lines are.

    The past that is returned is a part of the lines. Only what came last may be continued there: a
    state that was continued already, or is anyone else's, is copied first, as in a plain call.
    """
    t, history = x.shape[2], past.shape[2]
    known: tuple[_Reel, int] | None = getattr(past, "reel", None)
    reel, begin = known or (None, 0)
    if reel is None or reel.written != begin + history or reel.written + t > reel.lines.shape[2]:
        reel, begin = _Reel(x.new_empty(*x.shape[:2], 2 * history + t)), 0
    lines = reel.lines[..., begin : begin + history + t]
    after: Tensor = reel.lines[..., begin + t : begin + t + history]
    reel.written = begin + t + history
    after.reel = (reel, begin + t)  # type: ignore[attr-defined]
    y, filters_after = (
        torch.empty_like(x, memory_format=torch.contiguous_format),
        torch.empty_like(filters, memory_format=torch.contiguous_format),
    )
    _OP.into((x, d, matrix, sos, past, filters), (y, after, filters_after, lines, None), attrs)
    return y, (after, filters_after)


def carry(view: Tensor, past: Tensor) -> Tensor:
    """`view`, another shape of `past`, which may be continued wherever that may."""
    view.reel = getattr(past, "reel", None)  # type: ignore[attr-defined]
    return view


def _lagrange(w: Tensor, point: float, cubic: bool) -> Tensor:
    """The polynomial through the samples around `point`, by Lagrange's formula."""
    n = math.ceil(point) - 1
    knots = range(n - 1, n + 3) if cubic else range(n, n + 2)
    total = w.new_zeros(())
    for i in knots:
        weight = math.prod((point - j) / (i - j) for j in knots if j != i)
        if weight:
            total = total + weight * w[i]
    return total


def _thiran(w: Tensor, point: float, heard: float) -> Tensor:
    """A sample read by the all-pass whose delay lies within half a sample of one."""
    newer = math.ceil(point + 0.5)
    rest = newer - point
    a = (1 - rest) / (1 + rest)
    return a * (w[newer] - heard) + w[newer - 1]


def _reference(
    x: Tensor, delay_samples: Tensor, feedback: Tensor, loop_sos: Tensor | None, interpolation: str
) -> Tensor:
    """Sample by sample."""
    b, lines, t = x.shape
    before = math.ceil(float(delay_samples.max())) + 3
    y = torch.zeros_like(x)
    for item in range(b):
        w = x.new_zeros(lines, before + t)
        memory = {(j, s): [0.0, 0.0] for j in range(lines) for s in range(8)}
        for n in range(t):
            back = x.new_zeros(lines)
            for j in range(lines):
                d = delay_samples[item, j] if delay_samples.ndim == 2 else delay_samples[item, j, n]
                point = before + n - float(d)
                if interpolation == "allpass":
                    heard = float(y[item, j, n - 1]) if n else 0.0
                    y[item, j, n] = value = _thiran(w[j], point, heard)
                else:
                    y[item, j, n] = value = _lagrange(w[j], point, interpolation == "cubic")
                u = float(value)
                sections = () if loop_sos is None else loop_sos[item, j].unbind()
                for s, section in enumerate(sections):
                    now = section if section.ndim == 1 else section[:, n]
                    u = reference_section(now, memory[j, s], u)
                back[j] = u
            matrix = feedback[item] if feedback.ndim == 3 else feedback[item, :, :, n]
            w[:, before + n] = x[item, :, n] + matrix @ back
    return y


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    noise, spans = draws(generator)
    low = torch.tensor([[0.2, 0.1, 0.05, 1.0, -0.6, 0.1]], dtype=torch.float64)
    one = torch.full((1, 1, 1), 0.6, dtype=torch.float64)
    yield Sample((noise(1, 1, 150), spans(20, 30, 1, 1), one, None, "cubic"), name="an echo")
    crossed = torch.tensor([[0.0, 0.5], [0.4, 0.0]], dtype=torch.float64).expand(2, 2, 2)
    moving = spans(2.1, 9.9, 2, 2, 40)
    loop = low.expand(2, 2, 1, 6)
    yield Sample((noise(2, 2, 40), moving, crossed, loop, "linear"), name="two crossed, moving")
    matrix = torch.linalg.qr(noise(1, 4, 4))[0] * 0.8
    drift = 0.4 * spans(0, 1, 1, 2, 2, 30)
    bent = low[..., None] * spans(0.9, 1.1, 1, 2, 1, 6, 30)
    every = (noise(1, 2, 30), spans(5, 9, 1, 2, 30), drift, bent, "cubic")
    yield Sample(every, name="everything moves")
    network = (noise(1, 4, 130), spans(66, 90, 1, 4), matrix, low.expand(1, 4, 2, 6), "cubic")
    yield Sample(network, name="a network of four")
    slow = 5.55 + 0.05 * spans(0, 1, 2, 2, 3).cumsum(2).repeat_interleave(30, 2)[..., :70]
    yield Sample((noise(2, 2, 70), slow, crossed, loop, "allpass"), name="all-pass, moving slowly")
    still = (noise(1, 1, 90), spans(20.6, 21.4, 1, 1), one, None, "allpass")
    yield Sample(still, name="an echo by all-pass")


def _public(
    x: Tensor, delay_samples: Tensor, feedback: Tensor, loop_sos: Tensor | None, interpolation: str
) -> tuple[Tensor, DelayState]:
    return delay(x, delay_samples, feedback, loop_sos, max_delay=100.0, interpolation=interpolation)


RECORD = record(
    Record(
        name="delay",
        arguments={
            "x": "b l t",
            "delay": "b l n",
            "feedback": "b l l m",
            "sos": "b l k 6 q",
            "past": "b l d",
            "state": "b l k 2",
        },
        results={"y": "b l t", "past_out": "b l d", "state_out": "b l k 2"},
        workspaces={"line": "b l d+t", "kept": "b l chunks k+1 2"},
        scratches={"owed": "b l d+t", "trail": "b l chunk+3*chunk*k"},
        attributes=("interpolation",),
        precise=frozenset({"delay", "sos"}),
        public=_public,
        reference=_reference,
        samples=_samples,
        budget_db=-115.0,
    )
)
_OP = Op(RECORD)
