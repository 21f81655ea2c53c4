"""The folder that a search leaves: the sound, the preset, the report, the numbers."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from dspcore.audio import writing
from dspcore.errors import UserError
from dspcore.files import explained, replacing
from dspcore.match.findings import decibels, findings
from dspcore.match.fit import Match
from dspcore.match.report import report_html, spectral_losses
from dspcore.preset import preset_text

RESULT, PRESET, REPORT, NUMBERS = "result.wav", "preset.toml", "report.html", "match.json"


@contextmanager
def folder_for(
    path: str | os.PathLike[str],
    *,
    overwrite: bool,
    names: Sequence[str] = (RESULT, PRESET, REPORT, NUMBERS),
) -> Iterator[Path]:
    """Make the folder for a result before the work; it goes again when that fails.

    Args:
        path: The folder.
        overwrite: Whether files of those names may be there.
        names: Files that the result consists of.

    Raises:
        UserError: It cannot be made or written to, or holds a result and `overwrite` is false.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file, wanted a folder for the result")
    there = [name for name in names if (folder / name).exists()]
    if there and not overwrite:
        raise UserError(f"{folder / there[0]}: exists already; replace with --overwrite")
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explained(error, folder) from error
    try:
        if not os.access(folder, os.W_OK):
            raise UserError(f"{folder}: permission denied")
        yield folder
    except BaseException:
        for place in new:
            with suppress(OSError):
                place.rmdir()
        raise


def save_match(
    match: Match,
    folder: str | os.PathLike[str],
    *,
    true: Mapping[str, float] | None = None,
    title: str = "What dspcore match found",
    notes: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write ``result.wav``, ``preset.toml``, ``report.html`` and ``match.json``, all or none.

    Args:
        match: What the search found.
        folder: An existing folder.
        true: Values by full name, where they are known.
        title: Heading of the report.
        notes: Sentences for the report.
        options: How the search was asked for, to be kept beside the numbers.
    """
    rate = match.chain.sample_rate
    before, after = decibels(match.before_db), decibels(match.after_db)
    comment = f"Found by dspcore match: a residual of {after}, before it {before}."
    texts = {
        PRESET: preset_text(match.chain, comment, sample_rate=rate),
        REPORT: report_html(match, true=true, title=title, notes=notes),
        NUMBERS: json.dumps(_facts(match, true, options or {}), indent=2) + "\n",
    }
    place = Path(folder)
    with ExitStack() as files:  # they take their places when all of them are written
        sound = files.enter_context(writing(place / RESULT, rate, match.result.shape[0], "FLOAT"))
        sound.write(match.result)
        for name, text in texts.items():
            files.enter_context(replacing(place / name)).write(text.encode())


def _facts(
    match: Match, true: Mapping[str, float] | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    before, after = spectral_losses(match)
    settings = []
    for row in findings(match, true):
        fact = {"name": f"{row.effect}.{row.name}", "unit": row.unit, "found": row.found}
        fact |= {} if row.true is None else {"true": row.true}
        settings.append(fact | {"searched": row.free})
    return {
        "sample_rate": match.chain.sample_rate,
        "samples": match.reference.shape[1],
        "residual_db": {"before": _finite(match.before_db), "after": _finite(match.after_db)},
        "spectral_loss": {"before": _finite(before), "after": _finite(after)},
        "settings": settings,
        "options": dict(options),
    }


def _finite(value: float) -> float | None:
    """JSON knows no infinity; null is an exact match."""
    return value if math.isfinite(value) else None
