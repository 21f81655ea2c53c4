"""The numbers of a report as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dspcore.latent.advice import advise, as_json
from dspcore.latent.diagnostics import Item, by_group, by_part, from_json
from dspcore.latent.naming import phases, validation_metric
from dspcore.runs.comparison import differences, flat_config, titles
from dspcore.runs.diagram import parameters
from dspcore.train import Run

#: Files that are named as the worst.
WORST = 10


def results(runs: Sequence[Run]) -> dict[str, Any]:
    """What results.json holds: a table of differences, and each run's numbers."""
    names = titles(runs)
    return _finite(
        {
            "runs": {name: facts(run) for name, run in zip(names, runs, strict=True)},
            "differences": differences(runs) if len(runs) > 1 else {},
        }
    )


def facts(run: Run) -> dict[str, Any]:
    """The numbers of one run."""
    main = validation_metric(run)
    curve = run.metrics.get(main)
    found: dict[str, Any] = {
        "folder": run.folder.as_posix(),
        "steps": run.steps,
        "began": run.circumstances.get("began"),
        "config": flat_config(run.config),
        "parameters": parameters(run.modules),
        "metric": main,
        "last": {name: series.last for name, series in run.metrics.items() if series},
        "phases": {name: list(span) for name, span in phases(run).items()},
        "yardsticks": run.notes.get("yardsticks", {}).get("values", {}),
        "data": run.notes.get("data", {}),
        "advice": as_json(advise(run)),
    }
    if curve:
        best = int(np.nanargmin(curve.values)) if not np.isnan(curve.values).all() else 0
        found["best"] = {"step": curve.steps[best], "value": curve.values[best]}
        found["beaten"] = [n for n, v in found["yardsticks"].items() if curve.values[best] < v]
    for name, series in run.arrays.items():
        found.setdefault("arrays", {})[name] = {"step": series.steps[-1], "values": series.last}
    if listed := listed_items(run):
        found["worst"] = [{"path": i.path, "loss": i.loss} for i in listed[:WORST]]
        found["scales"] = by_part(listed)
        for of in ("folder", "tag"):
            rows = by_group(listed, of)
            keys = ("name", "files", "mean", "worst")
            found[f"{of}s"] = [dict(zip(keys, row, strict=True)) for row in rows]
    return found


def listed_items(run: Run) -> list[Item]:
    """The items of the last validation, the worst first."""
    return from_json(run.notes.get("items", []))


def _finite(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
