"""A patch on the disk, as TOML that a person can read and edit."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit

from dspcore.errors import UserError
from dspcore.files import read_text
from dspcore.patches.params import Value
from dspcore.patches.space import ParamSpace, Patch


def patch_text(
    space: ParamSpace, patch: Mapping[str, Value], facts: Mapping[str, Any] | None = None
) -> str:
    """A patch as TOML.

    Args:
        space: That it belongs to; its fingerprint goes into the file.
        patch: Values by name.
        facts: Of how it was found, as a table of its own.
    """
    document = tomlkit.document()
    document["synth"], document["fingerprint"] = space.synth, space.fingerprint
    values = tomlkit.table()
    for param in space.params:
        value = patch[param.name]
        values[param.name] = round(value, 6) if isinstance(value, float) else value
        values[param.name].comment(param.described())
    document["patch"] = values
    if facts:
        document["found"] = dict(facts)
    return tomlkit.dumps(document)


def read_patch(path: str | Path, space: ParamSpace) -> Patch:
    """A patch of a space.

    Raises:
        UserError: It is no patch, or of another synth, or of another version of it; says what
            differs as far as the file knows.
    """
    try:
        found = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: is not valid TOML: {error}") from error
    values = found.get("patch")
    if not isinstance(values, dict) or "fingerprint" not in found:
        raise UserError(f"{path}: is not a patch; wanted a fingerprint and a table [patch]")
    if found["fingerprint"] != space.fingerprint:
        names = {param.name for param in space.params}
        lost, new = sorted(values.keys() - names), sorted(names - values.keys())
        why = [f"it has {', '.join(lost[:5])}, which this one has not"] if lost else []
        why += [f"it lacks {', '.join(new[:5])}"] if new else []
        why = why or ["ranges or values have changed"]
        raise UserError(
            f"{path}: is a patch of {found.get('synth', 'another synth')} as it was described then "
            f"({str(found['fingerprint'])[:12]}), {space.synth} here is {space.fingerprint[:12]}: "
            f"{'; '.join(why)}. Use the version of then, or set the values by hand"
        )
    space.encode(values)
    return dict(values)
