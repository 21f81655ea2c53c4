"""A plug-in's parameters as an effect declares its own."""

from __future__ import annotations

import keyword
import math
import re

from dspcore.blackbox.plugin import Parameter
from dspcore.effects import Choice, Param


class PluginParam(Param):
    """A parameter with the plug-in's own range and unit, whatever the sample rate.

    An integer one is rounded on its way into the plug-in. Its gradient is the difference between
    whole values over their distance, so it needs no straight-through rule.

    Args:
        parameter: As the host described it.
    """

    def __init__(self, parameter: Parameter) -> None:
        low, high = float(parameter.minimum), float(parameter.maximum)
        log = parameter.scale == "log" and low > 0 and parameter.kind != "integer"
        unit = f" ({parameter.unit})" if parameter.unit else ""
        super().__init__(
            low,
            high,
            default=min(max(float(parameter.default), low), high),
            scale="log" if log else "linear",
            doc=f"{parameter.name}{unit}.",
        )
        self.plugin_unit = parameter.unit
        self.whole = parameter.kind == "integer"

    @property
    def unit(self) -> str:
        """As the plug-in says it."""
        return self.plugin_unit

    def range(self, sample_rate: int) -> tuple[float, float]:
        """Least and greatest value."""
        return self.minimum, self.maximum

    def default_at(self, sample_rate: int) -> float:
        """The plug-in's default."""
        return self.default

    @property
    def grid(self) -> float:
        """Distance of the values in [0, 1]; 0 where there are values everywhere."""
        return 1.0 / (self.maximum - self.minimum) if self.whole else 0.0


class PluginChoice(Choice):
    """A switch or a list of words, and the value that the plug-in gets for each."""

    def __init__(self, parameter: Parameter, values: dict[str, float]) -> None:
        default = min(values, key=lambda word: abs(values[word] - parameter.default))
        super().__init__(*values, default=default, doc=f"{parameter.name}.")
        self.numbers = values


def control(parameter: Parameter) -> PluginParam | PluginChoice | None:
    """What an effect declares for a parameter; None where there is nothing to set."""
    bounds = (parameter.minimum, parameter.maximum, parameter.default)
    if not all(math.isfinite(value) for value in bounds):
        return None
    if parameter.kind in ("switch", "choice"):
        values = _words(parameter)
        return PluginChoice(parameter, values) if len(values) > 1 else None
    if not parameter.minimum < parameter.maximum:
        return None
    return PluginParam(parameter)


def attribute(symbol: str, taken: type) -> str:
    """The name that users write for a parameter: its symbol, with _ behind where that has another
    meaning in `taken` or in presets.
    """
    name = re.sub(r"\W", "_", symbol) or "_"
    name = f"p{name}" if name[0].isdigit() or name[0] == "_" else name
    if keyword.iskeyword(name) or name == "type" or hasattr(taken, name):
        name += "_"
    return name


def _words(parameter: Parameter) -> dict[str, float]:
    if parameter.labels:
        values: dict[str, float] = {}
        for word, value in parameter.labels:
            text = word.strip() or f"{value:g}"
            values[text if text not in values else f"{text} ({value:g})"] = float(value)
        return values
    if parameter.kind == "switch":
        return {"off": float(parameter.minimum), "on": float(parameter.maximum)}
    least, greatest = math.ceil(parameter.minimum), math.floor(parameter.maximum)
    return {str(value): float(value) for value in range(least, min(greatest, least + 255) + 1)}
