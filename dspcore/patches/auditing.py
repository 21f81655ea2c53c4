"""Does a patch sound the same whatever was rendered before it, and what does that cost?"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dspcore.blackbox import PluginError, Pool
from dspcore.errors import UserError
from dspcore.files import write_text
from dspcore.patches.frontend import LogMel
from dspcore.patches.renderer import ISOLATIONS, Audio, Isolation, Renderer
from dspcore.patches.sampler import NoteRange, Sampler

#: A sound whose peak is below this tells nothing of what was left from the one before.
_SILENT = 1e-4

Sounds = dict[int, "Audio | None"]


@dataclass(frozen=True)
class Level:
    """What one level of isolation does to a synth.

    Args:
        isolation: Which.
        patches: How many were rendered.
        equal_order: Of them, how many had the same bits forwards and backwards.
        equal_fresh: And the same bits as alone in a new process.
        distance_db: Median log-mel distance to that, of those that had not.
        seconds: CPU and waiting for one render, the loading left out.
        problem: Why it could not be tried.
        more: Further patches, rendered forwards and backwards only.
        more_equal: Of them, how many had the same bits.
    """

    isolation: Isolation
    patches: int = 0
    equal_order: int = 0
    equal_fresh: int = 0
    distance_db: float = 0.0
    seconds: float = 0.0
    problem: str = ""
    more: int = 0
    more_equal: int = 0

    @property
    def clean(self) -> bool:
        """Whether the sound of a patch depends on the patch alone."""
        few = self.equal_order == self.equal_fresh == self.patches > 0
        return not self.problem and few and self.more_equal == self.more


@dataclass(frozen=True)
class Audit:
    """What was found of a synth.

    Args:
        source: What opens it.
        sounding: Patches that could be heard; silent ones prove nothing.
        levels: In the order in which they were tried.
        chosen: The fastest level that is clean; "process" when none is.
    """

    source: str
    sounding: int
    levels: tuple[Level, ...]
    chosen: Isolation

    @property
    def clean(self) -> bool:
        """Whether the chosen level gives the same bits in any order."""
        return any(level.clean for level in self.levels if level.isolation == self.chosen)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def audit(
    renderer: Renderer,
    patches: int = 16,
    levels: Sequence[Isolation] | None = None,
    *,
    more: int = 0,
    seed: int = 0,
    progress: Callable[[str], object] = lambda _: None,
) -> Audit:
    """Render patches forwards, backwards and each in a new process, and compare the bits.

    The levels are tried from "none" on. The first that is clean ends the audit where it is "none",
    for nothing costs less; of the others the fastest clean one is chosen, and "process" is tried
    only when no other is clean. Each pass has one worker, which begins anew.

    Args:
        renderer: The synth; its own isolation has no influence.
        patches: How many, drawn from a split of their own.
        levels: Which to try, all of them; as above when left out.
        more: Further patches for every level that was clean so far, forwards and backwards; not for
            "process".
        seed: Of the patches.
        progress: Called with what is being done.

    Raises:
        UserError: The synth failed, or nothing that it plays can be heard.
    """
    if patches < 2:
        raise UserError(f"audit: needs 2 patches or more, got {patches}")
    sampler = Sampler(renderer.space, seed, "audit", NoteRange.of(renderer.note))
    encoded = sampler.patches(0, patches)
    order = list(range(patches))
    progress("each patch in a new process")
    fresh, _ = _rendered(renderer, "process", encoded, order)
    known = [sound for sound in fresh.values() if sound is not None]
    sounding = sum(float(np.abs(sound).max()) > _SILENT for sound in known)
    if not known:
        raise UserError(f"{renderer.source}: every patch of the audit failed; it cannot be used")
    if not sounding:
        raise UserError(
            f"{renderer.source}: none of {patches} patches can be heard, so nothing is known of "
            "their order; fix its level or its envelope (--fix), or take more --patches"
        )
    found: list[Level] = []
    for isolation in levels or ISOLATIONS:
        done = any(level.clean for level in found) and (isolation == "process" or found[0].clean)
        if levels is None and done:
            continue
        progress(f"isolation {isolation}: forwards and backwards")
        found.append(_level(renderer, isolation, encoded, fresh))
        if more and found[-1].clean and isolation != "process":
            progress(f"isolation {isolation}: {more} more, forwards and backwards")
            equal = _alike(renderer, isolation, sampler.patches(patches, more))
            found[-1] = replace(found[-1], more=more, more_equal=equal)
    clean = [level for level in found if level.clean]
    chosen = min(clean, key=lambda level: level.seconds).isolation if clean else "process"
    return Audit(renderer.source, sounding, tuple(found), chosen)


def remember(renderer: Renderer, found: Audit) -> None:
    """Keep what an audit found, for `recalled`; a folder that cannot be written keeps nothing."""
    place = _place(renderer)
    with suppress(OSError, UserError):
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, json.dumps(found.to_dict(), indent=1) + "\n")


def recalled(renderer: Renderer) -> Audit | None:
    """What an earlier audit of this synth has found, played in the same way.

    A note that is longer than the sound has an influence: it may still sound in the next one.
    """
    try:
        found = json.loads(_place(renderer).read_text(encoding="utf-8"))
        found["levels"] = tuple(Level(**level) for level in found["levels"])
        return Audit(**found)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _level(renderer: Renderer, isolation: Isolation, encoded: Any, fresh: Sounds) -> Level:
    order = list(range(len(encoded)))
    try:
        forwards, seconds = _rendered(renderer, isolation, encoded, order)
        backwards, _ = _rendered(renderer, isolation, encoded, order[::-1])
    except UserError as error:
        return Level(isolation, problem=str(error))
    heard = LogMel(renderer.sample_rate)
    equal_order = equal_fresh = 0
    distances = []
    for index in order:
        one, two, alone = forwards[index], backwards[index], fresh[index]
        equal_order += _same(one, two)
        if _same(one, alone) and _same(two, alone):
            equal_fresh += 1
        elif one is not None and two is not None and alone is not None:
            far = one if not _same(one, alone) else two
            difference = heard(far.mean(0)) - heard(alone.mean(0))
            distances.append(float(np.sqrt(np.mean(np.square(difference, dtype=np.float64)))))
    distance = float(np.median(distances)) if distances else 0.0
    return Level(
        isolation,
        len(order),
        equal_order,
        equal_fresh,
        round(distance, 3),
        round(seconds / len(order), 6),
    )


def _alike(renderer: Renderer, isolation: Isolation, encoded: Any) -> int:
    """How many patches have the same bits forwards and backwards."""
    order = list(range(len(encoded)))

    def digest(sound: Audio) -> bytes:
        return hashlib.sha256(sound.tobytes()).digest()

    ways = [_rendered(renderer, isolation, encoded, way, digest)[0] for way in (order, order[::-1])]
    return sum(ways[0][index] == ways[1][index] for index in order)


def _rendered(
    renderer: Renderer,
    isolation: Isolation,
    encoded: Any,
    order: Sequence[int],
    kept: Callable[[Audio], Any] = lambda sound: sound,
) -> tuple[dict[int, Any], float]:
    """What is kept of sounds, by number, None where it failed; the seconds without the loading."""
    pool = Pool(1, deadline_s=renderer.pool.deadline_s, load_s=renderer.pool.load_s)
    one = type(renderer)(
        renderer.source,
        renderer.info,
        renderer.space,
        renderer.with_setting(isolation=isolation).setting,
        renderer.stamp,
        pool,
    )
    found: dict[int, Any] = {}
    began = time.perf_counter()

    def take(place: int, result: Audio | PluginError) -> None:
        nonlocal began
        found[order[place]] = None if isinstance(result, PluginError) else kept(result)
        if place == 0 and isolation != "process":
            began = time.perf_counter()  # what came before was the loading

    try:
        one.each(encoded[list(order)], [renderer.note] * len(order), take)
    finally:
        pool.close()
    return found, time.perf_counter() - began


def _same(one: Audio | None, two: Audio | None) -> bool:
    if one is None or two is None:
        return one is two
    return one.tobytes() == two.tobytes()


def _place(renderer: Renderer) -> Path:
    facts = renderer.facts()
    for name in ("isolation", "channel"):
        facts.pop(name)
    text = json.dumps([facts, renderer.space.fingerprint], sort_keys=True)
    root = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(root) if root else Path.home() / ".cache") / "dspcore" / "audits"
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"
