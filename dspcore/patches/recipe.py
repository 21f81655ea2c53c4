"""What a data set is made of: enough to make any of its rows again, on any machine."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dspcore.errors import UserError
from dspcore.files import read_text
from dspcore.loudness import loudness
from dspcore.notes import Note
from dspcore.patches.opening import open_renderer
from dspcore.patches.overlay import space_of
from dspcore.patches.renderer import Renderer, Setting
from dspcore.patches.sampler import TRAIN, NoteRange, Sampler
from dspcore.patches.space import ParamSpace

VERSION = 1
RECIPE = "recipe.json"


@dataclass(frozen=True)
class Gates:
    """Which sounds are drawn again.

    Args:
        floor_lufs: Quieter ones ("silent"); None for no floor.
        ceiling_db: Those with a peak above it, in dBFS ("loud"); None for no ceiling.
        tail_db: Those that are cut off while they still sound: their last 50 ms have an RMS above
            it, in dBFS ("unfinished"); None lets them pass.
        attempts: How often a row is drawn at most before it is given up.
    """

    floor_lufs: float | None = -60.0
    ceiling_db: float | None = 18.0
    attempts: int = 100
    tail_db: float | None = None

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise UserError(f"gates: attempts must be 1 or more, got {self.attempts}")

    def refused(self, lufs: float, peak: float, tail: float = 0.0) -> str:
        """Why a sound is drawn again, in a word; "" when it is kept.

        Args:
            lufs: Loudness of the whole.
            peak: Greatest absolute sample.
            tail: RMS of the last 50 ms.
        """
        if self.floor_lufs is not None and lufs < self.floor_lufs:
            return "silent"
        if self.ceiling_db is not None and peak > 10 ** (self.ceiling_db / 20):
            return "loud"
        if self.tail_db is not None and tail > 10 ** (self.tail_db / 20):
            return "unfinished"
        return ""


def levels(audio: NDArray[np.float32], sample_rate: int) -> tuple[float, float, float]:
    """Loudness in LUFS, greatest absolute sample, RMS of the last 50 ms, of a sound (c, t)."""
    lufs, peak = loudness(torch.from_numpy(audio), sample_rate), np.abs(audio).max(initial=0.0)
    tail = audio[:, -max(1, sample_rate // 20) :]
    return lufs, float(peak), float(np.sqrt(np.mean(np.square(tail, dtype=np.float64))))


@dataclass(frozen=True)
class Recipe:
    """A data set before it is rendered.

    Args:
        source: What opens the synth.
        setting: How it is played.
        space: Of its patches.
        described: Fingerprint of what the synth said of its parameters: another one is another
            version of it.
        notes: What is played.
        gates: Which sounds are drawn again.
        seed: With the split, the key of all draws.
        split: A name.
        first: Index of the first row.
        count: Rows.
        shard_rows: Rows in a file.
        audit: What was found of the synth, as JSON.
    """

    source: str
    setting: Setting
    space: ParamSpace
    described: str
    notes: NoteRange = field(default_factory=NoteRange)
    gates: Gates = field(default_factory=Gates)
    seed: int = 0
    split: str = TRAIN
    first: int = 0
    count: int = 1_000
    shard_rows: int = 512
    audit: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count < 1 or self.shard_rows < 1 or self.first < 0:
            raise UserError(
                "data set: count and shard_rows must be 1 or more and first 0 or more, got "
                f"{self.count}, {self.shard_rows} and {self.first}"
            )

    @classmethod
    def of(cls, renderer: Renderer, **told: Any) -> Recipe:
        """The recipe of what a renderer shall play."""
        source, setting, space = renderer.source, renderer.setting, renderer.space
        told.setdefault("notes", NoteRange.of(renderer.note))
        return cls(source, setting, space, space_of(renderer.info).fingerprint, **told)

    @property
    def shards(self) -> int:
        """How many files."""
        return math.ceil(self.count / self.shard_rows)

    def rows(self, shard: int) -> range:
        """The indices of the rows in a file."""
        begin = shard * self.shard_rows
        return range(self.first + begin, self.first + min(begin + self.shard_rows, self.count))

    def sampler(self) -> Sampler:
        """What draws its patches."""
        return Sampler(self.space, self.seed, self.split, self.notes)

    def renderer(self, workers: int | None = None, deadline_s: float = 20.0) -> Renderer:
        """The synth, opened again; `UserError` where it is not the same any more."""
        told = {name: getattr(self.setting, name) for name in self.setting.__dataclass_fields__}
        found = open_renderer(self.source, **told, workers=workers, deadline_s=deadline_s)
        if space_of(found.info).fingerprint != self.described:
            raise UserError(
                f"{self.source}: has other parameters than when this data set was begun, so it is "
                "another version; install the old one, or generate into a new folder"
            )
        return found.with_space(self.space)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        plain = {name: getattr(self, name) for name in ("source", "described", "seed", "split")}
        plain |= {name: getattr(self, name) for name in ("first", "count", "shard_rows", "audit")}
        parts = {name: asdict(getattr(self, name)) for name in ("setting", "notes", "gates")}
        if self.gates.tail_db is None:  # which is younger than the recipes that do not say it
            parts["gates"].pop("tail_db")
        return {"version": VERSION, **plain, **parts, "space": self.space.to_dict()}

    @classmethod
    def from_dict(cls, found: dict[str, Any], who: str) -> Recipe:
        """The inverse of `to_dict`; `UserError` when it is none."""
        try:
            given = json.loads(json.dumps(found))
            version = given.pop("version")
            if version != VERSION:
                raise UserError(f"{who}: has version {version}, this dspcore knows {VERSION}")
            setting: dict[str, Any] = dict(given.pop("setting"))
            setting["note"] = Note(**setting["note"])
            notes: dict[str, Any] = given.pop("notes")
            for name in ("pitch", "velocity"):
                notes[name] = tuple(notes[name])
            return cls(
                setting=Setting(**setting),
                notes=NoteRange(**notes),
                gates=Gates(**given.pop("gates")),
                space=ParamSpace.from_json(json.dumps(given.pop("space"))),
                **given,
            )
        except (KeyError, TypeError) as error:
            raise UserError(f"{who}: is not the recipe of a data set ({error})") from error

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides on the rows; the audit has no part in it."""
        plain = json.loads(json.dumps(self.to_dict()))
        plain.pop("audit")
        plain["space"] = self.space.fingerprint
        text = json.dumps(plain, separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def read_recipe(folder: Path) -> Recipe:
    """The recipe of a folder."""
    path = folder / RECIPE
    try:
        found = json.loads(read_text(path))
    except ValueError as error:
        raise UserError(f"{path}: is not JSON: {error}") from error
    return Recipe.from_dict(found, str(path))
