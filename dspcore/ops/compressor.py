"""The gain of a compressor in one pass: level, soft-knee curve, attack and release."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dspcore.ops._check import audio, row_controls, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, record


def compressor_gain(
    x: Tensor,
    threshold_db: Tensor | float,
    ratio: Tensor | float,
    knee_db: Tensor | float,
    attack: Tensor | float,
    release: Tensor | float,
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The linear gain that a feed-forward compressor puts on a signal whose level is that of `x`.

    With ``L = 20 log10 |x|`` (no lower than -120 dB) and ``o = L - threshold``, the curve asks for
    ``(1/ratio - 1) o`` dB above the knee, ``(1/ratio - 1) (o + knee/2)^2 / (2 knee)`` inside it and
    0 below; that gain is smoothed in dB (attack while it falls, release while it rises) and made
    linear.

    Args:
        x: Side-chain signal, (b, c, t), float32 or float64.
        threshold_db: Level above which the gain falls, in dB: a number, (b, c) or (b, c, t), as are
            the other controls.
        ratio: Input over output change above the threshold, 1 or more.
        knee_db: Width of the soft knee in dB, 0 or more.
        attack: Smoothing coefficient in (0, 1] while the gain falls; see `envelope`.
        release: The same while it rises.
        state: Smoothed gain in dB before the first sample, (b, c); 0 dB when left out.

    Returns:
        The gain, the shape of `x`, and the smoothed gain in dB after the last sample, (b, c).

    Raises:
        ValueError, TypeError: a shape, type or device does not fit.

    Source:
        D. Giannoulis, M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design", JAES 2012.
    """
    b, c, _ = audio("compressor_gain", x)
    controls = row_controls(
        "compressor_gain",
        x,
        threshold_db=threshold_db,
        ratio=ratio,
        knee_db=knee_db,
        attack=attack,
        release=release,
    )
    before = signal_state("compressor_gain", state, x, (b, c))
    y, after = _OP(x, controls, before[..., None, None])
    return y, after[..., 0, 0]


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


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

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
