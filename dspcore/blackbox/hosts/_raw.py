"""Parameters that a host knows as 0 to 1 with words beside: their range, where the words say it.

VST2 and VST3 carry no ranges. A few words are asked for, never more than the steps there are: some
plug-ins do work for every word (ZamVerb reloads impulse responses).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dspcore.blackbox.hosts import _naming
from dspcore.blackbox.plugin import Kind, Parameter

#: What hosts and wrappers add to a plug-in's own parameters.
PSEUDO = re.compile(
    r"^(buffer size|sample rate|current program|program|bypass|master bypass|"
    r"midi ?cc .*|midi controller .*|midi ch.*|reserved.*|param_\d+|unused.*|)$",
    re.IGNORECASE,
)

#: With no more steps than these every one is asked for its word.
MOST_STEPS = 32

#: Where the words of a continuous parameter are asked for.
PROBES = (0.0, 0.25, 0.5, 0.75, 1.0)

NUMBER = re.compile(r"[-+]?\d+(?:\.(\d*))?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Raw:
    """A parameter as a host gives it."""

    name: str
    value: float  # 0 to 1, when the plug-in has just been made
    label: str = ""
    steps: int = 0  # 0 or many: continuous
    automatable: bool = True


@dataclass(frozen=True)
class Scale:
    """From a parameter's units to the host's 0 to 1."""

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"

    def raw(self, value: float) -> float:
        """Where in 0 to 1 `value` lies; beyond the ends, the end."""
        if self.scale == "log":
            place = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            place = (value - self.low) / (self.high - self.low)
        return min(max(place, 0.0), 1.0)

    def value(self, raw: float) -> float:
        """The inverse of `raw`."""
        if self.scale == "log":
            return self.low * math.exp(raw * math.log(self.high / self.low))
        return self.low + raw * (self.high - self.low)


def usable(raw: Raw) -> bool:
    """Whether it is a setting of the sound: no pseudo-parameter, no meter."""
    few_steps = 1 < raw.steps <= MOST_STEPS
    return not PSEUDO.match(raw.name.strip()) and (raw.automatable or few_steps)


def described(raw: Raw, text: Callable[[float], str]) -> tuple[Parameter, Scale]:
    """The parameter in its own units where its words allow it, otherwise in 0 to 1."""
    kind: Kind = "continuous"
    labels: tuple[tuple[str, float], ...] = ()
    unit = _naming.unit(raw.label.lstrip(":"))
    if 1 < raw.steps <= MOST_STEPS:
        places = [step / (raw.steps - 1) for step in range(raw.steps)]
        words = [text(place).strip() for place in places]
        scale = _numbers(words, places)
        if scale is not None:
            kind = "switch" if (scale.low, scale.high, raw.steps) == (0, 1, 2) else "integer"
            if scale.high - scale.low != raw.steps - 1:
                scale = None
        if scale is None:
            scale, kind = Scale(0.0, 1.0), "switch" if raw.steps == 2 else "choice"
            labels = tuple(zip(words, places, strict=True)) if kind == "choice" else ()
            unit = ""
    else:
        words = [text(place).strip() for place in PROBES]
        found = _numbers(words, list(PROBES))
        scale = found or Scale(0.0, 1.0)
        unit = (unit or _word_after(words[2])) if found else ""
    return (
        Parameter(
            symbol=raw.name,
            name=raw.name,
            minimum=scale.low,
            maximum=scale.high,
            default=min(max(scale.value(raw.value), scale.low), scale.high),
            unit=unit,
            scale=scale.scale,
            kind=kind,
            labels=labels,
        ),
        scale,
    )


def _numbers(words: list[str], places: list[float]) -> Scale | None:
    """The range whose values at `places` are what the words say to their last digit, or None."""
    found = [match for word in words if (match := NUMBER.match(word))]
    if len(found) < len(words):
        return None
    values = [float(match[0]) for match in found]
    digits = [len(match[1] or "") for match in found]
    if len({match.string[match.end() :].strip() for match in found}) > 1:
        return None  # "900 Hz" and "1.2 kHz" are no one scale
    low, high = values[0], values[-1]
    if not low < high:
        return None
    candidates = [Scale(low, high)]
    if low > 0:
        candidates.append(Scale(low, high, "log"))
    for scale in candidates:
        errors = [abs(scale.value(p) - v) for p, v in zip(places, values, strict=True)]
        rounding = 0.6 * 10.0 ** -max(digits)
        if max(errors) <= 1e-6 * (high - low):
            return scale
        # Words of few digits leave the range itself in doubt.
        if max(errors) <= rounding <= 0.02 * (high - low):
            return scale
    return None


def _word_after(text: str) -> str:
    match = NUMBER.match(text)
    return _naming.UNITS.get(text[match.end() :].strip().lower(), "") if match else ""
