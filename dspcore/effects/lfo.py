"""What moves effects: a slow wave whose phase goes on from block to block."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dspcore.effects.effect import Effect
from dspcore.effects.param import Choice, Param

SHAPES = ("sine", "triangle")


def shape_choice() -> Choice:
    """The wave that moves an effect."""
    return Choice(*SHAPES, default="sine", doc="The wave that moves it.")


def rate_param(maximum: float, default: float, minimum: float = 0.05) -> Param:
    """How often the wave goes round."""
    return Param(minimum, maximum, default=default, scale="log", doc="Swings a second.")


def phase_param() -> Param:
    """Where in its cycle the wave begins: more than once round, so that a search may cross 0."""
    return Param(-1.0, 1.0, default=0.0, doc="Where the first swing begins, in cycles.")


class Moving(Effect):
    """Base of effects that swing: with a ``phase``, and a sound that depends on when it begins."""

    moves = True

    def canonical(self, values: dict[str, float]) -> dict[str, float]:
        """The phase less whole cycles, from -0.5 to 0.5."""
        return {**values, "phase": within_half(values["phase"])}


def within_half(phase: float) -> float:
    """A phase in cycles less whole cycles, from -0.5 to 0.5."""
    return phase - math.floor(phase + 0.5)


def turns(
    rate_hz: Tensor, samples: int, sample_rate: int, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The phase in cycles at each sample, ``p[t+1] = p[t] + rate[t] / sample_rate``, in float64.

    Args:
        rate_hz: (b, 1), or (b, t) where it moves.
        samples: How many, t.
        sample_rate: In Hz.
        state: Phase at the first sample, (b,), as the call before returned it; 0 when left out.

    Returns:
        Phases (b, t), and the one after the last sample, (b,), within a cycle of 0.
    """
    steps = (rate_hz.double() / sample_rate).expand(-1, samples)
    begin = steps.new_zeros(steps.shape[0]) if state is None else state
    after = begin[:, None] + steps.cumsum(1)
    end = after[:, -1]
    return torch.cat([begin[:, None], after[:, :-1]], 1), end - end.detach().floor()


def wave(phase: Tensor, shape: str) -> Tensor:
    """A wave from -1 to 1 at a phase in cycles; both shapes begin at 0 and rise."""
    if shape == "sine":
        return torch.sin(2 * math.pi * phase)
    moved = phase + 0.25
    return 1 - 4 * (moved - moved.detach().floor() - 0.5).abs()


def swing(
    effect: Effect,
    params: dict[str, Tensor],
    samples: int,
    state: Tensor | None,
    offsets: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The wave of an effect with ``rate_hz``, ``phase`` and perhaps ``shape``.

    Args:
        effect: Whose sample rate and shape count; a sine when it has no shape.
        params: As `Effect.process` gets them.
        samples: Length of the block.
        state: As in `turns`.
        offsets: Cycles by which each of n copies is ahead, (b, n, 1 or t).

    Returns:
        The wave, (b, n, t), n = 1 without offsets, and the state after.
    """
    phase, state = turns(params["rate_hz"], samples, effect.sample_rate, state)
    phase = (phase + params["phase"])[:, None]
    if offsets is not None:
        phase = phase + offsets
    return wave(phase, effect.options.get("shape", "sine")), state
