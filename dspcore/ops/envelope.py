"""First-order smoothing with separate attack and release: level meters and gain smoothers."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dspcore.ops._check import audio, row_controls, signal_state
from dspcore.ops._op import Op
from dspcore.ops._record import Record, Sample, record


def envelope(
    x: Tensor, attack: Tensor | float, release: Tensor | float, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Smooth `x` by ``y[t] = y[t-1] + c (x[t] - y[t-1])``, c = attack while x rises, else release.

    Rising means that ``x[t] > y[t-1]``.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        attack: Coefficient in (0, 1], a number, (b, c) or (b, c, t); ``1 - exp(-1 / (seconds *
            rate))`` for a time constant in seconds.
        release: The same for a falling signal.
        state: y[-1], (b, c); zero when left out.

    Returns:
        The smoothed signal, the shape of `x`, and its last sample, (b, c).

    Raises:
        ValueError, TypeError: a shape, type or device does not fit.

    Source:
        D. Giannoulis, M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design", JAES 2012.
    """
    b, c, _ = audio("envelope", x)
    controls = row_controls("envelope", x, attack=attack, release=release)
    before = signal_state("envelope", state, x, (b, c))
    y, after = _OP(x, controls, before[..., None, None])
    return y, after[..., 0, 0]


def _reference(x: Tensor, attack: Tensor | float, release: Tensor | float) -> Tensor:
    """One sample at a time, all rows together."""
    up, down = (
        v if isinstance(v, float) else (v if v.ndim == 3 else v[..., None]).expand_as(x)
        for v in (attack, release)
    )
    y, last = torch.empty_like(x), x.new_zeros(x.shape[:2])
    for n in range(x.shape[-1]):
        coefficients = [v if isinstance(v, float) else v[..., n] for v in (up, down)]
        rising = (x[..., n] > last).double()
        last = last + (rising * coefficients[0] + (1 - rising) * coefficients[1]) * (
            x[..., n] - last
        )
        y[..., n] = last
    return y


def _samples(generator: torch.Generator) -> Iterator[Sample]:
    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    yield Sample((uniform(1, 1, 129), 0.3, 0.02), name="one row")
    yield Sample((uniform(3, 2, 65), uniform(3, 2), uniform(3, 2)), name="its own for each row")
    yield Sample((uniform(2, 1, 70), uniform(2, 1, 70), uniform(2, 1)), name="a moving attack")


RECORD = record(
    Record(
        name="envelope",
        arguments={"x": "b c t", "params": "b c 1 2 n", "state": "b c 1 1"},
        results={"y": "b c t", "state_out": "b c 1 1"},
        workspaces={"kept": "b c chunks 1 1"},
        precise=frozenset({"params"}),
        public=envelope,
        reference=_reference,
        samples=_samples,
        budget_db=-120.0,
    )
)
_OP = Op(RECORD)
