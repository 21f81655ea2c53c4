"""Instruments, ours and plug-ins, as TOML files that a person can read and edit."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import tomlkit

from dspcore import blackbox, synth
from dspcore.errors import UserError
from dspcore.files import read_text, write_text
from dspcore.preset.tables import add_effect, check_keys, read_effect
from dspcore.synth import Synth

VERSION = 1


def load_synth(path: str | os.PathLike[str], sample_rate: int | None = None) -> Synth:
    """Read an instrument from a preset.

    Args:
        path: A TOML file as `save_synth` and ``dspcore synth new`` write it.
        sample_rate: In Hz; by default the one in the file, else 48000.

    Raises:
        UserError: The file cannot be read, or it holds an unknown instrument or key (the nearest
            names are given), a value out of range or a wrong type.
    """
    try:
        return parse_synth(read_text(path), sample_rate, folder=Path(path).parent)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: is not valid TOML: {error}") from error
    except UserError as error:
        said = str(error)
        raise UserError(said if said.startswith(str(path)) else f"{path}: {said}") from error


def parse_synth(text: str, sample_rate: int | None = None, *, folder: Path | None = None) -> Synth:
    """What the text of an instrument's preset describes; errors as in `load_synth`."""
    table = tomllib.loads(text)
    check_keys("", table, ["dspcore", "sample_rate", "synth"])
    if table.get("dspcore") != VERSION or not isinstance(table.get("synth"), dict):
        raise UserError(
            f"is not an instrument's preset: wanted 'dspcore = {VERSION}' and a table [synth]; "
            "dspcore synth new writes one"
        )
    rate = table.get("sample_rate", 48_000) if sample_rate is None else sample_rate
    if type(rate) is not int or rate <= 0:
        raise UserError(f"'sample_rate' must be a whole number of Hz, got {rate!r}")
    made: Any = read_effect("synth", table["synth"], rate, folder or Path(), find=find_synth)
    return made


def find_synth(name: str, sample_rate: int) -> type[Synth]:
    """The class of an instrument of ours or of a plug-in; `UserError` when it is none."""
    if not blackbox.is_source(name):
        return synth.by_name(name)
    found: Any = blackbox.load_class(name, sample_rate)
    if not issubclass(found, Synth):
        raise UserError(f"{name}: takes audio, not notes; wanted an instrument")
    return found


def save_synth(instrument: Synth, path: str | os.PathLike[str], comment: str = "") -> None:
    """Write an instrument as a commented preset; `comment` stands above it."""
    write_text(path, synth_text(instrument, comment, folder=Path(path).parent))


def synth_text(instrument: Synth, comment: str = "", *, folder: Path | None = None) -> str:
    """An instrument as the text of a preset, with the meaning and range of every parameter."""
    document = tomlkit.document()
    for line in comment.splitlines():
        document.add(tomlkit.comment(line))
    document.add("dspcore", tomlkit.item(VERSION).comment("version of the preset format"))
    document.add("sample_rate", tomlkit.item(instrument.sample_rate).comment("Hz"))
    table = tomlkit.table()
    add_effect(table, instrument, folder or Path())
    document.add(tomlkit.nl())
    document.add("synth", table)
    return tomlkit.dumps(document)
