"""The gain of a compressor in one pass: level, soft-knee curve, attack and release."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from dspcore.ops._check import audio, row_controls, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, draws, record


def compressor_gain(
    x: Tensor,
    threshold_db: Tensor | float,
    ratio: Tensor | float,
    knee_db: Tensor | float,
    attack: Tensor | float,
    release: Tensor | float,
    state: Tensor | None = None,
    *,
    hold: Tensor | float | None = None,
) -> tuple[Tensor, Tensor]:
    """The linear gain that a feed-forward compressor puts on a signal whose level is that of `x`.

    With ``L = 20 log10 |x|`` (no lower than -120 dB) and ``o = L - threshold``, the curve asks for
    ``(1/ratio - 1) o`` dB above the knee, ``(1/ratio - 1) (o + knee/2)^2 / (2 knee)`` inside it and
    0 below; that gain is smoothed in dB (attack while it falls, release while it rises) and made
    linear. Put on `lookahead(x, samples)` instead of `x`, the gain begins to fall before a peak.

    Args:
        x: Side-chain signal, (b, c, t), float32 or float64.
        threshold_db: Level above which the gain falls, in dB: a number, (b, c) or (b, c, t), as are
            the other controls.
        ratio: Input over output change above the threshold, 1 or more.
        knee_db: Width of the soft knee in dB, 0 or more.
        attack: Smoothing coefficient in (0, 1] while the gain falls; see `envelope`.
        release: The same while it rises.
        state: Smoothed gain in dB before the first sample, (b, c); 0 dB when left out. With `hold`,
            (b, c, 2): that, and how many samples ago it fell.
        hold: Samples from the last fall until the gain may rise, 0 or more, not whole ones either:
            of the sample in which a hold ends, the rest counts. None is quicker than 0.

    Returns:
        The gain, the shape of `x`, and the state after the last sample.

    Raises:
        ValueError, TypeError: a shape, type or device does not fit.

    Source:
        D. Giannoulis, M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design", JAES 2012.
    """
    b, c, _ = audio("compressor_gain", x)
    given = {
        "threshold_db": threshold_db,
        "ratio": ratio,
        "knee_db": knee_db,
        "attack": attack,
        "release": release,
    }
    if hold is None:
        before = signal_state("compressor_gain", state, x, (b, c))
        y, after = _OP(x, row_controls("compressor_gain", x, **given), before[..., None, None])
        return y, after[..., 0, 0]
    every = row_controls("compressor_gain", x, **given, hold=hold)
    before = signal_state("compressor_gain", state, x, (b, c, 2))
    y, after = _HELD(x, every, before[:, :, None])
    return y, after[:, :, 0]


def _reference(
    x: Tensor, threshold: float, ratio: float, knee: float, attack: float, release: float
) -> Tensor:
    """The curve in plain torch, smoothed upside down by the reference of `envelope`."""
    from dspcore.ops.envelope import RECORD as SMOOTHER

    over = 20 * torch.log10(x.abs().clamp(min=1e-6)) - threshold
    inside = (over + knee / 2) ** 2 / (2 * knee) if knee else over.clamp(min=0)
    amount = torch.where(over > knee / 2, over, torch.where(over < -knee / 2, 0.0, inside))
    assert SMOOTHER.reference is not None
    fall = SMOOTHER.reference((1 - 1 / ratio) * amount, attack, release)
    return 10 ** (-fall / 20)


def _held(
    x: Tensor, threshold: float, ratio: float, knee: float, attack: float, release: float, hold: Any
) -> tuple[Tensor, Tensor]:
    return compressor_gain(x, threshold, ratio, knee, attack, release, hold=hold)


def _held_reference(
    x: Tensor, threshold: float, ratio: float, knee: float, attack: float, release: float, hold: Any
) -> Tensor:
    """Sample by sample, with the time of the last fall written down."""
    holds = hold.expand(x.shape) if isinstance(hold, Tensor) else torch.full_like(x, hold)
    out = torch.empty_like(x)
    for row in itertools.product(*(range(n) for n in x.shape[:2])):
        gain_db, fell = 0.0, -1
        for t, size in enumerate(x[row].abs().tolist()):
            over = 20 * math.log10(max(size, 1e-6)) - threshold
            if abs(over) < knee / 2:
                over = (over + knee / 2) ** 2 / (2 * knee)
            wanted = (1 / ratio - 1) * max(over, 0.0)
            if wanted < gain_db:
                gain_db, fell = gain_db + attack * (wanted - gain_db), t
            else:
                share = min(max(t - fell - float(holds[*row, t]), 0.0), 1.0)
                gain_db += share * release * (wanted - gain_db)
            out[*row, t] = 10 ** (gain_db / 20)
    return out


def _held_samples(generator: torch.Generator) -> Iterator[Sample]:
    noise, _ = draws(generator)
    settings = (-12.0, 4.0, 6.0, 0.3, 0.2)
    yield Sample((noise(1, 1, 129), *settings, 2.3), name="two samples and a bit")
    holds = 4 * torch.rand(3, 2, 65, generator=generator, dtype=torch.float64)
    yield Sample((noise(3, 2, 65), *settings, holds), name="a moving hold")
    yield Sample((noise(2, 1, 70), *settings, 0.0), name="no hold")


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    noise, _ = draws(generator)
    yield Sample((noise(1, 1, 129), -12.0, 4.0, 6.0, 0.3, 0.02), name="one row")
    yield Sample((noise(3, 2, 65), -20.0, 2.0, 0.0, 0.5, 0.01), name="a hard knee", smooth=False)


RECORD = record(
    Record(
        name="compressor",
        arguments={"x": "b c t", "params": "b c 1 5 n", "state": "b c 1 1"},
        results={"y": "b c t", "state_out": "b c 1 1"},
        workspaces={"kept": "b c chunks 1 1"},
        precise=frozenset({"params"}),
        public=compressor_gain,
        reference=_reference,
        samples=_samples,
        budget_db=-110.0,
    )
)
_OP = Op(RECORD)
_HELD = Op(
    record(
        Record(
            name="compressor_held",
            arguments={"x": "b c t", "params": "b c 1 6 n", "state": "b c 1 2"},
            results={"y": "b c t", "state_out": "b c 1 2"},
            workspaces={"kept": "b c chunks 1 2"},
            precise=frozenset({"params"}),
            public=_held,
            reference=_held_reference,
            samples=_held_samples,
            budget_db=-110.0,
        )
    )
)
