"""All kinds of parameter by name, and how they are read from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dspcore.errors import UserError, nearest
from dspcore.patches.continuous import Continuous
from dspcore.patches.params import Condition, Numbers, PatchParam, Symmetry
from dspcore.patches.stepped import Bool, Categorical, Ordered


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
