"""Sine operators that modulate each other's phase, in any algorithm, with feedback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from dspcore.ops import _frames
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, record

_MAX_OPERATORS = 16  # kMax in csrc/ops/fm.hpp
FmState = tuple[Tensor, Tensor]


def fm(
    frequencies: Tensor,
    amplitudes: Tensor,
    index: Tensor,
    num_samples: int | None = None,
    *,
    hop: int = 1,
    start: int = 0,
    state: FmState | None = None,
) -> tuple[Tensor, FmState]:
    """Sum sines ``a_k[t] s_k[t]`` with ``s_k[t] = sin(2 pi p_k[t] + sum_j I_kj s_j)``.

    The phase of operator k, ``p_k[t+1] = p_k[t] + f_k[t]``, is moved by the others. Operators go in
    their order: what k gets from one before it (j < k) is its sine of the same sample; what it gets
    from itself and from those after it (j >= k) is the sine of the sample before. So any matrix is
    causal and computed exactly: a chain is a line below the diagonal, feedback of one operator lies
    on the diagonal, and a loop over several has a part above it. An operator that is only to
    modulate has amplitude 0; an envelope of a modulator is one of its column of the matrix.

    Frame i holds the values at sample i * hop of the frame grid; between frames they are linear,
    after the last one they stay. Phases are float64 and do not drift. Sidebands above half the
    sample rate fold back, as in every instrument of this kind; feedback of more than about 1.5
    radians turns into noise, whose samples, and gradients, depend on every digit.

    Args:
        frequencies: f in cycles per sample, (b, k, f); computed in float64, best given so. At most
            16 operators.
        amplitudes: a, linear, (b, k, f); their type, float32 or float64, is that of the result.
        index: I[k, j], by how many radians operator j moves the phase of k: (k, k), (b, k, k), or
            (b, k, k, f) where it moves.
        num_samples: Length t of the result; to the end of the last frame when left out.
        hop: Samples from frame to frame; 1 means controls at audio rate.
        start: Sample of the frame grid at which the result begins, so that any split into blocks
            gives the result of one long block.
        state: Phases in cycles at the first sample and the operators' sines at the one before,
            both (b, k), as the call before returned them; zeros when left out.

    Returns:
        The sum, (b, t), and the state after its last sample, float64, phases within 0 and 1.

    Raises:
        ValueError, TypeError: a shape, type, hop or start does not fit.

    Source:
        J. Chowning, "The Synthesis of Complex Audio Spectra by Means of Frequency Modulation", JAES
        21(7), 1973; N. Tomisawa, US patent 4249447, 1981: feedback.
    """
    if amplitudes.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"fm: amplitudes must be float32 or float64, got {amplitudes.dtype}")
    b, k, f = amplitudes.shape if amplitudes.ndim == 3 else (0, 0, 0)
    if f == 0 or k == 0 or frequencies.shape != (b, k, f):
        raise ValueError(
            "fm: frequencies and amplitudes must both be (b, k, f) with at least one operator and "
            f"one frame, got {tuple(frequencies.shape)} and {tuple(amplitudes.shape)}"
        )
    if k > _MAX_OPERATORS:
        raise ValueError(f"fm: at most {_MAX_OPERATORS} operators, got {k}")
    if index.shape not in [(k, k), (1, k, k), (b, k, k), (1, k, k, f), (b, k, k, f)]:
        raise ValueError(
            f"fm: index must be {(k, k)}, {(b, k, k)} or {(b, k, k, f)}, got {tuple(index.shape)}"
        )
    phase, before = (None, None) if state is None else state
    t, turn = _frames.turning("fm", frequencies, phase, num_samples, hop, start)
    if before is None:
        before = frequencies.new_zeros((b, k), dtype=torch.float64)
    elif before.shape != (b, k):
        raise ValueError(
            f"fm: state must hold phases and sines of shape {(b, k)}, got {tuple(before.shape)}; "
            "pass the state that the same op returned"
        )
    matrix = index[..., turn.part] if index.ndim == 4 else index[..., None]
    y, after = _OP(
        amplitudes[..., turn.part],
        matrix.to(torch.float64).expand(b, k, k, -1),
        turn.f,
        turn.at,
        before.to(torch.float64),
        attrs=(hop, turn.start, t),
    )
    return y, (turn.after, after)


def _reference(
    frequencies: Tensor,
    amplitudes: Tensor,
    index: Tensor,
    num_samples: int,
    hop: int,
    start: int,
    phase: Tensor,
    before: Tensor,
) -> Tensor:
    """Operator after operator, sample after sample, phases by running sums, all in float64."""
    b, k, frames = frequencies.shape
    matrix = index if index.ndim == 4 else index.expand(b, k, k)[..., None].expand(b, k, k, frames)
    i, j, part = _frames.place(start, num_samples, hop, frames)
    f, a, depth = (
        v[..., i] + (v[..., j] - v[..., i]) * part for v in (frequencies, amplitudes, matrix)
    )
    p = phase[..., None] + f.cumsum(-1) - f
    sines = [s.clone() for s in before.unbind(1)]
    y = []
    for t in range(num_samples):
        # Each takes from those that have gone already their new sine, from the others the old one.
        for n in range(k):
            moved = sum(depth[:, n, m, t] * sines[m] for m in range(k))
            sines[n] = torch.sin(2 * torch.pi * p[:, n, t] + moved)
        y.append((a[..., t] * torch.stack(sines, 1)).sum(1))
    return torch.stack(y, -1)


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    def uniform(low: float, high: float, *shape: int) -> Tensor:
        u = torch.rand(shape, generator=generator, dtype=torch.float64)
        return low + (high - low) * u

    def bank(b: int, k: int, f: int) -> tuple[Tensor, Tensor]:
        return uniform(-0.01, 0.06, b, k, f), uniform(-1, 1, b, k, f)

    def state(b: int, k: int) -> tuple[Tensor, Tensor]:
        return uniform(-1, 1, b, k), uniform(-1, 1, b, k)

    chain = torch.diag(uniform(0.5, 2.5, 2), -1)[None]
    yield Sample((*bank(1, 3, 3), chain, 130, 50, 7, *state(1, 3)), name="a chain of three")
    looped = 0.6 * torch.eye(2, dtype=torch.float64) + uniform(0, 1, 2, 2, 2).tril()
    yield Sample((*bank(2, 2, 4), looped, 70, 20, 3, *state(2, 2)), name="feedback of each")
    every = uniform(-0.5, 0.5, 2, 3, 3, 3)
    yield Sample((*bank(2, 3, 3), every, 39, 16, 5, *state(2, 3)), name="all to all, moving")
    audio = uniform(-0.6, 0.6, 1, 2, 2, 12)
    yield Sample((*bank(1, 2, 12), audio, 12, 1, 0, *state(1, 2)), name="audio rate")


def _public(frequencies: Tensor, amplitudes: Tensor, index: Tensor, n: int, *settings: Any) -> Any:
    hop, start, phase, before = settings
    return fm(frequencies, amplitudes, index, n, hop=hop, start=start, state=(phase, before))


RECORD = record(
    Record(
        name="fm",
        arguments={
            "amplitudes": "b k f",
            "index": "b k k n",
            "frequencies": "b k f",
            "phase": "b k f",
            "past": "b k",
        },
        results={"y": "b t", "past_out": "b k"},
        workspaces={"kept": "b k chunks"},
        attributes=("hop", "start", "t"),
        precise=frozenset({"index", "frequencies", "phase", "past", "past_out", "kept"}),
        public=_public,
        reference=_reference,
        samples=_samples,
        audio=1,
        budget_db=-130.0,
    )
)
_OP = Op(RECORD)
