"""One effect as a table of a preset, and back."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tomlkit

from dspcore import blackbox, effects
from dspcore.effects import Effect, Param
from dspcore.errors import UserError, nearest

Find = Callable[[str, int], type[Effect]]

#: A frequency that fits telephone speech (8 kHz) fits every file.
SAFE_HZ = 3_600.0


def add_effect(table: Any, effect: Effect, folder: Path) -> None:
    """Add the type, choices and parameters with their meaning, unit and range to a TOML table.

    Values have nine significant digits, 180 dB below anything heard. A frequency at its default is
    written as a comment where low sample rates could not hold it: a default that is left out
    follows the sample rate of the audio. Paths of files are written as seen from `folder`.
    """
    effect.check_saved()
    table.add("type", tomlkit.item(effect.source or effect.name).comment(effect.summary()))
    for name, choice in effect.choices.items():
        table.add(name, tomlkit.item(effect.options[name]).comment(choice.describe()))
    for name, file in effect.files.items():
        path = effect.options[name] and os.path.relpath(effect.options[name], folder)
        table.add(name, tomlkit.item(path.replace(os.sep, "/")).comment(file.describe()))
    for name, param in effect.params.items():
        value, note = effect.values[name], param.describe(effect.sample_rate)
        written = float(f"{value:.9g}")
        if _follows_rate(param, value, effect.sample_rate):
            table.add(tomlkit.comment(f"{name} = {written!r}  # {note} Follows the sample rate."))
        else:
            table.add(name, tomlkit.item(written).comment(note))


def read_effect(
    place: str,
    entry: Mapping[str, Any],
    sample_rate: int,
    folder: Path,
    *,
    node: bool = False,
    find: Find | None = None,
) -> Effect:
    """The effect that a table describes; errors begin with its `place`, as in "effect 2".

    Paths of files are relative to `folder`. The table of a graph's node also says its name and what
    it and its further inputs hear. `find` looks up other things than effects.
    """
    kind = entry.get("type")
    if not isinstance(kind, str):
        raise UserError(f'{place}: a line like type = "gain" is missing')
    try:
        cls = (find or find_effect)(kind, sample_rate)
    except (UserError, blackbox.PluginError) as error:
        raise UserError(f"{place}: {error}") from error
    place = f"{place} ({kind}): "
    wires = ["name", "from", *cls.inputs] if node else []
    check_keys(place, entry, ["type", *wires, *cls.params, *cls.choices, *cls.files, *cls.renamed])
    settings = {}
    for key, value in entry.items():
        now = cls.renamed.get(key, key)
        if now in settings or (now != key and now in entry):
            raise UserError(f"{place}{key!r} is the old name of {now!r}; give only one of them")
        if now != key:
            warnings.warn(f"{place}{key!r} is now called {now!r}; rename it", stacklevel=2)
        if key not in ("type", *wires):
            settings[now] = value
    for name in cls.files:
        if isinstance(settings.get(name), str) and settings[name]:
            settings[name] = os.fspath(folder / settings[name])
    try:
        return cls(sample_rate, **settings)
    except UserError as error:  # a file that cannot be read
        raise UserError(place + str(error)) from error
    except (ValueError, TypeError) as error:
        raise UserError(place + str(error).removeprefix(f"{cls.name}: ")) from error


def find_effect(name: str, sample_rate: int) -> type[Effect]:
    """The class of an effect of ours or of a plug-in."""
    if blackbox.is_source(name):
        return blackbox.load_class(name, sample_rate)
    return effects.by_name(name)


def check_keys(place: str, table: Mapping[str, Any], known: list[str]) -> None:
    """Raise on a key that is not known, with the nearest ones."""
    for key in table:
        if key not in known:
            raise UserError(f"{place}unknown key {key!r}; {nearest(key, known)}")


def _follows_rate(param: Param, value: float, sample_rate: int) -> bool:
    return param.unit == "Hz" and value > SAFE_HZ and value == param.default_at(sample_rate)
