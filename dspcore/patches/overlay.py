"""Parameter spaces from what hosts say, and what they do not say from a table of corrections."""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dspcore.blackbox.plugin import Parameter, PluginInfo
from dspcore.errors import UserError, nearest
from dspcore.files import read_text
from dspcore.patches.continuous import Continuous
from dspcore.patches.kinds import KINDS, Fixed, param_from_dict
from dspcore.patches.params import Condition, PatchParam, Symmetry, Value
from dspcore.patches.space import ParamSpace
from dspcore.patches.stepped import Bool, Categorical, Ordered

#: A whole number with more values than this is continuous.
_MOST_STEPS = 128

_CONDITION = re.compile(r"^\s*(\w+)\s*(<=|>=|==|!=|<|>)\s*(.+?)\s*$")

#: Corrections by parameter: keys of `Continuous`, `Categorical` and so on.
Table = Mapping[str, Any]


def space_of(info: PluginInfo, synth: str = "") -> ParamSpace:
    """The space of a plug-in as its host describes it."""
    return ParamSpace(synth or info.name, tuple(_param(param) for param in info.params))


def read_overlay(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A table of corrections from a TOML file, a table for each parameter."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: is not valid TOML: {error}") from error


def faust_overlay(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a Faust source says of its controls, and DawDreamer drops: scales, menus, units."""
    found: dict[str, Any] = {}
    for match in re.finditer(r'"((?:[^"\[]|\[[^\]]*\])+)"', read_text(path)):
        label = re.sub(r"\s*\[[^\]]*\]", "", match[1]).strip()
        told: dict[str, Any] = {}
        for key, value in re.findall(r"\[(\w+):([^\]]*)\]", match[1]):
            if key == "scale" and value in ("lin", "log"):
                told["scale"] = value
            elif key == "unit":
                told["unit"] = value
            elif key == "style" and (menu := re.findall(r"'([^']+)'\s*:\s*([-\d.]+)", value)):
                told["kind"] = "categorical"
                told["values"] = [word for word, _ in menu]
                told["raw_values"] = [float(number) for _, number in menu]
        if label and told:
            found[re.sub(r"\W+", "_", label).strip("_").lower()] = told
    return found


def overlaid(space: ParamSpace, table: Table, who: str, *, strict: bool = True) -> ParamSpace:
    """A space with corrections.

    Args:
        space: As the host describes it.
        table: By parameter: `kind`, `scale`, `low`, `high`, `default`, `values`, `weights`,
            `atoms`; `gate`, text like ``"osc_mix > 0.1 and noise < 0.9"``; `symmetry`, ``[group,
            member, role]``; `chance`, whether it draws random numbers.
        who: Where the table is from, for errors.
        strict: Whether a name that the space has not is an error.
    """
    known = {param.name: param for param in space.params}
    new = []
    for name, told in table.items():
        if name not in known:
            if not strict:
                continue
            raise UserError(
                f"{who}: {space.synth} has no parameter {name!r}; {nearest(name, known)}"
            )
        if not isinstance(told, Mapping):
            raise UserError(f"{who}: {name} must be a table, got {told!r}")
        try:
            new.append(_corrected(known[name], dict(told)))
        except UserError as error:
            raise UserError(f"{who}: {error}") from error
    return space.replaced(*new)


def parse_gate(text: str) -> tuple[tuple[Condition, ...], ...]:
    """Conditions from ``"mix > 0.1 and wave == saw or noise > 0.5"``; "and" binds first."""
    return tuple(
        tuple(_condition(part) for part in group.split(" and ")) for group in text.split(" or ")
    )


def _condition(text: str) -> Condition:
    match = _CONDITION.match(text)
    if match is None:
        raise UserError(f"gate: wanted 'NAME > VALUE', joined by 'and' and 'or', got {text!r}")
    return Condition(match[1], match[2], value_of(match[3]))


def value_of(word: str) -> Value:
    """A number, true or false, or the word itself."""
    if word in ("true", "false"):
        return word == "true"
    try:
        return float(word)
    except ValueError:
        return word.strip("'\"")


def _param(param: Parameter) -> PatchParam:
    """A host's parameter as one of a patch, in the plug-in's own units."""
    low, high, default = float(param.minimum), float(param.maximum), float(param.default)
    common: dict[str, Any] = {"name": param.symbol, "doc": param.name}
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return Fixed(**common, value=default if math.isfinite(default) else 0.0)
    if param.labels:
        raws = [value for _, value in param.labels]
        words = _distinct([word for word, _ in param.labels])
        nearest_one = min(range(len(raws)), key=lambda i: abs(raws[i] - default))
        if len(words) == 1:
            return Fixed(**common, value=raws[0])
        return Categorical(
            **common, values=tuple(words), raw_values=tuple(raws), default=words[nearest_one]
        )
    if param.kind == "switch":
        on = abs(high - default) < abs(low - default)
        return Bool(**common, raw_values=(low, high), default=on)
    count = round(high - low) + 1
    if param.kind == "integer" and count <= _MOST_STEPS:
        whole = min(max(round(default - low), 0), count - 1)
        return Ordered(**common, count=count, low=low, default=low + whole, unit=param.unit)
    log = param.scale == "log" and low > 0
    return Continuous(
        **common,
        low=low,
        high=high,
        default=min(max(default, low), high),
        scale="log" if log else "lin",
        unit=param.unit,
    )


def _distinct(words: list[str]) -> list[str]:
    """Words that differ: equal ones get a number."""
    out: list[str] = []
    for word in words:
        name, number = word or "-", 2
        while name in out:
            name, number = f"{word} {number}", number + 1
        out.append(name)
    return out


def _corrected(param: PatchParam, told: dict[str, Any]) -> PatchParam:
    if isinstance(told.get("gate"), str):
        told["gate"] = [[c.__dict__ for c in group] for group in parse_gate(told["gate"])]
    if isinstance(told.get("symmetry"), list):
        try:
            group, member, role = told["symmetry"]
        except ValueError as error:
            raise UserError(f"{param.name}: symmetry must be [group, member, role]") from error
        told["symmetry"] = Symmetry(str(group), int(member), str(role)).__dict__
    before = param.to_dict()
    kind = told.get("kind", before["kind"])
    if kind != before["kind"]:
        before = _as_kind(param, kind)
    return param_from_dict({**before, **told, "kind": kind, "name": param.name})


def _as_kind(param: PatchParam, kind: str) -> dict[str, Any]:
    """What stays of a parameter that becomes one of another kind."""
    if kind not in KINDS:
        raise UserError(f"{param.name}: unknown kind of parameter {kind!r}; {nearest(kind, KINDS)}")
    kept: dict[str, Any] = {"name": param.name, "doc": param.doc}
    if kind == "fixed":
        fixed = ParamSpace("", (replace(param, gate=()),)).fixed({param.name: param.default})
        return {**kept, "value": fixed.raw([])[0]}
    if kind == "categorical" and isinstance(param, Ordered):
        raws = param.raws().tolist()
        words = [f"{raw:g}" for raw in raws]
        return {**kept, "values": words, "raw_values": raws, "default": f"{param.default:g}"}
    if kind == "continuous" and isinstance(param, Ordered):
        high = param.low + param.step * (param.count - 1)
        return {**kept, "low": param.low, "high": high, "default": param.default}
    if kind == "ordered" and isinstance(param, Continuous):
        count = round(param.high - param.low) + 1
        return {**kept, "low": param.low, "count": count, "default": round(param.default)}
    return kept
