"""Newtonized orthogonal matching pursuit: the strongest peak of what is left, refined jointly."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from dspcore.errors import UserError
from dspcore.estimate import _model
from dspcore.estimate.polish import refine
from dspcore.estimate.result import Estimate

#: Numbers held at once: chunks that stay in the cache are twice as fast.
_CHUNK = 1 << 16
#: Refinement between additions: enough that the next peak is real, measured on 8 of 512 samples.
_STEPS, _TOLERANCE = 4, 1e-2


def nomp(
    y: Tensor,
    k: int | None = None,
    *,
    most: int | None = None,
    false_alarm: float = 0.01,
    floor_db: float = -120.0,
    window: Tensor | None = None,
    damped: bool = False,
    swaps: int = 3,
    apart: float = 0.0,
) -> Estimate:
    """Find sinusoids one at a time in the residual, all refined by least squares after each.

    Args:
        y: Signals, (b, t) or (t,), each with its own sinusoids.
        k: How many; when left out, a test on the residual's spectrum stops each item.
        most: Largest number when `k` is left out; an eighth of the samples by default, at most 64.
        false_alarm: Probability that pure white noise yields one more, when `k` is left out.
        floor_db: Peaks this far below the first one are not looked at, when `k` is left out.
        window: Weights of the samples, (t,), for short pieces of a longer sound.
        damped: Fit dampings in a last refinement.
        swaps: With a known `k`, how often the component that is missed least is tried elsewhere.
        apart: New components keep this many bins off those found: 0 tells near ones apart; 2 keeps
            one that moves within the piece from being taken for two.

    Returns:
        The components, with `counts` per item where `k` was left out.

    Source:
        B. Mamandipoor, D. Ramasamy, U. Madhow, "Newtonized Orthogonal Matching Pursuit",
        IEEE Trans. Signal Processing 64 (2016). The joint refinement is Levenberg-Marquardt here;
        the swaps are ours.
    """
    y = _model.checked("nomp", y, k)
    if not 0 < false_alarm < 1:
        raise UserError(f"nomp: false_alarm must lie between 0 and 1, got {false_alarm}")
    limit = most or max(1, min(64, y.shape[1] // 8))
    parts = []
    for part in y.split(max(1, _CHUNK // (y.shape[1] * (k or 8)))):
        if k is None:
            parts.append(_unknown(part, limit, false_alarm, floor_db, window, damped, apart))
        else:
            parts.append(_known(part, k, false_alarm, window, damped, swaps, apart))
    return _model.joined(parts)


def _known(
    y: Tensor,
    k: int,
    false_alarm: float,
    window: Tensor | None,
    damped: bool,
    swaps: int,
    apart: float,
) -> Estimate:
    state = _start(y, window)
    for _ in range(k):
        state = _add(y, state, window, apart=apart)
    f, w, d, residual = refine(y, state.f, state.w, window=window, steps=30)
    state = State(f, w, residual)
    for _ in range(0 if apart else swaps):
        state = _swap(y, state, false_alarm, window)
    f, w = state.f, state.w
    if damped:
        f, w, d, _ = refine(y, f, w, damped=True, window=window, steps=30)
    return _model.finish(y.shape[1], f, w, d)


class State(NamedTuple):
    """Frequencies (b, k), weights of `_model.columns` (b, 2k), and what is left, windowed."""

    f: Tensor
    w: Tensor
    residual: Tensor

    def at(self, rows: Tensor) -> State:
        """Some of the items."""
        return State(self.f[rows], self.w[rows], self.residual[rows])


def _start(y: Tensor, window: Tensor | None) -> State:
    nothing = y.new_zeros(y.shape[0], 0)
    return State(nothing, nothing, y if window is None else y * window)


def something_left(
    residual: Tensor, false_alarm: float, taken: Tensor | None = None, apart: float = 0.0
) -> Tensor:
    """Whether the highest peak of (b, t) is more than white noise would have, (b,)."""
    peak = _model.strongest(residual, taken, apart)[1]
    noise = _model.noise_floor(torch.fft.rfft(residual).abs().square())
    # The padded periodogram's maximum over t/2 bins is that of about 2.5 times as many free ones.
    ratio = math.log(1.25 * residual.shape[1]) - math.log(-math.log1p(-false_alarm))
    return (peak > ratio * noise) & (peak > 0)


def _add(
    y: Tensor,
    state: State,
    window: Tensor | None,
    steps: int = _STEPS,
    tolerance: float = _TOLERANCE,
    apart: float = 0.0,
) -> State:
    """One more component, at the highest peak of what is left."""
    k = state.f.shape[1]
    new = _model.strongest(state.residual, state.f, apart)[0][:, None]
    rows = _model.columns(new, y.shape[1])
    first = _model.amplitudes(state.residual, rows if window is None else rows * window)
    w = torch.cat([state.w[:, :k], first[:, :1], state.w[:, k:], first[:, 1:]], 1)
    f = torch.cat([state.f, new], 1)
    f, w, _, left = refine(y, f, w, window=window, steps=steps, tolerance=tolerance)
    return State(f, w, left)


def _without_least(y: Tensor, state: State, window: Tensor | None) -> State:
    """Take out the component whose loss the others make up for best, and refine those."""
    f, w, _ = state
    k = f.shape[1]
    rows = _model.columns(f, y.shape[1])
    rows = rows if window is None else rows * window
    inverse = torch.linalg.pinv(rows @ rows.mT, hermitian=True)
    at = torch.arange(k, device=y.device)
    pair = torch.stack([at, at + k], 1)
    blocks = inverse[:, pair[:, :, None], pair[:, None, :]]
    value = torch.stack([w[:, :k], w[:, k:]], -1)
    identity = torch.eye(2, dtype=y.dtype, device=y.device)
    cost = (value * torch.linalg.solve(blocks + 1e-12 * identity, value)).sum(-1)
    f = f.gather(1, cost.argsort(1)[:, 1:])
    f, w, _, left = refine(y, f, None, window=window, steps=10, tolerance=1e-6)
    return State(f, w, left)


def _swap(y: Tensor, state: State, false_alarm: float, window: Tensor | None) -> State:
    """Where something is left, try the least component elsewhere; keep what explains more."""
    tried = something_left(state.residual, false_alarm).nonzero()[:, 0]
    if state.f.shape[1] < 2 or not len(tried):
        return state
    before = state.at(tried)
    after = _without_least(y[tried], before, window)
    after = _add(y[tried], after, window, steps=30, tolerance=1e-11)
    better = after.residual.square().sum(1) < 0.999 * before.residual.square().sum(1)
    return _replaced(state, tried[better], after.at(better))


def _replaced(state: State, at: Tensor, new: State) -> State:
    f, w, residual = (value.clone() for value in state)
    f[at], w[at], residual[at] = new
    return State(f, w, residual)


def _unknown(
    y: Tensor,
    most: int,
    false_alarm: float,
    floor_db: float,
    window: Tensor | None,
    damped: bool,
    apart: float,
) -> Estimate:
    """Items leave the batch as their residuals turn into noise."""
    b = y.shape[0]
    found: list[tuple[Tensor, State]] = []
    rows = torch.arange(b, device=y.device)
    state = _start(y, window)
    floor = 10 ** (floor_db / 10) * _model.strongest(state.residual)[1]
    for j in range(most + 1):
        peak = _model.strongest(state.residual, state.f, apart)[1]
        go = something_left(state.residual, false_alarm, state.f, apart) & (peak > floor[rows])
        if j == most:
            go[:] = False
        found.append((rows[~go], state.at(~go)))
        rows, state = rows[go], state.at(go)
        if not len(rows):
            break
        state = _add(y[rows], state, window, apart=apart)
    return _collected(y, found, false_alarm, floor, window, damped, apart)


def _collected(
    y: Tensor,
    found: list[tuple[Tensor, State]],
    false_alarm: float,
    floor: Tensor,
    window: Tensor | None,
    damped: bool,
    apart: float,
) -> Estimate:
    """From the largest number down: refine, and try whether one fewer does as well."""
    b, k = y.shape[0], max(1, len(found) - 1)
    out_f, out_d, out_w = y.new_zeros(b, k), y.new_zeros(b, k), y.new_zeros(b, 2, k)
    counts = torch.zeros(b, dtype=torch.int64, device=y.device)
    pending = found[:0]
    for j in range(len(found) - 1, 0, -1):
        rows = torch.cat([found[j][0], *(r for r, _ in pending)])
        f, w = (torch.cat([v, *(s[i] for _, s in pending)]) for i, v in enumerate(found[j][1][:2]))
        pending = []
        if not len(rows):
            continue
        f, w, d, left = refine(y[rows], f, w, window=window, steps=30)
        more = torch.ones(len(rows), dtype=torch.bool, device=y.device)
        if j > 1 and not apart:  # kept apart, none can stand for half of another
            fewer = _without_least(y[rows], State(f, w, left), window)
            peak = _model.strongest(fewer.residual)[1]
            more = something_left(fewer.residual, false_alarm) & (peak > floor[rows])
            pending = [] if bool(more.all()) else [(rows[~more], fewer.at(~more))]
        rows, f, w, d = rows[more], f[more], w[more], d[more]
        if damped and len(rows):
            f, w, d, _ = refine(y[rows], f, w, damped=True, window=window, steps=30)
        out_f[rows, :j], out_d[rows, :j], counts[rows] = f, d, j
        out_w[rows, :, :j] = w.unflatten(1, (2, j))
    return _model.finish(y.shape[1], out_f, out_w.flatten(1), out_d, counts)
