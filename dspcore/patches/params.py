"""The kinds of parameter that a patch has, each with three views: raw, semantic, encoded."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from dspcore.errors import UserError, nearest

Numbers = NDArray[np.float64]
Value = float | int | bool | str

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class Condition:
    """What another parameter's semantic value must be for this one to be heard."""

    param: str
    op: str
    value: Value

    def __post_init__(self) -> None:
        if self.op not in _COMPARE:
            hint = nearest(self.op, _COMPARE)
            raise UserError(f"gate on {self.param}: unknown comparison {self.op!r}; {hint}")

    def holds(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether it does, for semantic values of any shape."""
        return np.asarray(_COMPARE[self.op](values, self.value), bool)


@dataclass(frozen=True)
class Symmetry:
    """A part of a patch that may change places with its like without a change of sound.

    Args:
        group: Whose members may be permuted ("osc").
        member: Which of them, from 0.
        role: What the parameter is within each member ("wave").
    """

    group: str
    member: int
    role: str


@dataclass(frozen=True, kw_only=True)
class PatchParam:
    """Base of the kinds.

    Args:
        name: Unique in its space; parameters are found by it, never by number.
        default: Semantic value when nothing is said.
        weights: The prior over equal parts of [0, 1] (continuous, any number of parts) or over the
            values (the others); uniform when left out.
        gate: When the parameter is heard: all conditions of one of these groups hold; always when
            there is none.
        symmetry: The part of a symmetric group that it is.
        chance: Whether it makes the synth draw random numbers (sample and hold, a random phase)
            everywhere but at its lowest or first value.
        doc: One sentence; has no part in the fingerprint.
    """

    kind: ClassVar[str] = ""

    name: str
    default: Any = None
    weights: tuple[float, ...] = ()
    gate: tuple[tuple[Condition, ...], ...] = ()
    symmetry: Symmetry | None = None
    chance: bool = False
    doc: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise UserError("patch parameter: its name is empty")
        self._set(weights=tuple(map(float, self.weights)))
        if self.weights and not (
            all(math.isfinite(w) and w >= 0 for w in self.weights) and sum(self.weights) > 0
        ):
            self._wrong("weights must be 0 or more and not all 0", self.weights)

    def _wrong(self, wanted: str, got: object) -> None:
        raise UserError(f"{self.name}: {wanted}, got {got!r}")

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    # Semantic values travel as arrays: float64, or of objects where they are words.

    def to_unit(self, values: NDArray[Any]) -> Numbers:
        """Semantic to encoded, in [0, 1]."""
        raise NotImplementedError

    def from_unit(self, u: Numbers) -> NDArray[Any]:
        """Encoded to semantic; between two values it is rounded to the nearer."""
        raise NotImplementedError

    def to_raw(self, values: NDArray[Any]) -> Numbers:
        """Semantic to what the synth is given."""
        raise NotImplementedError

    def from_raw(self, raw: Numbers) -> NDArray[Any]:
        """What the synth is given to semantic."""
        raise NotImplementedError

    def snap(self, u: Numbers) -> Numbers:
        """The encoded value that stands for all that sound the same."""
        return np.clip(u, 0.0, 1.0)

    def drawn(self, u: Numbers) -> Numbers:
        """Uniform numbers in [0, 1) to encoded values with the prior's distribution."""
        raise NotImplementedError

    def plain(self, value: Any) -> Value:
        """An item of an array as Python's own type."""
        return float(value)

    def described(self) -> str:
        """Range or words, for tables."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        found: dict[str, Any] = {"kind": self.kind}
        for each in fields(self):
            value = getattr(self, each.name)
            if value in ((), None, "") and each.name != "value":
                continue
            if each.name == "chance" and not value:
                continue
            found[each.name] = _plain(value)
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, (Condition, Symmetry)):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return cast(Any, value)
