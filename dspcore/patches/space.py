"""Everything that a patch of one synth can be, typed, and with a name of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dspcore.errors import UserError, nearest
from dspcore.patches.kinds import Fixed, param_from_dict
from dspcore.patches.params import Condition, Numbers, PatchParam, Value
from dspcore.patches.stepped import Bool, Categorical

VERSION = 1

#: A patch as a person writes it: semantic values by name.
Patch = dict[str, Value]


@dataclass(frozen=True)
class ParamSpace:
    """The parameters of a synth, found by name, in the order of the columns of encoded patches.

    A patch has three views. Semantic: a value by name, as a person writes it. Encoded: (k,) float64
    in [0, 1], one for each parameter that is not `Fixed`. Raw: (p,) what the synth is given, one
    for each parameter. A discrete value is encoded as the middle of its part of [0, 1], and
    decoding takes the nearest.

    Args:
        synth: What it belongs to.
        params: Every parameter.

    Raises:
        UserError: Two have one name, or a gate speaks of one that is not there.
    """

    synth: str
    params: tuple[PatchParam, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", tuple(self.params))
        names = [param.name for param in self.params]
        for name in names:
            if names.count(name) > 1:
                raise UserError(f"{self.synth}: two parameters are called {name!r}")
        for param in self.params:
            for gate in chain.from_iterable(param.gate):
                if gate.param not in names:
                    hint = nearest(gate.param, names)
                    raise UserError(f"{param.name}: its gate asks for {gate.param!r}; {hint}")
                if isinstance(self[gate.param], Categorical) and gate.op not in ("==", "!="):
                    raise UserError(f"{param.name}: its gate compares words with {gate.op}")

    # Names.

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the columns of encoded patches, k."""
        return tuple(param.name for param in self.free)

    @cached_property
    def free(self) -> tuple[PatchParam, ...]:
        """The parameters that are not fixed, k."""
        return tuple(param for param in self.params if not isinstance(param, Fixed))

    @property
    def size(self) -> int:
        """Columns of encoded patches, k."""
        return len(self.free)

    def __getitem__(self, name: str) -> PatchParam:
        """The parameter of that name; `UserError` with the nearest names when there is none."""
        for param in self.params:
            if param.name == name:
                return param
        known = [param.name for param in self.params]
        raise UserError(f"{self.synth}: unknown parameter {name!r}; {nearest(name, known)}")

    def column(self, name: str) -> int:
        """Which column of encoded patches a parameter has."""
        if isinstance(self[name], Fixed):
            raise UserError(f"{self.synth}: {name} is fixed, and has no column")
        return self.names.index(name)

    # Views.

    @property
    def default(self) -> Numbers:
        """The default patch, encoded, (k,)."""
        return self.encode({})

    def encode(self, patch: Mapping[str, Value] | Sequence[Mapping[str, Value]]) -> Numbers:
        """Semantic to encoded: one patch to (k,), a list of n to (n, k).

        What a patch leaves out is at its default.

        Raises:
            UserError: An unknown name, a word that is none of the values, a number out of range.
        """
        if not isinstance(patch, Mapping):
            rows = [self.encode(each) for each in patch]
            return np.stack(rows) if rows else np.zeros((0, self.size))
        for name in patch:
            self[name]
        columns = []
        for param in self.free:
            value = patch.get(param.name, param.default)
            self._check(param, value)
            kind = object if isinstance(param, Categorical) else np.float64
            columns.append(param.to_unit(np.array([value], kind)))
        return np.concatenate(columns) if columns else np.zeros(0)

    @overload
    def decode(self, encoded: NDArray[Any]) -> Any: ...
    @overload
    def decode(self, encoded: Sequence[float]) -> Patch: ...
    def decode(self, encoded: ArrayLike) -> Any:
        """Encoded to semantic: (k,) to a patch, (n, k) to a list of n.

        Fixed parameters are in it. Values outside [0, 1] are taken as 0 or 1; discrete ones are
        rounded to the nearest.
        """
        rows = self._rows(encoded)
        columns = {
            param.name: [param.plain(v) for v in param.from_unit(rows[:, i])]
            for i, param in enumerate(self.free)
        }
        for param in self.params:
            if isinstance(param, Fixed):
                columns[param.name] = [param.value] * len(rows)
        patches = [
            {param.name: columns[param.name][i] for param in self.params} for i in range(len(rows))
        ]
        return patches[0] if np.ndim(encoded) == 1 else patches

    def raw(self, encoded: ArrayLike) -> Numbers:
        """Encoded to raw: (k,) to (p,), (n, k) to (n, p), fixed ones among them."""
        rows = self._rows(encoded)
        columns, i = [], 0
        for param in self.params:
            if isinstance(param, Fixed):
                columns.append(np.full(len(rows), param.value))
            else:
                columns.append(param.to_raw(param.from_unit(rows[:, i])))
                i += 1
        out = np.stack(columns, 1) if columns else np.zeros((len(rows), 0))
        return out[0] if np.ndim(encoded) == 1 else out

    def from_raw(self, raw: ArrayLike) -> Numbers:
        """Raw to encoded: (p,) to (k,), (n, p) to (n, k)."""
        rows = np.atleast_2d(np.asarray(raw, np.float64))
        if rows.ndim != 2 or rows.shape[1] != len(self.params):
            raise ValueError(
                f"{self.synth}: raw must be (p,) or (n, p) with p = {len(self.params)}, "
                f"got {np.shape(raw)}"
            )
        columns = [
            param.to_unit(param.from_raw(rows[:, i]))
            for i, param in enumerate(self.params)
            if not isinstance(param, Fixed)
        ]
        out = np.stack(columns, 1) if columns else np.zeros((len(rows), 0))
        return out[0] if np.ndim(raw) == 1 else out

    def snap(self, encoded: ArrayLike) -> Numbers:
        """The encoded patch that stands for all that decode alike; the shape of `encoded`."""
        return self._by_column(encoded, "snap")

    def drawn(self, uniform: ArrayLike) -> Numbers:
        """Uniform numbers to encoded patches with the prior's distribution, (k,) or (n, k)."""
        return self._by_column(uniform, "drawn")

    def active(self, encoded: ArrayLike) -> NDArray[np.bool_]:
        """Which parameters can be heard, the shape of `encoded`: their gates hold, and theirs."""
        rows = self._rows(encoded)
        known: dict[str, NDArray[np.bool_]] = {}

        def heard(param: PatchParam, asked: tuple[str, ...]) -> NDArray[np.bool_]:
            if param.name in known:
                return known[param.name]
            good = np.full(len(rows), not param.gate)
            for group in param.gate:
                all_hold = np.ones(len(rows), bool)
                for gate in group:
                    other = self[gate.param]
                    values = (
                        np.full(len(rows), other.value)
                        if isinstance(other, Fixed)
                        else other.from_unit(rows[:, self.column(gate.param)])
                    )
                    all_hold &= gate.holds(values)
                    if gate.param not in asked:
                        all_hold &= heard(other, (*asked, gate.param))
                good |= all_hold
            known[param.name] = good
            return good

        columns = [heard(param, (param.name,)) for param in self.free]
        out = np.stack(columns, 1) if columns else np.ones((len(rows), 0), bool)
        return out[0] if np.ndim(encoded) == 1 else out

    def groups(self) -> dict[str, NDArray[np.int64]]:
        """The columns of each symmetric group, (members, roles): rows may be permuted."""
        found: dict[str, dict[int, dict[str, int]]] = {}
        for i, param in enumerate(self.free):
            if param.symmetry is not None:
                group = found.setdefault(param.symmetry.group, {})
                group.setdefault(param.symmetry.member, {})[param.symmetry.role] = i
        out = {}
        for name, members in found.items():
            roles = sorted(next(iter(members.values())))
            if any(sorted(roles_of) != roles for roles_of in members.values()):
                raise UserError(f"{self.synth}: the members of group {name!r} have other roles")
            rows = [[members[m][role] for role in roles] for m in sorted(members)]
            out[name] = np.array(rows, np.int64)
        return out

    # Other spaces from this one.

    def replaced(self, *params: PatchParam) -> Self:
        """With these in place of those of the same names."""
        new = {param.name: param for param in params}
        for name in new:
            self[name]
        return replace(self, params=tuple(new.get(p.name, p) for p in self.params))

    def only(self, names: Iterable[str]) -> Self:
        """Only these free, the others at their defaults."""
        wanted = list(names)
        for name in wanted:
            self[name]
        return self.fixed({p.name: p.default for p in self.free if p.name not in wanted})

    def without_chance(self) -> Self:
        """With the parameters that draw random numbers fixed where they draw none."""
        drawing = [param for param in self.free if param.chance]
        return self.fixed({p.name: p.plain(p.from_unit(np.zeros(1))[0]) for p in drawing})

    def fixed(self, values: Mapping[str, Value]) -> Self:
        """Some of them fixed at semantic values."""
        new: dict[str, PatchParam] = {}
        for name, value in values.items():
            param = self[name]
            self._check(param, value)
            kind = object if isinstance(param, Categorical) else np.float64
            raw = float(param.to_raw(np.array([value], kind))[0])
            new[name] = Fixed(name=name, value=raw, doc=param.doc, gate=param.gate)
        params = []
        for param in (new.get(param.name, param) for param in self.params):
            gate = tuple(tuple(self._still(g, set(new)) for g in group) for group in param.gate)
            params.append(param if gate == param.gate else replace(param, gate=gate))
        return replace(self, params=tuple(params))

    # Files.

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        params = [param.to_dict() for param in self.params]
        return {"version": VERSION, "synth": self.synth, "params": params}

    def to_json(self) -> str:
        """As the text of JSON that the fingerprint is of, with the sentences of documentation."""
        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            UserError: It is none, or of a version that this one does not know.
        """
        try:
            found = json.loads(text)
            version, params = found["version"], found["params"]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"parameter space: is not one that dspcore wrote ({error})") from error
        if version != VERSION:
            raise UserError(f"parameter space: has version {version}, this dspcore knows {VERSION}")
        return cls(str(found["synth"]), tuple(param_from_dict(each) for each in params))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides on what an encoded patch means and how it is drawn."""
        plain = self.to_dict()
        for param in plain["params"]:
            param.pop("doc", None)
        text = json.dumps(plain, separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def check(self, other: ParamSpace | str, who: str) -> None:
        """Raise `UserError` unless `other` is this space, or its fingerprint.

        Args:
            other: A space, or the fingerprint of one.
            who: What brought it: a checkpoint's path, a data set's.
        """
        theirs = other if isinstance(other, str) else other.fingerprint
        if theirs == self.fingerprint:
            return
        why = "" if isinstance(other, str) else "".join(f"\n  {d}" for d in self.differences(other))
        raise UserError(
            f"{who}: belongs to another parameter space ({theirs[:12]}) than {self.synth} here "
            f"({self.fingerprint[:12]}); open the synth with the same version, overlay and fixed "
            f"parameters, or make it anew{why}"
        )

    def differences(self, other: ParamSpace) -> list[str]:
        """In sentences, what `other` has that this has not; the first ten."""
        found = []
        if other.synth != self.synth:
            found.append(f"it is of {other.synth!r}, here {self.synth!r}")
        own = {param.name: param for param in self.params}
        there = {param.name: param for param in other.params}
        found += [f"{name}: only there" for name in there if name not in own]
        found += [f"{name}: only here" for name in own if name not in there]
        for name in own:
            if name not in there:
                continue
            a, b = own[name].to_dict(), there[name].to_dict()
            for key in sorted({*a, *b} - {"doc"}):
                if a.get(key) != b.get(key):
                    found.append(f"{name}: {key} is {b.get(key)!r} there, {a.get(key)!r} here")
        if not found and list(own) != list(there):
            found.append("the order of the parameters is another")
        return found[:10]

    def _still(self, gate: Condition, dead: set[str]) -> Condition:
        """A gate on a parameter that is being fixed, whose value becomes the raw one."""
        if gate.param not in dead:
            return gate
        param = self[gate.param]
        kind = object if isinstance(param, Categorical) else np.float64
        return replace(gate, value=float(param.to_raw(np.array([gate.value], kind))[0]))

    def _by_column(self, given: ArrayLike, what: str) -> Numbers:
        rows = self._rows(given)
        columns = [getattr(p, what)(rows[:, i]) for i, p in enumerate(self.free)]
        out = np.stack(columns, 1) if columns else np.zeros((len(rows), 0))
        return out[0] if np.ndim(given) == 1 else out

    def _rows(self, encoded: ArrayLike) -> Numbers:
        rows = np.atleast_2d(np.asarray(encoded, np.float64))
        if np.ndim(encoded) not in (1, 2) or rows.shape[1] != self.size:
            raise ValueError(
                f"{self.synth}: an encoded patch must be (k,) or (n, k) with k = {self.size}, "
                f"got {np.shape(encoded)}"
            )
        if not np.isfinite(rows).all():
            raise ValueError(f"{self.synth}: an encoded patch has NaN or infinite values")
        return rows

    def _check(self, param: PatchParam, value: Value) -> None:
        low, high = getattr(param, "low", None), getattr(param, "high", None)
        if isinstance(param, Categorical):
            return
        if isinstance(value, str) or (isinstance(value, bool) and not isinstance(param, Bool)):
            raise UserError(f"{self.synth}: {param.name} must be a number, got {value!r}")
        if low is not None and high is not None:
            slack = 1e-6 * max(abs(low), abs(high))
            if not low - slack <= float(value) <= high + slack:
                raise UserError(
                    f"{self.synth}: {param.name} must be {param.described()}, got {value!r}"
                )
