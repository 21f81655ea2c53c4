"""The weight of the divergence as training goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dspcore.errors import UserError, nearest
from dspcore.train import Schedule

KINDS = ("const", "linear", "log", "cosine-cycle", "sigmoid", "target-kl")


@dataclass
class BetaConfig:
    """How the weight of the divergence changes.

    Attributes:
        kind: const (`high` throughout), linear, log (evenly in decibels), sigmoid, cosine-cycle
            (from `low` up to `high`, held there, and again), or target-kl (a controller that keeps
            the divergence at `target_bits`).
        low: Weight at the start.
        high: Weight at the end.
        begin: Step at which it starts to rise.
        steps: Steps that it rises for; of a cycle, its whole length.
        rising: Share of a cycle in which it rises.
        target_bits: Of a frame, all dimensions together, for target-kl.
        speed: Of the controller: nepers of weight per step and octave that it is off.
    """

    kind: str = "linear"
    low: float = 1e-4
    high: float = 0.05
    begin: int = 0
    steps: int = 1_000
    rising: float = 0.5
    target_bits: float = 100.0
    speed: float = 0.01

    def __post_init__(self) -> None:
        """Checks."""
        if self.kind not in KINDS:
            raise UserError(f"beta: no schedule {self.kind!r}; {nearest(self.kind, KINDS)}")
        if self.low < 0 or self.high < 0 or self.steps < 1:
            raise UserError("beta: low and high must be 0 or more, and steps 1 or more")
        if self.kind in ("log", "target-kl") and not self.low > 0:
            raise UserError(f"beta: {self.kind} needs a low above 0, got {self.low}")
        if self.kind == "target-kl" and not self.target_bits > 0:
            raise UserError(f"beta: target_bits must be above 0, got {self.target_bits}")
        if not 0 < self.rising <= 1:
            raise UserError(f"beta: rising must be above 0 and 1 at most, got {self.rising}")


class Beta(nn.Module):
    """``weight = beta(step)``; a module, so that a controller's state is in every checkpoint."""

    def __init__(self, config: BetaConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer(
            "held", torch.tensor(math.log(max(config.low, 1e-30)), dtype=torch.float64)
        )
        self.held: Tensor

    def forward(self, step: int) -> float:
        """The weight at a step, counted from 0."""
        c = self.config
        if c.kind == "const":
            return c.high
        if c.kind == "target-kl":
            return math.exp(float(self.held))
        if c.kind == "cosine-cycle":
            return _cycle(c, step)
        if c.kind == "sigmoid":
            return _sigmoid(c, step)
        shape = "exponential" if c.kind == "log" else "linear"
        return Schedule([(c.begin, c.low), (c.begin + c.steps, c.high)], shape=shape)(step)

    def observe(self, bits: float) -> None:
        """Tell a controller what a frame costs now; it raises its weight where that is too much."""
        c = self.config
        if c.kind != "target-kl" or not math.isfinite(bits):
            return
        off = math.log2(max(bits, 1e-3) / c.target_bits)
        self.held += c.speed * max(-2.0, min(2.0, off))
        self.held.clamp_(math.log(c.low), math.log(max(c.high, c.low)))


def _cycle(c: BetaConfig, step: int) -> float:
    """Low at the start of every cycle, as Fu et al. (NAACL 2019) have it, not high."""
    if step < c.begin:
        return c.low
    place = ((step - c.begin) % c.steps) / c.steps
    way = min(1.0, place / c.rising)
    return c.low + (c.high - c.low) * (1 - math.cos(math.pi * way)) / 2


def _sigmoid(c: BetaConfig, step: int) -> float:
    """From low to high exactly: the logistic curve between -6 and 6, scaled to end in both."""
    way = min(1.0, max(0.0, (step - c.begin) / c.steps))
    edge = 1 / (1 + math.exp(6))
    curve = (1 / (1 + math.exp(6 - 12 * way)) - edge) / (1 - 2 * edge)
    return c.low + (c.high - c.low) * curve
