"""Parameters of patches that are a number between two others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dspcore.errors import UserError, nearest
from dspcore.patches.params import Numbers, PatchParam

Scale = Literal["lin", "log", "pow", "db", "semitone"]
SCALES: tuple[Scale, ...] = ("lin", "log", "pow", "db", "semitone")


@dataclass(frozen=True, kw_only=True)
class Continuous(PatchParam):
    """A number between two others, spread over [0, 1] by its scale.

    ``lin``: even steps; ``log``: equal ratios; ``pow``: low + (high - low) u^power; ``db``: a level
    in dB, the synth gets the gain 10^(v/20); ``semitone``: an interval, the synth gets the ratio
    2^(v/12).

    Args:
        low: Least semantic value.
        high: Greatest.
        scale: As above.
        power: Of ``pow``.
        unit: For people.
        atoms: Values that have a probability of their own, (value, probability) each.
    """

    kind: ClassVar[str] = "continuous"

    low: float
    high: float
    scale: Scale = "lin"
    power: float = 1.0
    unit: str = ""
    atoms: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            self._wrong("wanted low < high", (self.low, self.high))
        if self.scale not in SCALES:
            raise UserError(
                f"{self.name}: unknown scale {self.scale!r}; {nearest(self.scale, SCALES)}"
            )
        if self.scale == "log" and self.low <= 0:
            self._wrong("a logarithmic scale needs low above 0", self.low)
        if self.scale == "pow" and not (math.isfinite(self.power) and self.power > 0):
            self._wrong("power must be above 0", self.power)
        default = (self.low + self.high) / 2 if self.default is None else float(self.default)
        if not self.low <= default <= self.high:
            self._wrong(f"default must be {self.low:g} to {self.high:g}", default)
        for value, share in self.atoms:
            if not (self.low <= value <= self.high and share > 0):
                self._wrong(
                    "an atom is a value in the range and a probability above 0", (value, share)
                )
        if sum(share for _, share in self.atoms) > 1:
            self._wrong("the atoms' probabilities must add up to 1 at most", self.atoms)
        atoms = tuple((float(value), float(share)) for value, share in self.atoms)
        self._set(low=float(self.low), high=float(self.high), default=default, atoms=atoms)
        self._set(power=float(self.power))

    def to_unit(self, values: NDArray[Any]) -> Numbers:
        """Semantic to encoded."""
        v = np.asarray(values, np.float64)
        if self.scale == "log":
            u = np.log(np.maximum(v, self.low) / self.low) / math.log(self.high / self.low)
        else:
            u = (v - self.low) / (self.high - self.low)
            if self.scale == "pow":
                u = np.maximum(u, 0.0) ** (1 / self.power)
        return np.clip(u, 0.0, 1.0)

    def from_unit(self, u: Numbers) -> NDArray[Any]:
        """Encoded to semantic."""
        u = np.clip(np.asarray(u, np.float64), 0.0, 1.0)
        if self.scale == "log":
            v = self.low * np.exp(math.log(self.high / self.low) * u)
        else:
            v = self.low + (self.high - self.low) * (u**self.power if self.scale == "pow" else u)
        return np.clip(v, self.low, self.high)

    def to_raw(self, values: NDArray[Any]) -> Numbers:
        """Semantic to raw."""
        v = np.asarray(values, np.float64)
        if self.scale == "db":
            return np.asarray(10 ** (v / 20), np.float64)
        return np.asarray(2 ** (v / 12), np.float64) if self.scale == "semitone" else v

    def from_raw(self, raw: Numbers) -> NDArray[Any]:
        """Raw to semantic."""
        v = np.asarray(raw, np.float64)
        if self.scale in ("db", "semitone"):
            v = np.maximum(v, np.finfo(np.float64).tiny)
            v = 20 * np.log10(v) if self.scale == "db" else 12 * np.log2(v)
        return np.clip(v, self.low, self.high)

    def drawn(self, u: Numbers) -> Numbers:
        """Uniform to the prior."""
        rest = np.asarray(u, np.float64)
        out = np.empty_like(rest)
        taken = np.zeros(rest.shape, bool)
        begin = 0.0
        for value, share in self.atoms:
            here = ~taken & (rest < begin + share)
            out[here] = self.to_unit(np.array(value))
            taken |= here
            begin += share
        if begin > 0:
            rest = (rest - begin) / max(1 - begin, 1e-300)
        if self.weights:
            edges = np.concatenate([[0.0], np.cumsum(self.weights) / sum(self.weights)])
            rest = np.interp(rest, edges, np.linspace(0, 1, len(edges)))
        out[~taken] = rest[~taken]
        return np.clip(out, 0.0, 1.0)

    def described(self) -> str:
        """Range or words."""
        return f"{self.low:g} to {self.high:g}" + (f" {self.unit}" if self.unit else "")
