"""What an effect can be told: parameters, choices and files, each declared once."""

from __future__ import annotations

import math
import os
from typing import Any, Literal, Self, TypeVar, overload

import torch
from torch import Tensor

from dspcore.errors import checking_values, nearest

Number = TypeVar("Number", float, Tensor)

#: The unit that a parameter's name ends with, and how a person writes it.
UNITS = {
    "hz": "Hz",
    "db": "dB",
    "ms": "ms",
    "s": "s",
    "samples": "samples",
    "percent": "%",
    "cents": "cents",
}

#: A frequency may reach this share of the sample rate: the bilinear transform still holds there.
HIGHEST_SHARE = 0.45


class Param:
    """A continuous parameter in physical units, and its map to [0, 1].

    The unit is the suffix of the name it is assigned to (``_hz _db _ms _s _samples _percent
    _cents``). A parameter in Hz ends at 0.45 of the sample rate where `maximum` lies above that,
    and so does its default. On an effect the name reads and sets the effect's own value:
    ``effect.gain_db = -6``.

    Args:
        minimum: Least value.
        maximum: Greatest value.
        default: Value when nothing is said.
        scale: "linear", or "log" for equal ratios over equal distances (`minimum` must be above 0).
        doc: One sentence for help, presets and tables.
        fine: A small change is a wholly different sound (an echo's time): a search by gradient
            leaves it where `Effect.suggest` put it, until all else is near.
    """

    name: str

    def __init__(
        self,
        minimum: float,
        maximum: float,
        *,
        default: float,
        scale: Literal["linear", "log"] = "linear",
        doc: str = "",
        fine: bool = False,
    ) -> None:
        if not minimum <= default <= maximum or not minimum < maximum:
            raise ValueError(
                f"Param: wanted minimum <= default <= maximum, got {minimum}, {default}, {maximum}"
            )
        if scale not in ("linear", "log"):
            raise ValueError(f"Param: scale must be 'linear' or 'log', got {scale!r}")
        if scale == "log" and minimum <= 0:
            raise ValueError(f"Param: a logarithmic scale needs a minimum above 0, got {minimum}")
        self.minimum, self.maximum, self.default = float(minimum), float(maximum), float(default)
        self.scale, self.doc, self.fine = scale, doc, fine

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, effect: None, owner: type) -> Self: ...
    @overload
    def __get__(self, effect: Any, owner: type) -> float: ...
    def __get__(self, effect: Any, owner: type) -> Self | float:
        return self if effect is None else float(effect.values[self.name])

    def __set__(self, effect: Any, value: float) -> None:
        effect.values[self.name] = self.checked(value, effect.sample_rate, who=effect.name)

    @property
    def unit(self) -> str:
        """The unit as a person writes it, "" when the parameter has none."""
        return UNITS.get(self.name.rpartition("_")[2], "") if "_" in self.name else ""

    def range(self, sample_rate: int) -> tuple[float, float]:
        """Least and greatest value at a sample rate in Hz."""
        highest = self.maximum
        if self.unit == "Hz":
            highest = min(highest, HIGHEST_SHARE * sample_rate)
        if highest <= self.minimum:
            raise ValueError(
                f"{self.name}: starts at {self.minimum:g} Hz, but audio at {sample_rate} Hz "
                f"holds no more than {highest:g} Hz; use audio with a higher sample rate"
            )
        return self.minimum, highest

    def default_at(self, sample_rate: int) -> float:
        """The default at a sample rate in Hz."""
        return min(self.default, self.range(sample_rate)[1])

    def to_unit(self, physical: Number, sample_rate: int) -> Number:
        """Map physical units to [0, 1]; differentiable on tensors, any shape."""
        low, high = self.range(sample_rate)
        if self.scale == "linear":
            return (physical - low) / (high - low)
        if isinstance(physical, Tensor):
            return torch.log(physical / low) / math.log(high / low)
        return math.log(physical / low) / math.log(high / low)

    def from_unit(self, u: Number, sample_rate: int) -> Number:
        """Map [0, 1] to physical units; differentiable on tensors, any shape."""
        low, high = self.range(sample_rate)
        if self.scale == "linear":
            return low + (high - low) * u
        if isinstance(u, Tensor):
            return low * torch.exp(math.log(high / low) * u)
        return low * math.exp(math.log(high / low) * u)

    def checked(self, value: float | Tensor, sample_rate: int, *, who: str) -> float:
        """`value` as a float, or an error that names the effect `who`, the range and the fix."""
        try:
            number = math.nan if isinstance(value, (str, bool)) else float(value)
        except (TypeError, ValueError, RuntimeError):
            number = math.nan
        if math.isnan(number):
            raise TypeError(f"{who}: {self.name} must be a number, got {value!r}")
        self.check_range(number, number, sample_rate, who=who)
        return number

    def check(self, value: float | Tensor, sample_rate: int, *, who: str) -> None:
        """Raise unless `value` is a number, (), (b,) or (b, f), within the range."""
        if not isinstance(value, Tensor):
            self.checked(value, sample_rate, who=who)
        elif value.ndim > 2 or value.numel() == 0:
            raise ValueError(
                f"{who}: {self.name} must be (), (b,) or (b, f), got {tuple(value.shape)}"
            )
        elif checking_values():
            least, greatest = (float(edge) for edge in value.detach().aminmax())
            self.check_range(least, greatest, sample_rate, who=who)

    def check_range(self, least: float, greatest: float, sample_rate: int, *, who: str) -> None:
        """Raise when `least` to `greatest` leave the range by more than float32's rounding."""
        low, high = self.range(sample_rate)
        slack = 2e-6 * max(abs(low), abs(high))
        if low - slack <= least and greatest <= high + slack:
            return
        unit = f" {self.unit}" if self.unit else ""
        got = f"{least:g}" if least == greatest or least != least else f"{least:g} to {greatest:g}"
        message = f"{who}: {self.name} must be {low:g} to {high:g}{unit}, got {got}{unit}"
        if high < self.maximum and low <= least and greatest <= self.maximum:
            message += (
                f"; audio at {sample_rate} Hz holds frequencies up to {high:g} Hz: "
                f"lower {self.name}, leave it out for a default that fits, "
                "or use audio with a higher sample rate"
            )
        raise ValueError(message)

    def describe(self, sample_rate: int = 48_000) -> str:
        """Range, unit and meaning in one line: ``-60 to 0 dB: Level where reduction begins``."""
        low, high = self.range(sample_rate)
        text = f"{low:g} to {high:g}" + (f" {self.unit}" if self.unit else "")
        return f"{text}: {self.doc}" if self.doc else text


class Choice:
    """A discrete option of an effect: one of a few words, the same for a whole batch.

    Args:
        words: What may be chosen.
        default: The word when nothing is said.
        doc: One sentence for help, presets and tables.
    """

    name: str

    def __init__(self, *words: str, default: str, doc: str = "") -> None:
        if default not in words:
            raise ValueError(f"Choice: default must be one of {words}, got {default!r}")
        self.words, self.default, self.doc = words, default, doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, effect: None, owner: type) -> Self: ...
    @overload
    def __get__(self, effect: Any, owner: type) -> str: ...
    def __get__(self, effect: Any, owner: type) -> Self | str:
        return self if effect is None else str(effect.options[self.name])

    def __set__(self, effect: Any, value: str) -> None:
        effect.options[self.name] = self.checked(value, who=effect.name)

    def checked(self, value: str, *, who: str) -> str:
        """`value`, or an error that names the effect `who` and the words it knows."""
        if not isinstance(value, str):
            words = ", ".join(self.words)
            raise TypeError(f"{who}: {self.name} must be one of {words}, got {value!r}")
        if value not in self.words:
            hint = nearest(value, self.words)
            raise ValueError(f"{who}: {self.name} cannot be {value!r}; {hint}")
        return value

    def describe(self) -> str:
        """The words and the meaning in one line."""
        text = " | ".join(self.words)
        return f"{text}: {self.doc}" if self.doc else text


class File:
    """An audio file that an effect reads: its path, "" for the effect's own sound.

    A preset writes the path relative to its own folder.

    Args:
        doc: One sentence for help, presets and tables.
    """

    name: str
    default = ""

    def __init__(self, doc: str = "") -> None:
        self.doc = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, effect: None, owner: type) -> Self: ...
    @overload
    def __get__(self, effect: Any, owner: type) -> str: ...
    def __get__(self, effect: Any, owner: type) -> Self | str:
        return self if effect is None else str(effect.options[self.name])

    def __set__(self, effect: Any, value: str | os.PathLike[str]) -> None:
        if not isinstance(value, (str, os.PathLike)):
            raise TypeError(f"{effect.name}: {self.name} must be a path, got {value!r}")
        effect.options[self.name] = os.fspath(value)
        effect.load(self.name)

    def describe(self) -> str:
        """The meaning in one line."""
        return f"path: {self.doc}" if self.doc else "path"
