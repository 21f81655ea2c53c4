"""Chains as TOML files that a person can read and edit."""

from __future__ import annotations

import os
import tomllib
from typing import Any

import tomlkit

from dspcore import effects
from dspcore.chain import Chain
from dspcore.effects import Effect, Param
from dspcore.errors import UserError, nearest
from dspcore.files import read_text, write_text

#: The version of the format, the first line of every preset.
VERSION = 1

#: A frequency that fits telephone speech (8 kHz) fits every file.
SAFE_HZ = 3_600.0


def load_preset(path: str | os.PathLike[str], sample_rate: int | None = None) -> Chain:
    """Read a chain from a preset.

    Args:
        path: A TOML file as `save_preset` and ``dspcore preset new`` write it.
        sample_rate: In Hz; by default the one in the file, else 48000.

    Raises:
        UserError: The file cannot be read, or it holds an unknown effect or key (the nearest names
            are given), a value out of range, a wrong type or a newer version; says where.
    """
    try:
        return parse_preset(read_text(path), sample_rate)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: is not valid TOML: {error}") from error
    except UserError as error:
        message = str(error)
        raise UserError(
            message if message.startswith(str(path)) else f"{path}: {message}"
        ) from error


def save_preset(chain: Chain, path: str | os.PathLike[str], comment: str = "") -> None:
    """Write a chain as a commented preset; `comment` stands above it."""
    write_text(path, preset_text(chain, comment, sample_rate=chain.sample_rate))


def parse_preset(text: str, sample_rate: int | None = None) -> Chain:
    """The chain that the text of a preset describes; errors as in `load_preset`."""
    table = tomllib.loads(text)
    _check_keys("", table, ["dspcore", "sample_rate", "effect"])
    version = table.get("dspcore")
    if version is None:
        raise UserError(f"is not a preset of dspcore: the line 'dspcore = {VERSION}' is missing")
    if type(version) is not int or version < 1:
        raise UserError(f"'dspcore' must be the format version {VERSION}, got {version!r}")
    if version > VERSION:
        raise UserError(f"has format version {version}, this dspcore reads {VERSION}; update it")
    rate = table.get("sample_rate", 48_000) if sample_rate is None else sample_rate
    if type(rate) is not int or rate <= 0:
        raise UserError(f"'sample_rate' must be a whole number of Hz, got {rate!r}")
    entries = table.get("effect", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError("effects must be written as [[effect]], with two brackets")
    if not entries:
        raise UserError('has no effects; each begins with a line [[effect]] and a type = "..."')
    return Chain(_effect(i, entry, rate) for i, entry in enumerate(entries, start=1))


def preset_text(chain: Chain, comment: str = "", *, sample_rate: int | None = None) -> str:
    """A chain as the text of a preset, with the meaning, unit and range of every parameter.

    Values have nine significant digits, 180 dB below anything heard.
    A frequency at its default is written as a comment where low sample rates could not hold it: a
    default that is left out follows the sample rate of the audio.
    """
    document = tomlkit.document()
    for line in comment.splitlines():
        document.add(tomlkit.comment(line))
    document.add("dspcore", tomlkit.item(VERSION).comment("version of the preset format"))
    if sample_rate is not None:
        rate = tomlkit.item(sample_rate).comment("Hz; render uses that of the audio instead")
        document.add("sample_rate", rate)
    tables = tomlkit.aot()
    for effect in chain:
        tables.append(_table(effect))
    document.add(tomlkit.nl())
    document.add("effect", tables)
    return tomlkit.dumps(document)


def _table(effect: Effect) -> Any:
    table = tomlkit.table()
    table.add("type", tomlkit.item(effect.name).comment(effect.summary()))
    for name, choice in effect.choices.items():
        table.add(name, tomlkit.item(effect.options[name]).comment(choice.describe()))
    for name, param in effect.params.items():
        value, note = effect.values[name], param.describe(effect.sample_rate)
        written = float(f"{value:.9g}")
        if _follows_rate(param, value, effect.sample_rate):
            table.add(tomlkit.comment(f"{name} = {written!r}  # {note} Follows the sample rate."))
        else:
            table.add(name, tomlkit.item(written).comment(note))
    return table


def _follows_rate(param: Param, value: float, sample_rate: int) -> bool:
    return param.unit == "Hz" and value > SAFE_HZ and value == param.default_at(sample_rate)


def _effect(number: int, entry: dict[str, Any], sample_rate: int) -> Effect:
    """The effect that one [[effect]] describes; errors say its number and type."""
    kind = entry.get("type")
    if not isinstance(kind, str):
        raise UserError(f'effect {number}: a line like type = "gain" is missing')
    try:
        cls = effects.by_name(kind)
    except UserError as error:
        raise UserError(f"effect {number}: {error}") from error
    place = f"effect {number} ({kind}): "
    _check_keys(place, entry, ["type", *cls.params, *cls.choices])
    try:
        return cls(sample_rate, **{key: v for key, v in entry.items() if key != "type"})
    except (ValueError, TypeError) as error:
        raise UserError(place + str(error).removeprefix(f"{cls.name}: ")) from error


def _check_keys(place: str, table: dict[str, Any], known: list[str]) -> None:
    for key in table:
        if key not in known:
            raise UserError(f"{place}unknown key {key!r}; {nearest(key, known)}")
