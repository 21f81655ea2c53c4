"""Where plug-ins lie: the formats' own variables, DSPCORE_PLUGIN_PATH, and the usual folders."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

#: Folders of every kind of plug-in, searched before the usual ones.
VARIABLE = "DSPCORE_PLUGIN_PATH"


def folders(variable: str, folder: str) -> list[Path]:
    """The folders of one format that exist, each once.

    Args:
        variable: The format's own, such as LV2_PATH; it replaces the usual folders.
        folder: The name of its usual folder, such as "lv2".
    """
    own = os.environ.get(variable)
    places = _split(os.environ.get(VARIABLE, ""))
    places += _split(own) if own is not None else _usual(folder)
    found: dict[Path, Path] = {}
    for place in places:
        if place.is_dir():
            found.setdefault(place.resolve(), place)
    return list(found.values())


def files(variable: str, folder: str, *endings: str, depth: int = 4) -> list[Path]:
    """The plug-ins (files, or folders of that ending) of one format, in order.

    Args:
        variable: As in `folders`.
        folder: As in `folders`.
        endings: Of their names, in lower case.
        depth: Folders inside folders that are searched too.
    """
    found: dict[Path, Path] = {}
    for place in folders(variable, folder):
        for path in _below(place, endings, depth):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _below(folder: Path, endings: tuple[str, ...], depth: int) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for path in entries:
        if path.suffix.lower() in endings:
            yield path
        elif depth and not path.suffix and path.is_dir():
            yield from _below(path, endings, depth - 1)


def _split(text: str) -> list[Path]:
    return [Path(part).expanduser() for part in text.split(os.pathsep) if part]


def _usual(folder: str) -> list[Path]:
    if sys.platform == "darwin":
        name = {"lv2": "LV2", "clap": "CLAP", "vst3": "VST3", "vst": "VST", "ladspa": "LADSPA"}
        roots = [Path.home() / "Library/Audio/Plug-Ins", Path("/Library/Audio/Plug-Ins")]
        return [root / name.get(folder, folder) for root in roots]
    triplet = sysconfig.get_config_var("MULTIARCH") or ""
    roots = ["/usr/local/lib", "/usr/lib", f"/usr/lib/{triplet}", "/usr/lib64"]
    return [Path.home() / f".{folder}", *(Path(root) / folder for root in roots)]
