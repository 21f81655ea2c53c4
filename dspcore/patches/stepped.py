"""Parameters of patches that have a few values: steps, words, switches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dspcore.errors import UserError, nearest
from dspcore.patches.params import Numbers, PatchParam, Value


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
