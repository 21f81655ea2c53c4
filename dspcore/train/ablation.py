"""Which choice matters: every combination with several seeds, and a table that says so."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from tqdm import tqdm

from dspcore.errors import UserError
from dspcore.files import write_text


@dataclass
class Ablation:
    """Runs of one study over a grid of choices, kept in a file so that they can go on later.

    Attributes:
        run: ``run(seed=..., **choices)``: one run; a number, or several by name.
        grid: By name the values to try; every combination is run.
        seeds: Each combination runs once with each.
        path: results.jsonl, a line for each run; those that are there are not run again. None
            keeps nothing.
    """

    run: Callable[..., float | Mapping[str, float]]
    grid: Mapping[str, Sequence[Any]]
    seeds: Sequence[int] = (0, 1, 2)
    path: str | Path | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Reads what was run before."""
        if not self.grid or not self.seeds or not all(len(v) for v in self.grid.values()):
            raise UserError("Ablation: give one value or more for each choice, and a seed")
        if self.path is not None and Path(self.path).exists():
            lines = Path(self.path).read_text(encoding="utf-8").splitlines()
            self.rows = [json.loads(line) for line in lines]

    def __call__(
        self, *, progress: bool = True, minutes: float | None = None
    ) -> list[dict[str, Any]]:
        """Run what is missing; all rows: choices, seed, and what the run said or its error.

        Args:
            progress: Show a bar on a terminal.
            minutes: Begin no further run after so long; what is missing waits for the next call.
        """
        end = time.monotonic() + 60 * minutes if minutes is not None else math.inf
        done = {_key(row["choices"], row["seed"]) for row in self.rows}
        jobs = [
            (dict(zip(self.grid, values, strict=True)), seed)
            for values in itertools.product(*self.grid.values())
            for seed in self.seeds
        ]
        left = [(c, s) for c, s in jobs if _key(c, s) not in done]
        for choices, seed in tqdm(left, unit="run", disable=None if progress else True):
            if time.monotonic() >= end:
                break
            row: dict[str, Any] = {"choices": choices, "seed": seed}
            try:
                found = self.run(seed=seed, **choices)
                values = dict(found) if isinstance(found, Mapping) else {"result": found}
                row["found"] = {name: float(value) for name, value in values.items()}
            except (ValueError, RuntimeError) as error:  # one run that diverges is a result, too
                row["error"] = str(error)
            self.rows.append(row)
            if self.path is not None:
                Path(self.path).parent.mkdir(parents=True, exist_ok=True)
                text = "".join(json.dumps(r) + "\n" for r in self.rows)
                write_text(self.path, text)
        return self.rows

    def table(self) -> str:
        """Markdown: a line for each combination, mean, spread and extremes over the seeds."""
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows:
            groups.setdefault(json.dumps(row["choices"]), []).append(row)
        metrics = list(dict.fromkeys(n for r in self.rows for n in r.get("found", {})))
        head = [*self.grid, "runs", *metrics, "failed"]
        lines = [" | ".join(head), " | ".join("---" for _ in head)]
        for rows in groups.values():
            good = [row["found"] for row in rows if "found" in row]
            cells = [str(row) for row in rows[0]["choices"].values()] + [str(len(rows))]
            cells += [_spread([found[m] for found in good if m in found]) for m in metrics]
            lines.append(" | ".join([*cells, str(len(rows) - len(good))]))
        return "".join(f"| {line} |\n" for line in lines)


def _key(choices: Mapping[str, Any], seed: int) -> str:
    return json.dumps([dict(choices), seed], sort_keys=True)


def _spread(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.4g}" if values else "-"
    return f"{mean(values):.4g} ± {stdev(values):.2g} ({min(values):.4g} to {max(values):.4g})"
