"""What controllers of effects were measured at, from the heads of ``dspcore style train``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dspcore.errors import UserError
from dspcore.runs.tables import number
from dspcore.train import Checkpoint

#: Rows that stand in every table, before what was learnt.
FIRST = ("nothing", "random", "constant", "oracle")

HEAD = ["effect", "controller", "MRSTFT", "level-matched", "left", "wins", "p error"]


def head_scores(folder: str | Path) -> dict[str, list[dict[str, Any]]]:
    """Rows of the evaluation kept with every head below a folder, by effect; empty without heads.

    Of several heads of an effect the yardsticks' rows are those of the first, by name of the file.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(Path(folder).glob("*/*.safetensors")):
        state = _state(path)
        scores = state.get("scores", {})
        if not scores:
            continue
        rows = found.setdefault(path.parent.name, [])
        there = {row["controller"] for row in rows}
        rows += [row for row in scores.get("rows", []) if row["controller"] not in there]
    for rows in found.values():
        rows.sort(key=lambda row: (row["controller"] not in FIRST, _place(row["controller"])))
    return {effect: rows for effect, rows in found.items() if rows}


def score_rows(scores: Mapping[str, list[dict[str, Any]]]) -> list[list[str]]:
    """Cells under `HEAD`."""
    out = []
    for effect, rows in scores.items():
        for row in rows:
            share = row["share_left"][1]
            out.append(
                [
                    effect,
                    row["controller"],
                    number(row["raw"].get("MRSTFT")),
                    number(row["level_matched"].get("MRSTFT")),
                    _percent(share),
                    _percent(row["wins"]),
                    number(row["parameter_error"]),
                ]
            )
    return out


def _place(controller: str) -> int:
    return FIRST.index(controller) if controller in FIRST else 0


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def _state(path: Path) -> dict[str, Any]:
    """What a head knows of itself; empty for any other file."""
    try:
        state = Checkpoint.load(path).state
    except UserError:
        return {}
    return state if "head" in state else {}
