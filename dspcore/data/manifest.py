"""Manifests: a line of JSON for each audio file, with what it holds and where it comes from.

Files stay where they are. Paths in a manifest are relative to the manifest itself.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import soundfile

from dspcore.data.facts import Facts, digest, measured
from dspcore.errors import UserError
from dspcore.files import read_text, write_text

#: What counts as audio by the end of its name.
ENDINGS = (".wav", ".flac", ".aif", ".aiff", ".ogg", ".oga", ".mp3", ".w64", ".caf", ".au")


@dataclass(frozen=True)
class Row:
    """One file of a manifest. Levels are linear, full scale 1; see `dspcore.data.facts.Facts`."""

    path: str
    sha1: str = ""
    sample_rate: int = 0
    channels: int = 0
    samples: int = 0
    peak: float = 0.0
    rms: float = 0.0
    dc: float = 0.0
    clipped: int = 0
    onset_s: float = 0.0
    likely_rate: int = 0
    #: Folders it lies in and what rules added; a pack or speaker; who may use it and how.
    tags: tuple[str, ...] = ()
    group: str = ""
    licence: str = ""
    #: What is said in it, where that is known.
    text: str = ""
    #: Why it cannot be used; then the numbers are 0.
    error: str = ""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples / self.sample_rate if self.sample_rate else 0.0


@dataclass(frozen=True)
class Rules:
    """What is taken into a manifest, and what is said of it.

    Args:
        include: Patterns of names relative to the folder; ``*`` also crosses folders.
        exclude: Patterns of what is left out all the same.
        group: A regular expression searched in the relative name; its first bracket (or all of
            it) is the group. By default the first folder, or the name itself where there is none.
        tags: Tag to pattern: files that match get the tag beside those of their folders.
        licence: Of every file; by default the first line of the nearest LICENSE file above it.
    """

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    group: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    licence: str = ""


def scan(
    folders: Sequence[str | os.PathLike[str]],
    manifest: str | os.PathLike[str],
    rules: Rules | None = None,
    *,
    progress: Callable[[Iterable[Path], int], Iterable[Path]] | None = None,
) -> list[Row]:
    """Measure every audio file below `folders` and write `manifest`, sorted by path.

    A file that cannot be read gets a row that says why; the others go on.

    Args:
        folders: Searched to all depths; links to folders are not followed.
        manifest: The JSONL file to write.
        rules: What is taken, and how groups, tags and licences are found.
        progress: Wraps the files as ``tqdm`` does, given how many there are.

    Raises:
        UserError: A folder is missing, no file matches, or the pattern of groups is none.
    """
    rules = rules or Rules()
    try:
        pattern = re.compile(rules.group)
    except re.error as error:
        raise UserError(f"--group: {rules.group!r} is no regular expression ({error})") from error
    home = Path(manifest).resolve().parent
    found: dict[Path, Path] = {}  # each with the folder it was found under
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; a manifest is made of folders of audio")
        found |= {path: folder for path in _audio_below(folder) if _taken(path, folder, rules)}
    if not found:
        raise UserError(
            f"{', '.join(map(str, folders))}: no audio file ({', '.join(ENDINGS)}) that matches"
        )
    files = sorted(found)
    with ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)))) as pool:
        rows = pool.map(lambda path: _row(path, found[path], home, rules, pattern), files)
        shown = progress(rows, len(files)) if progress else rows  # type: ignore[arg-type]
        made: list[Row] = sorted(shown, key=lambda row: row.path)  # type: ignore[arg-type]
    write(manifest, made)
    return made


def write(manifest: str | os.PathLike[str], rows: Iterable[Row]) -> None:
    """Write rows, whole or not at all; what is empty is left out of a line."""
    lines = []
    for row in rows:
        kept = {k: v for k, v in asdict(row).items() if v not in ("", (), 0, 0.0)}
        lines.append(json.dumps(kept, ensure_ascii=False))
    write_text(manifest, "".join(f"{line}\n" for line in lines))


def read(manifest: str | os.PathLike[str]) -> list[Row]:
    """Read a manifest; `UserError` names the line that is none."""
    known = {field.name for field in fields(Row)}
    rows = []
    for number, line in enumerate(read_text(manifest).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            given: dict[str, Any] = json.loads(line)
            given["tags"] = tuple(given.get("tags", ()))
            rows.append(Row(**{k: v for k, v in given.items() if k in known}))
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(
                f"{manifest}:{number}: no row of a manifest ({error}); "
                "write one with: dspcore data manifest FOLDER -o FILE"
            ) from error
    if not rows:
        raise UserError(f"{manifest}: is empty")
    return rows


def located(manifest: str | os.PathLike[str], row: Row) -> Path:
    """Where the file of a row lies."""
    return Path(os.path.normpath(Path(manifest).parent / row.path))


def relative(path: Path, manifest: str | os.PathLike[str]) -> str:
    """How a manifest names a file."""
    return Path(os.path.relpath(path.resolve(), Path(manifest).resolve().parent)).as_posix()


def _audio_below(folder: Path) -> Iterator[Path]:
    for where, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                yield Path(where, name)


def _taken(path: Path, folder: Path, rules: Rules) -> bool:
    name = path.relative_to(folder).as_posix()
    wanted = any(fnmatch.fnmatch(name, pattern) for pattern in rules.include)
    return wanted and not any(fnmatch.fnmatch(name, pattern) for pattern in rules.exclude)


def _row(path: Path, folder: Path, home: Path, rules: Rules, pattern: re.Pattern[str]) -> Row:
    name = path.relative_to(folder)
    places = name.parts[:-1]
    match = pattern.search(name.as_posix()) if rules.group else None
    if match:
        group = match.group(1) if pattern.groups else match.group(0)
    else:
        group = places[0] if places else name.stem
    extra = (tag for tag, wanted in rules.tags if fnmatch.fnmatch(name.as_posix(), wanted))
    said: dict[str, Any] = {
        "path": Path(os.path.relpath(path.resolve(), home)).as_posix(),
        "tags": tuple(dict.fromkeys((*places, *extra))),
        "group": group or name.stem,
        "licence": rules.licence or _licence(path, folder),
    }
    try:
        facts: Facts = measured(path)
        return Row(sha1=digest(path), **said, **asdict(facts))
    except soundfile.LibsndfileError as error:
        return Row(error=str(getattr(error, "error_string", error)).rstrip("."), **said)
    except (ValueError, OSError) as error:
        return Row(error=str(error), **said)


def _licence(path: Path, folder: Path) -> str:
    for place in (path.parent, *path.parent.parents):
        for file in sorted(place.glob("LICEN[CS]E*")):
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            return next((line.strip() for line in lines if line.strip()), "")
        if place == folder:
            break
    return ""
