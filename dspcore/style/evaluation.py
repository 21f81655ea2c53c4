"""Controllers beside each other on the same pairs, with the rows that keep a table honest."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dspcore.style.controller import Controller
from dspcore.style.metrics import Level, level_matched, measures, parameter_error, pesq
from dspcore.style.pairs import Pairs

#: The distance that shares and wins are counted by.
MAIN = "MRSTFT"

#: In every table: what nothing, chance, one setting for all, and the truth achieve.
YARDSTICKS = ("nothing", "random", "constant", "oracle")


@dataclass(frozen=True)
class Row:
    """One controller.

    Attributes:
        name: Of the controller.
        raw: Mean of every distance by name.
        matched: The same after the result was brought to the target's level.
        share: Of the untouched input's distance that is left, raw and matched.
        wins: Share of the items at which it is nearer than the untouched input, at equal level.
        parameter_error: Mean distance of the settings; NaN where it has none.
        seconds: CPU time of this process for one item.
    """

    name: str
    raw: dict[str, float]
    matched: dict[str, float]
    share: tuple[float, float]
    wins: float
    parameter_error: float
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """A table.

    Attributes:
        rows: One for each controller.
        items: How many pairs.
        level: What was made equal.
        each: Distances at equal level by controller, (items,).
        failures: Of a distance that could not be measured, by what it was.
    """

    rows: list[Row]
    items: int
    level: Level
    each: dict[str, Tensor] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)

    def row(self, name: str) -> Row:
        """The row of a controller."""
        return next(row for row in self.rows if row.name == name)

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Head and lines of a table of words; the best of each distance is not marked."""
        names = list(self.rows[0].raw)
        head = ["controller", MAIN, "left", f"{MAIN} level-matched", "left", "wins"]
        head += [name for name in names if name != MAIN] + ["p error", "CPU s"]
        lines = []
        for row in self.rows:
            cells = [row.name, _number(row.raw[MAIN]), _percent(row.share[0])]
            cells += [_number(row.matched[MAIN]), _percent(row.share[1]), _percent(row.wins)]
            cells += [_number(row.raw[name]) for name in names if name != MAIN]
            lines.append([*cells, _number(row.parameter_error), f"{row.seconds:.2g}"])
        return head, lines

    def facts(self) -> dict[str, Any]:
        """All of it as JSON."""
        rows = [
            {
                "controller": row.name,
                "raw": {k: _finite(v) for k, v in row.raw.items()},
                "level_matched": {k: _finite(v) for k, v in row.matched.items()},
                "share_left": [_finite(v) for v in row.share],
                "wins": _finite(row.wins),
                "parameter_error": _finite(row.parameter_error),
                "cpu_seconds": row.seconds,
            }
            for row in self.rows
        ]
        return {
            "items": self.items,
            "level": self.level,
            "rows": rows,
            "failures": dict(self.failures),
        }


def evaluate(
    controllers: Mapping[str, Controller] | Sequence[Controller],
    pairs: Pairs,
    *,
    level: Level = "rms",
    with_pesq: bool = False,
) -> Evaluation:
    """Ask every controller for every pair, and measure.

    Args:
        controllers: Prepared, the yardsticks among them: without "nothing" no share can be told.
        pairs: What they are asked; the answers are compared with its targets.
        level: What is made equal for the level-matched columns.
        with_pesq: Measure speech quality as well.
    """
    given = (
        dict(controllers)
        if isinstance(controllers, Mapping)
        else {controller.name: controller for controller in controllers}
    )
    rate = next(iter(given.values())).effect.sample_rate
    wanted = dict(measures(rate))
    failures: Counter[str] = Counter()
    if with_pesq:
        wanted["PESQ"] = lambda sound, target: pesq(sound, target, rate, failures)
    untouched = _distances(wanted, pairs.dry, pairs.target, level, rate)
    rows, each = [], {}
    for name, controller in given.items():
        begin = time.process_time()
        sound, p = controller.apply(pairs.dry, pairs.reference, truth=pairs.p)
        seconds = (time.process_time() - begin) / len(pairs)
        raw, matched = _distances(wanted, sound, pairs.target, level, rate)
        each[name] = matched[MAIN]
        share = [
            _mean(found[MAIN]) / max(_mean(of[MAIN]), 1e-9)
            for found, of in zip((raw, matched), untouched, strict=True)
        ]
        rows.append(
            Row(
                name,
                {key: _mean(value) for key, value in raw.items()},
                {key: _mean(value) for key, value in matched.items()},
                (share[0], share[1]),
                float((matched[MAIN] < untouched[1][MAIN] - 1e-9).double().mean()),
                math.nan if p is None else _mean(parameter_error(p.double(), pairs.p)),
                seconds,
            )
        )
    return Evaluation(rows, len(pairs), level, each, failures)


def advice(found: Evaluation) -> list[str]:
    """Whether what was learnt shows: a sentence with its numbers for each doubt, none without.

    Asks what the yardsticks answer: is a controller better than doing nothing, than one setting for
    all, and are its settings better known than the middle of every range?
    """
    out = []
    by_name = {row.name: row for row in found.rows}
    for row in found.rows:
        if row.name in YARDSTICKS:
            continue
        constant = by_name.get("constant")
        left = row.matched[MAIN]
        if constant is not None and left > 0.97 * constant.matched[MAIN]:
            out.append(
                f"{row.name} leaves {left:.3g}, the best setting for all leaves "
                f"{constant.matched[MAIN]:.3g}: what it hears does not help it on these pairs"
            )
        if row.wins < 0.75:
            out.append(
                f"{row.name} is nearer than the untouched input on {_percent(row.wins)} of the "
                "pairs: look at single pairs before it is used"
            )
        if row.parameter_error > 0.235:
            out.append(
                f"{row.name} knows settings to {row.parameter_error:.2f} of their range, saying "
                "the middle to 0.25: they cannot be told from the sound, or more pairs are needed"
            )
    return out


def _distances(
    wanted: Mapping[str, Any], sound: Tensor, target: Tensor, level: Level, rate: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Every distance of each item, raw and at equal level."""
    raw: dict[str, list[Tensor]] = {name: [] for name in wanted}
    even: dict[str, list[Tensor]] = {name: [] for name in wanted}
    with torch.no_grad():
        for a, b in zip(sound.split(8), target.split(8), strict=True):
            a, b = a.float(), b.float()
            matched = level_matched(a, b, level, rate)
            for name, measure in wanted.items():
                raw[name].append(measure(a, b))
                even[name].append(measure(matched, b))
    return tuple({n: torch.cat(v) for n, v in d.items()} for d in (raw, even))  # type: ignore[return-value]


def _mean(values: Tensor) -> float:
    """Of those that could be measured."""
    return float(values.double().nanmean())


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else ""


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if math.isfinite(value) else ""


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
