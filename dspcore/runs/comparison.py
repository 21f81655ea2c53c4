"""Several runs beside each other: what was set differently, and a common axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from dspcore.errors import UserError
from dspcore.train import Run

Align = Literal["step", "data"]


def flat_config(config: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Settings by dotted name."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{before}{key}"
        found |= flat_config(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return found


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Settings that are not the same in all runs, by dotted name; None where one has none."""
    flat = [flat_config(run.config) for run in runs]
    names = list(dict.fromkeys(name for config in flat for name in config))
    rows = {name: [config.get(name) for config in flat] for name in names}
    return {name: row for name, row in rows.items() if any(v != row[0] for v in row[1:])}


def axis_factor(run: Run, align: Align) -> float:
    """What a step counts for on the common axis: 1, or the items it takes in."""
    if align == "step":
        return 1.0
    size = run.setting("batch_size", run.setting("batch"))
    if not isinstance(size, int | float) or size <= 0:
        raise UserError(
            f"{run.folder}: its config has no batch_size, so runs cannot be aligned by data seen; "
            "align by step"
        )
    return float(size) * float(run.setting("accumulate", 1))


def titles(runs: Sequence[Run]) -> list[str]:
    """Names of runs, with as much of their folders as tells them apart."""
    names = [run.name for run in runs]
    parts = [run.folder.resolve().parts for run in runs]
    for depth in range(2, 6):
        if len(set(names)) == len(names):
            break
        names = ["/".join(part[-depth:]) for part in parts]
    return names
