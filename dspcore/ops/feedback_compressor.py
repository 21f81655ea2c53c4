"""The gain of a compressor whose detector hears what left the compressor a sample ago."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from dspcore.ops._check import audio, row_controls, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record


def feedback_gain(
    x: Tensor,
    threshold_db: Tensor | float,
    ratio: Tensor | float,
    knee_db: Tensor | float,
    attack: Tensor | float,
    release: Tensor | float,
    hold: Tensor | float = 0.0,
    averaging: Tensor | float = 1.0,
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The linear gain that a feedback compressor puts on a signal whose level is that of `x`.

    The mean square ``m += averaging ((g x)^2 - m)`` of the output gives the level of the next
    sample, ``10 log10 m`` dB (no lower than -120); the curve of `compressor_gain` with ``1 -
    ratio`` in place of ``1/ratio - 1`` gives the gain asked for, which in the closed loop is a
    ratio of `ratio`. It is smoothed in dB: attack while it falls, hold, release.

    Above the threshold the loop makes attack and release `ratio` times as quick as their
    coefficients say. A coefficient above ``1 / ratio`` would overshoot; it acts as ``1 / ratio``.

    Args:
        x: Side-chain signal, (b, c, t), float32 or float64.
        threshold_db: Level above which the gain falls, in dB: a number, (b, c) or (b, c, t), as are
            the other controls.
        ratio: Input over output change above the threshold, 1 or more.
        knee_db: Width of the soft knee in dB of the output, 0 or more.
        attack: Smoothing coefficient in (0, 1] while the gain falls; see `envelope`.
        release: The same while it rises.
        hold: Samples from the last fall until the gain may rise, 0 or more; see `compressor_gain`.
        averaging: Smoothing coefficient of the mean square, in (0, 1]; 1 is the peak level.
        state: State after the call before, (b, c, 3): gain in dB, samples since it fell, mean
            square; silence when left out.

    Returns:
        The gain, the shape of `x`, and the state after the last sample.

    Raises:
        ValueError, TypeError: a shape, type or device does not fit.

    Source:
        D. Giannoulis, M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design", JAES 2012.
    """
    b, c, _ = audio("feedback_gain", x)
    controls = row_controls(
        "feedback_gain",
        x,
        threshold_db=threshold_db,
        ratio=ratio,
        knee_db=knee_db,
        attack=attack,
        release=release,
        hold=hold,
        averaging=averaging,
    )
    before = signal_state("feedback_gain", state, x, (b, c, 3))
    y, after = _OP(x, controls, before[:, :, None])
    return y, after[:, :, 0]


def _reference(x: Tensor, *settings: Tensor | float) -> Tensor:
    """One sample at a time."""
    every = [torch.as_tensor(v, dtype=x.dtype) for v in settings]
    every = [(v[..., None] if v.ndim == 2 else v).expand(x.shape) for v in every]
    out = torch.empty_like(x)
    for row in itertools.product(*(range(n) for n in x.shape[:2])):
        gain_db, fell, square = 0.0, -1, 0.0
        for t, now in enumerate(x[row].tolist()):
            threshold, ratio, knee, attack, release, hold, averaging = (
                float(v[*row, t]) for v in every
            )
            over = 10 * math.log10(max(square, 1e-12)) - threshold
            if abs(over) < knee / 2:
                over = (over + knee / 2) ** 2 / (2 * knee)
            wanted = (1 - ratio) * max(over, 0.0)
            if wanted < gain_db:
                gain_db, fell = gain_db + min(attack, 1 / ratio) * (wanted - gain_db), t
            else:
                share = min(max(t - fell - hold, 0.0), 1.0)
                gain_db += share * min(release, 1 / ratio) * (wanted - gain_db)
            gain = out[*row, t] = 10 ** (gain_db / 20)
            square += averaging * ((float(gain) * now) ** 2 - square)
    return out


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    noise, spans = draws(generator)
    yield Sample((noise(1, 1, 129), -12.0, 4.0, 6.0, 0.2, 0.05, 2.3, 1.0), name="peaks, one row")
    every = [
        spans(*ends, 3, 2)
        for ends in ((-20, -10), (2, 5), (3, 9), (0.05, 0.15), (0.02, 0.1), (0, 3), (0.1, 0.9))
    ]
    yield Sample((noise(3, 2, 65), *every), name="mean squares, its own for each row")
    moving = spans(-20, -10, 2, 1, 40)
    yield Sample((noise(2, 1, 40), moving, 3.0, 6.0, 0.2, 0.1, 1.5, 0.5), name="a moving threshold")
    yield Sample((noise(1, 2, 70), -20.0, 20.0, 0.0, 0.9, 0.5, 0.0, 1.0), name="as quick as it may")


RECORD = record(
    Record(
        name="feedback_compressor",
        arguments={"x": "b c t", "params": "b c 1 7 n", "state": "b c 1 3"},
        results={"y": "b c t", "state_out": "b c 1 3"},
        workspaces={"kept": "b c chunks 1 3"},
        precise=frozenset({"params"}),
        public=feedback_gain,
        reference=_reference,
        samples=_samples,
        budget_db=-110.0,
    )
)
_OP = Op(RECORD)
