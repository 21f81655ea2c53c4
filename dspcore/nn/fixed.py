"""Waves of fixed periods, whole numbers of samples, say; amplitudes and phases are learnt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dspcore.nn.waves import canonical, fit_amplitudes, wave


class FixedWaves(nn.Module):
    """``sum_d a_d sin(2 pi t / d + p_d)`` over denominators d, periods in samples.

    Args:
        denominators: d, each above 0.
        copies: The same waves so often side by side, with phases and amplitudes of their own.
        amplitude: Size of random amplitudes at the start.
        shape: sine, triangle or zero_tip.
        generator: Of the random start.
    """

    def __init__(
        self,
        denominators: Sequence[float],
        *,
        copies: int = 1,
        amplitude: float = 0.1,
        shape: str = "sine",
        generator: torch.Generator | None = None,
    ) -> None:
        """Draws amplitudes and phases."""
        super().__init__()
        d = torch.tensor(list(denominators) * copies, dtype=torch.float64)
        if d.numel() == 0 or bool((d <= 0).any()):
            raise ValueError("FixedWaves: denominators must be above 0, and one or more")
        self.shape, self.copies = shape, copies
        self.frequency: Tensor
        self.register_buffer("frequency", 2 * math.pi / d)
        drawn = torch.rand(2, len(d), generator=generator)
        self.amplitude = nn.Parameter((2 * drawn[0] - 1) * amplitude)
        self.phase = nn.Parameter(drawn[1] * 2 * math.pi)

    def angles(self, t: Tensor) -> Tensor:
        """Angles of every wave at times (...) in samples, (..., k), in the phases' type."""
        turns = torch.remainder(t.double()[..., None] * self.frequency, 2 * math.pi)
        return turns.to(self.phase.dtype) + self.phase

    def forward(self, t: Tensor) -> Tensor:
        """Times in samples, (...), to the sum, (...)."""
        return (self.amplitude * wave(self.angles(t), self.shape)).sum(-1)

    @torch.no_grad()
    def start(self, clip: Tensor) -> None:
        """Take the amplitudes and phases that fit a clip (t,) best; exact for the plain sine.

        Copies share the answer of one.
        """
        k = len(self.frequency) // self.copies
        n = torch.arange(len(clip), dtype=torch.float64)
        angle = n[:, None] * self.frequency[:k].cpu()
        found = fit_amplitudes(torch.cat([angle.sin(), angle.cos()], 1), clip.cpu())
        a, p = torch.hypot(found[:k], found[k:]), torch.atan2(found[k:], found[:k])
        self.amplitude.copy_(a.repeat(self.copies) / self.copies)
        self.phase.copy_(p.repeat(self.copies))

    @torch.no_grad()
    def to_canonical(self) -> None:
        """The same sound with amplitudes of 0 or more and phases in (-pi, pi]."""
        amplitude, phase = canonical(self.amplitude, self.phase)
        self.amplitude.copy_(amplitude)
        self.phase.copy_(phase)


class BinaryWaveNetwork(FixedWaves):
    """`FixedWaves` with periods of 2, 4, 8 to 2^levels samples.

    Args:
        levels: How many periods.
        options: Of `FixedWaves`.
    """

    def __init__(self, levels: int, **options: Any) -> None:
        """Doubles the period."""
        super().__init__([2.0**n for n in range(1, levels + 1)], **options)


class SineWaveLayerInc(FixedWaves):
    """`FixedWaves` with periods of 1, 2, 3 to `denominators` samples.

    Args:
        denominators: The longest period; that of 1 sample aliases to a constant.
        options: Of `FixedWaves`.
    """

    def __init__(self, denominators: int, **options: Any) -> None:
        """Lengthens the period by one sample each."""
        super().__init__([float(n) for n in range(1, denominators + 1)], **options)


class DoubleDutchLayer(nn.Module):
    """Two waves of one fixed frequency, turned like two ropes; ``h + wave(t)``.

    antiphase: ``a1 sin x + a2 sin(x + pi)``, which is (a1 - a2) sin x: its phase is 0 or pi, and
    equal amplitudes cancel. quadrature: ``a1 sin x + a2 cos x``, of any phase. sigmoid:
    ``a1 s(k sin x) - a2 s(-k sin x)``, two soft squares with levels of their own.

    Args:
        denominator: Period in samples.
        mode: antiphase, quadrature or sigmoid.
        amplitudes: a1 and a2 at the start.
        steepness: k of sigmoid.
    """

    def __init__(
        self,
        denominator: float,
        mode: str = "quadrature",
        *,
        amplitudes: tuple[float, float] = (0.1, 0.05),
        steepness: float = 5.0,
    ) -> None:
        """Two parameters."""
        super().__init__()
        if mode not in ("antiphase", "quadrature", "sigmoid"):
            raise ValueError(
                f"DoubleDutchLayer: mode must be antiphase, quadrature or sigmoid, got {mode!r}"
            )
        if denominator <= 0:
            raise ValueError(f"DoubleDutchLayer: denominator must be above 0, got {denominator}")
        self.denominator, self.mode, self.steepness = float(denominator), mode, steepness
        self.amplitude = nn.Parameter(torch.tensor(amplitudes))

    def ropes(self, t: Tensor) -> Tensor:
        """The two waves that a1 and a2 weigh, at times (...) in samples: (..., 2)."""
        turns = torch.remainder(t.double() / self.denominator, 1.0)
        x = (2 * math.pi * turns).to(self.amplitude.dtype)
        if self.mode == "antiphase":
            return torch.stack([torch.sin(x), torch.sin(x + math.pi)], -1)
        if self.mode == "quadrature":
            return torch.stack([torch.sin(x), torch.cos(x)], -1)
        up = self.steepness * torch.sin(x)
        return torch.stack([torch.sigmoid(up), -torch.sigmoid(-up)], -1)

    def forward(self, t: Tensor, h: Tensor | None = None) -> Tensor:
        """Times in samples, (...), and what came before, (...), to their sum."""
        own = (self.ropes(t) * self.amplitude).sum(-1)
        return own if h is None else h + own

    @torch.no_grad()
    def start(self, clip: Tensor) -> None:
        """Take the a1 and a2 that fit a clip (t,) best; of many in antiphase, the smallest."""
        waves = self.ropes(torch.arange(len(clip), dtype=torch.float64))
        self.amplitude.copy_(fit_amplitudes(waves, clip))
