"""A whole chain as one C++ file, made from recordings of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dspcore.errors import UserError
from dspcore.export.numbers import RATES, USUAL_RATES, over_rate
from dspcore.export.program import Grid, Program, unify
from dspcore.export.record import CannotExportError, Recording
from dspcore.export.tables import Table, tables
from dspcore.export.takes import Take, take
from dspcore.export.writer import Source, Writer
from dspcore.rack import Rack

Progress = Callable[[str], None]

LENGTHS = (37, 53)  # samples of the recorded blocks: primes, so that no other size is the same
CHECKED = 61  # and one more, at which what was found is checked


def translate(
    rack: Rack, channels: int, headers: Path, progress: Progress = lambda _: None
) -> Source:
    """The C++ of `rack` for `channels` channels in.

    Args:
        rack: A chain or a graph; it is not changed.
        channels: 1 or 2.
        headers: The folder that has the ops' headers, ``csrc``.
        progress: Told what is being done.

    Raises:
        UserError: A part cannot be exported; says which and why.
    """
    refuse(rack)
    programs: dict[tuple[str, str, bool], Program] = {}
    latency: dict[int, float] = {}
    known: dict[str, Sequence[Table]] = {
        name: tables(effect) for name, effect in zip(rack.effect_names, rack, strict=True)
    }
    for moving in (False, True):
        takes: dict[tuple[int, int], Take] = {}
        for rate in RATES:
            progress(f"listening at {rate} Hz")
            for n in (*LENGTHS, *([CHECKED] if rate == RATES[1] else [])):
                takes[rate, n] = take(rack.at_rate(rate), channels, n, moving)
            latency[rate] = takes[rate, LENGTHS[0]].latency
        for part, stage in next(iter(takes.values())).recordings:
            try:
                mine = {at: t.recordings[part, stage] for at, t in takes.items()}
                programs[part, stage, moving] = _unified(mine, known.get(part, ()))
            except CannotExportError as error:
                raise UserError(f"{part or 'the graph'} cannot be exported: {error}") from error
    late = over_rate(latency)
    return Writer(rack, channels, programs, known, late, op_headers(headers)).source()


def _unified(recordings: Mapping[Grid, Recording], known: Sequence[Table]) -> Program:
    """Their program; at the usual rates and above where an effect is another below them."""
    usual = {at: r for at, r in recordings.items() if at[0] >= USUAL_RATES[0]}
    try:
        found = unify(recordings, known)
    except CannotExportError:
        return unify(usual, known)
    if not found.unexplained:
        return found
    above = unify(usual, known)
    return above if above.unexplained < found.unexplained else found


def refuse(rack: Rack) -> None:
    """Raise `UserError` where a part cannot be exported, before anything is built; names it."""
    for name, effect in zip(rack.effect_names, rack, strict=True):
        if effect.source:
            raise UserError(
                f"{name} cannot be exported: it is a plug-in or a Python function itself "
                f"({effect.source}); take it out of the chain"
            )


def op_headers(folder: Path) -> dict[str, str]:
    """The header of every op by the op's name."""
    headers = sorted((folder / "ops").glob("*.hpp"))
    found = {header.stem: f"ops/{header.name}" for header in headers}
    for header in headers:
        for name in re.findall(r'"(\w+)"', header.read_text(encoding="utf-8")):
            found.setdefault(name, f"ops/{header.name}")
    return found
