"""Patches and their sounds into a folder: whole shards, in any order, by any number of workers."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dspcore.blackbox import PluginError, PluginOutput
from dspcore.errors import UserError
from dspcore.files import explained, write_text
from dspcore.notes import Note
from dspcore.patches.dataset import MANIFEST
from dspcore.patches.params import Numbers
from dspcore.patches.recipe import RECIPE, Recipe, levels, read_recipe
from dspcore.patches.renderer import Audio, Renderer
from dspcore.patches.shards import (
    Row,
    content_digest,
    digest_of,
    packed,
    shard_facts,
    write_shard,
)

#: What went wrong with rows, a line of JSON each; beside the shards.
LOG = "log.jsonl"

#: Crashes and hangs in a row, each tried twice, after which the synth is at fault and not a patch.
_TOO_MANY = 100

#: Called with the number of rows that are done.
Step = Callable[[int], object]


def begin(recipe: Recipe, folder: str | os.PathLike[str]) -> list[int]:
    """Write the recipe into a folder, and say which shards are missing there.

    Raises:
        UserError: The folder holds another data set, or cannot be written.
    """
    home = Path(folder)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explained(error, home) from error
    if (home / RECIPE).exists():
        before = read_recipe(home)
        if before.fingerprint != recipe.fingerprint:
            raise UserError(f"{home}: holds another data set; {_difference(before, recipe)}")
    else:
        write_text(home / RECIPE, json.dumps(recipe.to_dict(), ensure_ascii=False, indent=1) + "\n")
    return missing(recipe, home)


def missing(recipe: Recipe, folder: Path) -> list[int]:
    """The shards of a recipe that a folder has not, or not whole."""
    return [number for number in range(recipe.shards) if _facts(recipe, folder, number) is None]


def make_shards(
    recipe: Recipe,
    renderer: Renderer,
    folder: str | os.PathLike[str],
    numbers: Sequence[int],
    step: Step = lambda _: None,
) -> None:
    """Render shards and write them, one after the other.

    Args:
        recipe: What they hold.
        renderer: Of the recipe.
        folder: That `begin` has made.
        numbers: Which shards, in any order.
        step: Called as rows are done.

    Raises:
        UserError: The disk is full, or the synth failed time after time. Shards that were written
            before stay; the same call goes on where it ended.
    """
    home = Path(folder)
    for number in numbers:
        for part in home.glob(f".{_name(number)}.*.part"):  # of a run that was killed
            with suppress(OSError):
                part.unlink()
        _make(recipe, renderer, home, number, step)


def finish(recipe: Recipe, folder: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Write the manifest when every shard is there, and return it; None while some are missing."""
    home = Path(folder)
    found = [_facts(recipe, home, number) for number in range(recipe.shards)]
    facts = [each for each in found if each is not None]
    if len(facts) < len(found):
        return None
    refused: Counter[str] = Counter()
    for each in facts:
        refused.update(each["refused"])
    draws = sum(each["draws"] for each in facts)
    lost = [row for each in facts for row in each["lost"]]
    whole = hashlib.sha256("".join(each["digest"] for each in facts).encode()).hexdigest()
    manifest = {
        "synth": recipe.space.synth,
        "fingerprint": recipe.space.fingerprint,
        "recipe": recipe.fingerprint,
        "digest": whole,
        "rows": sum(each["rows"] for each in facts),
        "draws": draws,
        "refused": dict(sorted(refused.items())),
        "rejection_rate": round(sum(refused.values()) / max(draws, 1), 6),
        "lost": lost,
        "isolation": recipe.setting.isolation,
        "audit": recipe.audit,
        "shards": [
            {"file": _name(number), "rows": each["rows"], "digest": each["digest"]}
            for number, each in enumerate(facts)
        ],
    }
    write_text(home / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")
    return manifest


def generate(
    renderer: Renderer,
    folder: str | os.PathLike[str],
    count: int,
    *,
    step: Step = lambda _: None,
    **told: Any,
) -> dict[str, Any]:
    """Draw, render and write `count` rows into `folder` in this process; goes on where it ended.

    Args:
        renderer: The synth; its workers render side by side.
        folder: Made when it is missing.
        count: Rows.
        step: Called as rows are done.
        told: `seed`, `split`, `first`, `notes`, `gates`, `shard_rows`: see `Recipe`.

    Returns:
        The manifest.
    """
    recipe = Recipe.of(renderer, count=count, **told)
    numbers = begin(recipe, folder)
    make_shards(recipe, renderer, folder, numbers, step)
    manifest = finish(recipe, folder)
    assert manifest is not None
    return manifest


def _make(recipe: Recipe, renderer: Renderer, home: Path, number: int, step: Step) -> None:
    shard = _Shard(recipe, home, step)
    waiting = [(index, 0) for index in recipe.rows(number)]
    while waiting:
        waiting = shard.round(renderer, waiting)
    rows = [shard.rows[index] for index in sorted(shard.rows)]
    about = {
        "recipe": recipe.fingerprint,
        "space": recipe.space.to_dict(),
        "fingerprint": recipe.space.fingerprint,
        "renderer": renderer.facts(),
        "channels": renderer.channels,
        "shard": number,
        "rows": len(rows),
        "draws": shard.draws,
        "refused": dict(sorted(shard.refused.items())),
        "lost": sorted(shard.lost, key=lambda each: each["index"]),
        "digest": content_digest(rows),
    }
    write_shard(home / _name(number), rows, about)


class _Shard:
    """A shard that is being made: rows come in any order, and refused ones are drawn again."""

    def __init__(self, recipe: Recipe, home: Path, step: Step) -> None:
        self.recipe, self.home, self.step = recipe, home, step
        self.sampler = recipe.sampler()
        self.rows: dict[int, Row] = {}
        self.lost: list[dict[str, Any]] = []
        self.refused: Counter[str] = Counter()
        self.draws = self.in_a_row = 0

    def round(self, renderer: Renderer, now: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Render (index, attempt) each; those that have to be drawn again, one attempt later."""
        encoded, notes = self.sampler.draws(now)
        self.draws += len(now)
        again: list[tuple[int, int]] = []

        def take(place: int, result: Audio | PluginError) -> None:
            index, attempt = now[place]
            if self.keep(index, attempt, encoded[place], notes[place], result):
                self.step(1)
            else:
                again.append((index, attempt + 1))

        renderer.each(encoded, notes, take)
        return again

    def keep(
        self, index: int, attempt: int, patch: Numbers, note: Note, result: Audio | PluginError
    ) -> bool:
        """Keep a sound or give its row up; False when the row has to be drawn again."""
        rate = self.recipe.setting.sample_rate
        broke = isinstance(result, PluginError) and not isinstance(result, PluginOutput)
        self.in_a_row = self.in_a_row + 1 if broke else 0
        if isinstance(result, PluginError):
            if broke:
                self.give_up(index, attempt, result.kind, str(result))
                if self.in_a_row >= _TOO_MANY:
                    raise UserError(
                        f"{_TOO_MANY} renders in a row failed: {result}; shards that were written "
                        "stay: mend the synth, or fix the parameter, and run the same again"
                    )
                return True
            why, lufs, peak = "not finite", 0.0, 0.0
        else:
            lufs, peak, tail = levels(result, rate)
            why = self.recipe.gates.refused(lufs, peak, tail)
        if why:
            self.refused[why] += 1
            if attempt + 1 < self.recipe.gates.attempts:
                return False
            self.give_up(index, attempt, why, f"{attempt + 1} draws in a row were {why}")
            return True
        assert not isinstance(result, PluginError)
        data, codec = packed(result, rate)
        digest = digest_of(result)
        self.rows[index] = Row(index, attempt, patch, note, lufs, peak, data, codec, digest)
        return True

    def give_up(self, index: int, attempt: int, kind: str, text: str) -> None:
        """One row less; the data set says so, and the log why."""
        self.lost.append({"index": index, "attempt": attempt, "kind": kind})
        line = {"index": index, "attempt": attempt, "kind": kind, "text": text}
        with suppress(OSError), open(self.home / LOG, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _facts(recipe: Recipe, folder: Path, number: int) -> dict[str, Any] | None:
    """What a shard says of itself; None when it is missing, damaged, or of another recipe."""
    path = folder / _name(number)
    if not path.is_file():
        return None
    try:
        facts = shard_facts(path)
    except UserError:
        return None
    return facts if facts["recipe"] == recipe.fingerprint else None


def _name(number: int) -> str:
    return f"shard-{number:05d}.parquet"


def _difference(before: Recipe, now: Recipe) -> str:
    """In a sentence, what another recipe says."""
    a, b = before.to_dict(), now.to_dict()
    for key in a:
        if key not in ("audit", "space") and a[key] != b.get(key):
            return f"its {key} is {a[key]}, wanted {b.get(key)}; take another folder"
    return "its parameters differ: " + "; ".join(now.space.differences(before.space))
