"""Chains of sines that can learn to do nothing, and that can be thinned out."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from dspcore.nn.layer import FinalSine
from dspcore.nn.waves import fit_amplitudes, time_axis

# Ends of the stretched interval of a hard concrete gate, and its temperature.
_LOW, _HIGH, _HEAT = -0.1, 1.1, 2 / 3


class SuperSuperSine(nn.Module):
    """``x <- x + g_l sum_m a_lm sin(c_lm x + p_lm)``, layer by layer; with g = 0 the identity.

    Args:
        layers: l.
        waves: m.
        gates: plain: g_l is a number, 0 at the start, so that the whole starts as the identity.
            concrete: g_l is drawn between 0 and 1 in training and exactly 0 or 1 in the end, for
            most; `penalty` is how many are expected to stay. none: g is 1.
        frequency: Random frequencies are uniform in 0 to this, radians per unit of x.
        final_sine: Whether a sine of its own follows.
        generator: Of the random start.

    Source:
        T. Bachlechner et al., "ReZero is all you need", 2020, for plain; C. Louizos et al.,
        "Learning sparse neural networks through L0 regularization", ICLR 2018, for concrete.
    """

    def __init__(
        self,
        layers: int,
        waves: int,
        *,
        gates: str = "plain",
        frequency: float = 3.0,
        final_sine: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        """Draws the waves."""
        super().__init__()
        if gates not in ("plain", "concrete", "none"):
            raise ValueError(
                f"SuperSuperSine: gates must be plain, concrete or none, got {gates!r}"
            )
        self.gates = gates
        drawn = torch.rand(3, layers, waves, generator=generator)
        self.amplitude = nn.Parameter((2 * drawn[0] - 1) / math.sqrt(waves))
        self.frequency = nn.Parameter(frequency * drawn[1])
        self.phase = nn.Parameter(2 * math.pi * drawn[2])
        start = 2.0 if gates == "concrete" else 0.0
        self.gate = nn.Parameter(torch.full((layers,), start), requires_grad=gates != "none")
        self.final = FinalSine() if final_sine else None

    def gate_values(self) -> Tensor:
        """g of every layer, (l,); drawn while a concrete one trains."""
        if self.gates == "none":
            return torch.ones_like(self.gate)
        if self.gates == "plain":
            return self.gate
        at: Tensor = self.gate
        if self.training:
            u = torch.rand_like(at).clamp(1e-6, 1 - 1e-6)
            at = (at + torch.log(u) - torch.log1p(-u)) / _HEAT
        return (torch.sigmoid(at) * (_HIGH - _LOW) + _LOW).clamp(0, 1)

    def penalty(self) -> Tensor:
        """How many layers stay: expected of concrete gates, the sum of sizes of plain ones."""
        if self.gates == "concrete":
            return torch.sigmoid(self.gate - _HEAT * math.log(-_LOW / _HIGH)).sum()
        return self.gate_values().abs().sum()

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same."""
        return self.outputs(x)[-1]

    def outputs(self, x: Tensor) -> list[Tensor]:
        """x after every layer."""
        found = []
        rows: Any = zip(self.amplitude, self.frequency, self.phase, self.gate_values(), strict=True)
        for a, c, p, g in rows:
            x = x + g * (a * torch.sin(x[..., None] * c + p)).sum(-1)
            found.append(x)
        if self.final is not None:
            found[-1] = self.final(found[-1])
        return found

    @torch.no_grad()
    def start(self, clip: Tensor, times: Tensor | None = None) -> None:
        """Fit layer after layer to what is missing between its input and a clip.

        Every layer takes, one by one, the waves of x that explain most of ``clip - x``, up to the
        frequency that `times` can tell apart.

        Args:
            clip: (t,).
            times: What the chain will hear, (t,); -1 to 1 when left out.
        """
        x = time_axis(len(clip), "unit") if times is None else times
        x, clip = x.detach().double(), clip.detach().double()
        peak = float(clip.abs().max().clamp(min=1e-6))
        if self.final is not None:  # on its straight part
            self.final.amplitude.fill_(20 * peak)
            self.final.frequency.fill_(1 / (20 * peak))
            self.final.phase.zero_()
        self.gate.fill_(5.0 if self.gates == "concrete" else 1.0)
        for a, c, p in zip(self.amplitude, self.frequency, self.phase, strict=True):
            rows, weights = _pursuit(x, clip - x, len(c))
            c.copy_(rows)
            a.copy_(torch.hypot(weights[0], weights[1]))
            p.copy_(torch.atan2(weights[1], weights[0]))
            x = x + (a.double() * torch.sin(x[:, None] * c.double() + p.double())).sum(1)

    @torch.no_grad()
    def effect(self) -> Tensor:
        """How much each wave can move its input, |g a|, (l, m)."""
        training, self.training = self.training, False
        size = self.gate_values().abs()[:, None] * self.amplitude.abs()
        self.training = training
        return size

    @torch.no_grad()
    def pruned(self, eps: float = 1e-3) -> SuperSuperSine:
        """The same without layers in which no wave moves its input by `eps`; to be fitted again.

        The gates that stay are kept as plain ones; the others' waves are set to 0.
        """
        size = self.effect()
        kept = (size.amax(1) >= eps).nonzero().flatten()
        if len(kept) == 0:  # the identity: one layer that does nothing
            kept = torch.zeros(1, dtype=torch.long)
        training, self.training = self.training, False
        gates = self.gate_values()[kept]
        self.training = training
        small = SuperSuperSine(len(kept), self.amplitude.shape[1])
        small.amplitude.copy_(self.amplitude[kept] * (size[kept] >= eps))
        small.frequency.copy_(self.frequency[kept])
        small.phase.copy_(self.phase[kept])
        small.gate.copy_(gates)
        small.final = self.final
        return small


def _pursuit(x: Tensor, wanted: Tensor, waves: int) -> tuple[Tensor, Tensor]:
    """Frequencies (m,) and sine and cosine weights (2, m) of waves of x that explain `wanted`."""
    span = float((x.max() - x.min()).clamp(min=1e-6))
    grid = torch.arange(1, 2 * len(x), dtype=torch.float64) * math.pi / (2 * span)
    chosen: list[float] = []
    left, weights = wanted, wanted.new_zeros(2, 0)
    for _ in range(waves):
        parts = [
            (torch.exp(1j * c[:, None] * x) @ left.to(torch.complex128)) for c in grid.split(256)
        ]
        chosen.append(float(grid[int(torch.cat(parts).abs().argmax())]))
        angle = x[:, None] * torch.tensor(chosen, dtype=torch.float64)
        basis = torch.cat([angle.sin(), angle.cos()], 1)
        weights = fit_amplitudes(basis, wanted)
        left = wanted - basis @ weights
        weights = weights.reshape(2, -1)
    return torch.tensor(chosen, dtype=torch.float64), weights
