"""The kinds of parameter that a patch has, each with three views: raw, semantic, encoded."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from dspcore.errors import UserError, nearest

Numbers = NDArray[np.float64]
Value = float | int | bool | str
Scale = Literal["lin", "log", "pow", "db", "semitone"]
SCALES: tuple[Scale, ...] = ("lin", "log", "pow", "db", "semitone")

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
        doc: One sentence; has no part in the fingerprint.
    """

    kind: ClassVar[str] = ""

    name: str
    default: Any = None
    weights: tuple[float, ...] = ()
    gate: tuple[tuple[Condition, ...], ...] = ()
    symmetry: Symmetry | None = None
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
            found[each.name] = _plain(value)
        return found


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


@dataclass(frozen=True, kw_only=True)
class _Stepped(PatchParam):
    """Base of what has `n` values: value i is encoded as the middle of the i-th of n parts."""

    @property
    def n(self) -> int:
        """How many values."""
        raise NotImplementedError

    def raws(self) -> Numbers:
        """What the synth is given for each value, (n,)."""
        raise NotImplementedError

    def indices(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Which values these are."""
        raise NotImplementedError

    def values_at(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """The semantic values."""
        raise NotImplementedError

    def index(self, u: Numbers) -> NDArray[np.int64]:
        """Which value an encoded one is nearest to."""
        u = np.clip(np.asarray(u, np.float64), 0.0, 1.0)
        return np.minimum((u * self.n).astype(np.int64), self.n - 1)

    def to_unit(self, values: NDArray[Any]) -> Numbers:
        """Semantic to encoded."""
        return (self.indices(values) + 0.5) / self.n

    def from_unit(self, u: Numbers) -> NDArray[Any]:
        """Encoded to semantic."""
        return self.values_at(self.index(u))

    def to_raw(self, values: NDArray[Any]) -> Numbers:
        """Semantic to raw."""
        return self.raws()[self.indices(values)]

    def from_raw(self, raw: Numbers) -> NDArray[Any]:
        """Raw to semantic."""
        distance = np.abs(np.asarray(raw, np.float64)[..., None] - self.raws())
        return self.values_at(distance.argmin(-1))

    def snap(self, u: Numbers) -> Numbers:
        return (self.index(u) + 0.5) / self.n

    def drawn(self, u: Numbers) -> Numbers:
        """Uniform to the prior."""
        if not self.weights:
            return self.snap(u)
        edges = np.cumsum(self.weights) / sum(self.weights)
        last = int(np.flatnonzero(self.weights)[-1])
        index = np.searchsorted(edges, np.asarray(u, np.float64), side="right")
        return (np.minimum(index, last) + 0.5) / self.n

    def _check_weights(self) -> None:
        if self.n < 1:
            self._wrong("needs one value at least", self.n)
        if self.weights and len(self.weights) != self.n:
            self._wrong(f"weights must be {self.n}, one for each value", self.weights)


@dataclass(frozen=True, kw_only=True)
class Ordered(_Stepped):
    """Whole steps with an order: octaves, numbers of voices.

    Args:
        count: How many values.
        low: The least.
        step: Between two of them.
        unit: For people.
    """

    kind: ClassVar[str] = "ordered"

    count: int
    low: float = 0.0
    step: float = 1.0
    unit: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_weights()
        if not (math.isfinite(self.low) and math.isfinite(self.step) and self.step > 0):
            self._wrong("wanted a finite low and a step above 0", (self.low, self.step))
        default = float(self.low if self.default is None else self.default)
        self._set(low=float(self.low), step=float(self.step), default=default)
        self.indices(np.array(default))

    @property
    def n(self) -> int:
        """How many values."""
        return self.count

    def raws(self) -> Numbers:
        """What the synth is given for each value, (n,)."""
        return np.asarray(self.low + self.step * np.arange(self.count), np.float64)

    def indices(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Which values these are."""
        place = (np.asarray(values, np.float64) - self.low) / self.step
        index = np.rint(place)
        wrong = (np.abs(place - index) > 1e-3) | (index < 0) | (index >= self.count)
        if np.any(wrong):
            got = np.asarray(values, np.float64)[wrong].ravel()[0]
            self._wrong(f"must be {self.described()}", float(got))
        return index.astype(np.int64)

    def values_at(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """The semantic values."""
        return self.raws()[index]

    def described(self) -> str:
        """Range or words."""
        high = self.low + self.step * (self.count - 1)
        step = "" if self.step == 1 else f" in steps of {self.step:g}"
        return f"{self.low:g} to {high:g}{step}" + (f" {self.unit}" if self.unit else "")


@dataclass(frozen=True, kw_only=True)
class Categorical(_Stepped):
    """One of a few words without an order.

    Args:
        values: The words.
        raw_values: What the synth is given for each; 0, 1, 2, ... when left out.
    """

    kind: ClassVar[str] = "categorical"

    values: tuple[str, ...]
    raw_values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.values)) != len(self.values):
            self._wrong("its values must differ", self.values)
        raw = self.raw_values or tuple(map(float, range(len(self.values))))
        if len(raw) != len(self.values):
            self._wrong(f"raw_values must be {len(self.values)}, one for each value", raw)
        self._check_weights()
        default = self.values[0] if self.default is None else self.default
        self._set(raw_values=tuple(map(float, raw)), default=default)
        self.indices(np.array(default, object))

    @property
    def n(self) -> int:
        """How many values."""
        return len(self.values)

    def raws(self) -> Numbers:
        """What the synth is given for each value, (n,)."""
        return np.array(self.raw_values)

    def indices(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Which values these are."""
        known = {word: i for i, word in enumerate(self.values)}
        given = np.asarray(values, object)
        for word in given.ravel():
            if word not in known:
                raise UserError(f"{self.name}: cannot be {word!r}; {nearest(str(word), known)}")
        flat = [known[word] for word in given.ravel()]
        return np.array(flat, np.int64).reshape(given.shape)

    def values_at(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """The semantic values."""
        return np.array(self.values, object)[index]

    def plain(self, value: Any) -> Value:
        """Python's own type."""
        return str(value)

    def described(self) -> str:
        """Range or words."""
        return " | ".join(self.values)


@dataclass(frozen=True, kw_only=True)
class Bool(_Stepped):
    """On or off.

    Args:
        raw_values: What the synth is given for off and on.
    """

    kind: ClassVar[str] = "bool"

    raw_values: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_weights()
        off, on = self.raw_values
        self._set(default=bool(self.default), raw_values=(float(off), float(on)))

    @property
    def n(self) -> int:
        """How many values."""
        return 2

    def raws(self) -> Numbers:
        """What the synth is given for each value, (n,)."""
        return np.array(self.raw_values)

    def indices(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Which values these are."""
        given = np.asarray(values)
        if not np.isin(given.astype(np.float64), (0.0, 1.0)).all():
            self._wrong("must be true or false", given.ravel().tolist()[0])
        return given.astype(np.int64)

    def values_at(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """The semantic values."""
        return np.asarray(index).astype(bool)

    def plain(self, value: Any) -> Value:
        """Python's own type."""
        return bool(value)

    def described(self) -> str:
        """Range or words."""
        return "off | on"


@dataclass(frozen=True, kw_only=True)
class Fixed(PatchParam):
    """One value for all patches; it is not encoded.

    Args:
        value: What the synth is given.
    """

    kind: ClassVar[str] = "fixed"

    value: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(value=float(self.value), default=float(self.value))

    def to_raw(self, values: NDArray[Any]) -> Numbers:
        """Semantic to raw."""
        return np.full(np.shape(values), self.value)

    def from_raw(self, raw: Numbers) -> NDArray[Any]:
        """Raw to semantic."""
        return np.full(np.shape(raw), self.value)

    def described(self) -> str:
        """Range or words."""
        return f"{self.value:g}"


KINDS: dict[str, type[PatchParam]] = {
    kind.kind: kind for kind in (Continuous, Ordered, Categorical, Bool, Fixed)
}


def param_from_dict(found: Mapping[str, Any]) -> PatchParam:
    """The inverse of `PatchParam.to_dict`; `UserError` for a kind or key that is unknown."""
    given = dict(found)
    kind = str(given.pop("kind", ""))
    name = given.get("name", "?")
    if kind not in KINDS:
        raise UserError(f"{name}: unknown kind of parameter {kind!r}; {nearest(kind, KINDS)}")
    known = {each.name for each in fields(KINDS[kind])}
    for key in given:
        if key not in known:
            raise UserError(f"{name}: unknown key {key!r}; {nearest(key, known)}")
    if "gate" in given:
        given["gate"] = tuple(tuple(Condition(**c) for c in group) for group in given["gate"])
    if given.get("symmetry"):
        given["symmetry"] = Symmetry(**given["symmetry"])
    if "atoms" in given:
        given["atoms"] = tuple((float(v), float(w)) for v, w in given["atoms"])
    for key in ("weights", "values", "raw_values"):
        if key in given:
            given[key] = tuple(given[key])
    try:
        return KINDS[kind](**given)
    except TypeError as error:
        raise UserError(f"{name}: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, (Condition, Symmetry)):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return cast(Any, value)
