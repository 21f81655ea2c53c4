"""Direct-form filter of any order, as SciPy writes it, with coefficients that may move."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad

from dspcore.ops._check import audio
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record

_MAX_ORDER = 128  # kMaxOrder in csrc/ops/lfilter.hpp


def lfilter(x: Tensor, b: Tensor, a: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Filter `x` by ``a_0 y[t] = sum_i b_i x[t-i] - sum_i a_i y[t-i]``, as `scipy.signal.lfilter`.

    Runs in float64 whatever the audio is. Where coefficients move, those of the sample that goes in
    count: it adds ``b_i[t] x[t] - a_i[t] y[t]`` to what comes out i samples later (the transposed
    direct form II, SciPy's). For sections of second order `sosfilt` is faster, and keeps its digits
    at low corners.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        b: Numerator from ``b_0`` on, best in float64: (m,) for all rows, (b, c, m) for each row or
            (b, c, m, t) for each sample; b and c may be 1.
        a: Denominator from ``a_0`` on, which is not 0; shaped like that with a length of its own.
            The order, the longer length less 1, is at most 128.
        state: SciPy's `zi` in float64, (b, c, order); silence when left out. What the past adds to
            the next outputs.

    Returns:
        The filtered signal, the shape of `x`, and SciPy's `zf`, (b, c, order) in float64. A filter
        whose poles leave the unit circle for long grows without bound, as the formula says.

    Raises:
        ValueError, TypeError: a shape, type or device does not fit.

    Source:
        A. Oppenheim, R. Schafer, "Discrete-Time Signal Processing", chapter 6: the transposed form.
    """
    rows, channels, t = audio("lfilter", x)
    parts = []
    for name, given in (("b", b), ("a", a)):
        full = given[None, None] if given.ndim == 1 else given
        full = full[..., None] if full.ndim == 3 else full
        if (
            full.ndim != 4
            or full.shape[0] not in (1, rows)
            or full.shape[1] not in (1, channels)
            or full.shape[2] == 0
            or full.shape[3] not in (1, t)
        ):
            raise ValueError(
                f"lfilter: {name} must be (m,), ({rows}, {channels}, m) or ({rows}, {channels}, m, "
                f"{t}) for x of shape {tuple(x.shape)}, got {tuple(given.shape)}"
            )
        parts.append(full.to(torch.float64))
    order = max(part.shape[2] for part in parts) - 1
    if order > _MAX_ORDER:
        raise ValueError(f"lfilter: order must be at most {_MAX_ORDER}, got {order}")
    before = x.new_zeros((rows, channels, order)) if state is None else state
    if before.shape != (rows, channels, order):
        raise ValueError(
            f"lfilter: state must have the shape {(rows, channels, order)} for order {order} and x "
            f"of shape {tuple(x.shape)}, got {tuple(before.shape)}; pass the state that lfilter "
            "returned"
        )
    scale = parts[1][:, :, :1]
    over, under = (pad(part / scale, (0, 0, 0, order + 1 - part.shape[2])) for part in parts)
    y, after = _OP(
        x,
        over.expand(rows, channels, -1, -1),
        under.expand(rows, channels, -1, -1),
        before.to(torch.float64),
    )
    return y, after


def _reference(x: Tensor, b: Tensor, a: Tensor) -> Tensor:
    """Every input and output scattered to the outputs it adds to, one sample at a time."""
    rows, channels, t = x.shape

    def full(c: Tensor) -> Tensor:
        c = c[None, None] if c.ndim == 1 else c
        c = c[..., None] if c.ndim == 3 else c
        return c.expand(rows, channels, c.shape[2], t)

    over, under = full(b), full(a)
    longest = max(over.shape[2], under.shape[2])
    sums = [x.new_zeros(rows, channels) for _ in range(t + longest)]  # a_0 y, by its sample
    y = []
    for n in range(t):
        a0 = under[..., 0, n]
        for i in range(over.shape[2]):
            sums[n + i] = sums[n + i] + over[..., i, n] / a0 * x[..., n]
        y.append(sums[n])
        for i in range(1, under.shape[2]):
            sums[n + i] = sums[n + i] - under[..., i, n] / a0 * y[n]
    return torch.stack(y, -1)


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    noise, _ = draws(generator)

    def poles(*shape: int) -> Tensor:
        """A stable denominator: 2 over what stays below 1 in sum, order second from the end."""
        tail = noise(*shape)
        tail = 1.6 * tail / tail.abs().sum(-2, keepdim=True)
        return torch.cat([torch.full_like(tail[..., :1, :], 2.0), tail], -2)

    yield Sample((noise(1, 1, 131), noise(3), poles(2, 1)[:, 0]), name="order 2, one row")
    yield Sample((noise(3, 2, 65), noise(3, 2, 2), poles(1, 1, 5, 1)[..., 0]), name="a longer a")
    yield Sample((noise(2, 1, 20), noise(1, 1, 24), poles(2, 1, 3, 1)[..., 0]), name="a longer b")
    yield Sample((noise(2, 2, 37), noise(2, 2, 4, 37), poles(2, 2, 3, 37)), name="moving")
    yield Sample((noise(2, 1, 18), noise(2), poles(2, 1, 2, 18)), name="moving poles alone")


RECORD = record(
    Record(
        name="lfilter",
        arguments={"x": "b c t", "b": "b c m n", "a": "b c m q", "state": "b c p"},
        results={"y": "b c t", "state_out": "b c p"},
        workspaces={"kept": "b c t"},
        precise=frozenset({"b", "a", "state", "state_out"}),
        public=lfilter,
        reference=_reference,
        samples=_samples,
        budget_db=-130.0,
    )
)
_OP = Op(RECORD)
