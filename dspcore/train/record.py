"""What a run has written, read again from its folder alone: numbers, arrays, sounds, settings."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dspcore.errors import UserError, nearest


@dataclass
class Series:
    """A metric over the steps; `values` are numbers, or nested lists of an array."""

    steps: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def __len__(self) -> int:
        """How many points there are."""
        return len(self.steps)

    @property
    def last(self) -> Any:
        """The value of the last step."""
        return self.values[-1]

    def since(self, step: int) -> Series:
        """The points from a step on."""
        kept = [i for i, at in enumerate(self.steps) if at >= step]
        return Series([self.steps[i] for i in kept], [self.values[i] for i in kept])


@dataclass
class Run:
    """A run's folder.

    Attributes:
        folder: Where it lies.
        config: Of config.toml.
        circumstances: Of run.json: versions, command, when it began.
        metrics: By name.
        arrays: By name, of what the run logged as arrays.
        sounds: By name, (step, file), the latest last.
        modules: The tree of modules of model.json.
        notes: Every other JSON file by its name without ending: yardsticks, items, data.
    """

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    circumstances: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Series] = field(default_factory=dict)
    arrays: dict[str, Series] = field(default_factory=dict)
    sounds: dict[str, list[tuple[int, Path]]] = field(default_factory=dict)
    modules: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.folder.resolve().name

    @property
    def steps(self) -> int:
        """Steps done, as far as was logged."""
        return max((series.steps[-1] for series in self.metrics.values() if series), default=-1) + 1

    def metric(self, name: str) -> Series:
        """A metric; `UserError` with the nearest names when there is none."""
        if name not in self.metrics:
            raise UserError(f"{self.folder}: has no metric {name!r}; {nearest(name, self.metrics)}")
        return self.metrics[name]

    def setting(self, name: str, default: Any = None) -> Any:
        """The first setting of this name, wherever in the config it stands."""
        for found in _settings(self.config, name):
            return found
        return default


def read_run(folder: str | Path) -> Run:
    """Read a run of `dspcore.train.fit`; what it has not written is empty.

    Raises:
        UserError: The folder is none, or has no metrics.
    """
    place = Path(folder)
    if not (place / "metrics.jsonl").is_file():
        what = "has no metrics.jsonl" if place.is_dir() else "no such folder"
        raise UserError(f"{folder}: {what}; wanted the folder of a run of dspcore train")
    run = Run(place)
    for line in _lines(place / "metrics.jsonl"):
        for name, value in line.items():
            if name != "step" and isinstance(value, int | float):
                _append(run.metrics, name, line["step"], float(value))
    for line in _lines(place / "arrays.jsonl"):
        _append(run.arrays, line["name"], line["step"], line["values"])
    if (place / "config.toml").is_file():
        run.config = tomllib.loads((place / "config.toml").read_text(encoding="utf-8"))
    for path in sorted(place.glob("*.json")):
        try:
            run.notes[path.stem] = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError):
            continue  # someone else's
    run.circumstances = run.notes.pop("run", {})
    run.modules = run.notes.pop("model", [])
    for path in sorted((place / "audio").rglob("*")):
        if re.fullmatch(r"\d+\.(flac|wav)", path.name):
            name = path.parent.relative_to(place / "audio").as_posix()
            run.sounds.setdefault(name, []).append((int(path.stem), path))
    return run


def _append(into: dict[str, Series], name: str, step: int, value: Any) -> None:
    series = into.setdefault(name, Series())
    series.steps.append(step)
    series.values.append(value)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file that a run may still be writing."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def _settings(table: dict[str, Any], name: str) -> Iterator[Any]:
    """Values of a key, nearest to the top first."""
    if name in table:
        yield table[name]
    for value in table.values():
        if isinstance(value, dict):
            yield from _settings(value, name)
