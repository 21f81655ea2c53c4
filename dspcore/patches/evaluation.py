"""Estimators beside each other on held-out patches, with the floors that keep a table honest."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from dspcore.patches.estimator import Estimator, Examples
from dspcore.patches.matching import Match, Render, match
from dspcore.patches.metrics import METRICS, Metric, Summary, summary
from dspcore.patches.posterior import Layout
from dspcore.patches.scores import Scores, scores

#: In every table: what the truth, the mean, chance, and look-up score.
FLOORS = ("oracle", "mean", "random", "nearest")


@dataclass(frozen=True)
class Targets:
    """Held-out patches.

    Attributes:
        u: Encoded settings, (n, p); float64, so that they render to the same bits again.
        audio: Their renders, (n, 1, t).
        names: Of the parameters.
        active: Where each parameter's gate is open, (n, p); None when the space has no gates.
    """

    u: Tensor
    audio: Tensor
    names: Sequence[str]
    active: Tensor | None = None

    def __len__(self) -> int:
        """How many."""
        return len(self.u)

    def first(self, count: int) -> Targets:
        """Some of them."""
        active = None if self.active is None else self.active[:count]
        return Targets(self.u[:count], self.audio[:count], self.names, active)


@dataclass(frozen=True)
class Row:
    """One way of matching.

    Attributes:
        name: Of the estimator, and what was done with its posterior.
        renders: For each target.
        distances: By metric label, over targets (and seeds).
        seeds: How many estimators, trained apart, the row is of.
        seed_spread: Deviation of the main distance between them; NaN with one.
        seconds: CPU time for each target, rendering included where this process does it.
    """

    name: str
    renders: int
    distances: dict[str, Summary]
    seeds: int
    seed_spread: float
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """Tables of audio and of parameters.

    Attributes:
        rows: Of the audio.
        params: Scores of each learnt estimator's posterior mean and mode, one for each seed.
        targets: How many for the audio, and for the parameters.
        names: Of the parameters.
        layout: Of the same.
    """

    rows: list[Row]
    params: dict[str, list[Scores]]
    targets: tuple[int, int]
    names: Sequence[str]
    layout: Layout

    def row(self, name: str) -> Row:
        """A row by name."""
        return next(row for row in self.rows if row.name == name)

    def main(self, name: str) -> float:
        """Mean log-mel distance of a row, in dB."""
        return self.row(name).distances["logmel@1"].mean

    def audio_cells(self) -> tuple[list[str], list[list[str]]]:
        """Head and lines of the table of sounds; not-a-numbers are counted."""
        labels = list(self.rows[0].distances)
        head = ["estimator", "renders", "seeds", *labels, "CPU s"]
        lines = []
        for row in self.rows:
            cells = [row.name, str(row.renders), _seeds(row)]
            cells += [_interval(s) for s in row.distances.values()]
            lines.append([*cells, f"{row.seconds:.2g}"])
        return head, lines

    def param_cells(self) -> tuple[list[str], list[list[str]]]:
        """Head and lines of the table of parameters over all of them."""
        head = [
            "estimator",
            "mean R2",
            "R2 > .05",
            "MAE",
            "assignment",
            "accuracy",
            "majority",
            "spread",
        ]
        lines = []
        for name, found in self.params.items():
            lines.append(
                [
                    name,
                    _over(found, lambda s: s.r2),
                    _over(found, lambda s: s.known, ".0f"),
                    _over(found, lambda s: s.mae, ".4f"),
                    _over(found, lambda s: s.assignment, ".4f"),
                    _over(found, lambda s: s.accuracy),
                    _over(found, lambda s: s.majority),
                    _over(found, lambda s: s.spread),
                ]
            )
        return head, lines

    def each_cells(self, name: str) -> tuple[list[str], list[list[str]]]:
        """Head and lines of one estimator's every parameter (of its first seed)."""
        head = [
            "parameter",
            "R2",
            "interval",
            "when audible",
            "accuracy",
            "majority",
            "skill",
            "spread",
        ]
        lines = []
        for param, s in zip(self.names, self.params[name][0].each, strict=True):
            lines.append(
                [
                    param,
                    f"{s.r2:.2f}",
                    f"{s.r2_low:.2f} to {s.r2_high:.2f}",
                    _number(s.conditional_r2),
                    _number(s.accuracy),
                    _number(s.majority),
                    _number(s.skill),
                    f"{s.spread:.2f}",
                ]
            )
        return head, lines

    def facts(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "targets": {"audio": self.targets[0], "parameters": self.targets[1]},
            "audio": [_plain(asdict(row)) for row in self.rows],
            "parameters": {
                name: [
                    _plain({**asdict(s), "r2": s.r2, "mae": s.mae, "accuracy": s.accuracy})
                    for s in found
                ]
                for name, found in self.params.items()
            },
        }


def evaluate(
    estimators: Mapping[str, Sequence[Estimator]],
    floors: Mapping[str, Estimator],
    targets: Targets,
    training: Examples,
    render: Render,
    *,
    count: int = 32,
    renders: int = 64,
    refiner: str | Sequence[str] | None = None,
    metrics: Sequence[str] = tuple(METRICS),
    seed: int = 0,
    done: Callable[[str], None] = lambda name: None,
) -> Evaluation:
    """Ask every estimator for every target, render, and measure.

    Args:
        estimators: By name, each a list of the same trained with different seeds.
        floors: Fitted ones for "mean", "random" and "nearest".
        targets: Held out. All count for the parameters, `count` for the audio.
        training: What means, majorities and chance are of.
        render: From encoded settings to sounds.
        count: Targets whose sounds are matched.
        renders: For each of them.
        refiner: For a further row of each estimator, or several for a row each.
        metrics: Of the sounds, by name.
        seed: Of draws.
        done: Called with the name of each row that is finished.
    """
    rate = training.frontend.sample_rate
    heard = targets.first(min(count, len(targets)))
    measured = [METRICS[name] for name in metrics]
    refiners = [refiner] if isinstance(refiner, str) else list(refiner or ())
    rows: list[Row] = []

    def add(name: str, used: int, found: list[Tensor], seconds: float) -> None:
        rows.append(_row(name, used, found, heard, render, measured, rate, seconds))
        done(name)

    add("oracle", 0, [heard.u], math.nan)
    for name in ("mean", "nearest"):
        add(name, 1, [_modes(floors[name], heard)], math.nan)
    u, seconds = _matched(floors["random"], heard, render, renders, None, seed)
    add(f"random, best of {renders}", renders, [u], seconds)
    for name, trained in estimators.items():
        add(f"{name}, mode", 1, [_modes(e, heard) for e in trained], math.nan)
        for how in (None, *refiners):
            found = [_matched(e, heard, render, renders, how, seed) for e in trained]
            said = f"{name}, best of {renders}" if how is None else f"{name} + {how}"
            add(said, renders, [u for u, _ in found], sum(s for _, s in found) / len(found))
    params = {
        name: [_scored(e, targets, training) for e in trained]
        for name, trained in {**{k: [v] for k, v in floors.items()}, **estimators}.items()
    }
    return Evaluation(rows, params, (len(heard), len(targets)), targets.names, training.layout)


def _modes(estimator: Estimator, targets: Targets) -> Tensor:
    with torch.no_grad():
        heard = estimator.hear(targets.audio)
        return torch.cat([estimator.believe(mel).mode() for mel in heard.split(64)])


def _matched(
    estimator: Estimator,
    targets: Targets,
    render: Render,
    renders: int,
    refiner: str | None,
    seed: int,
) -> tuple[Tensor, float]:
    begin, found = time.process_time(), []
    for i, sound in enumerate(targets.audio):
        one: Match = match(
            sound, render, estimator, renders=renders, refiner=refiner, seed=seed * 100_003 + i
        )
        found.append(one.u)
    return torch.stack(found), (time.process_time() - begin) / len(targets)


def _scored(estimator: Estimator, targets: Targets, training: Examples) -> Scores:
    means, modes = [], []
    with torch.no_grad():
        for sound in targets.audio.split(256):
            posterior = estimator.believe(estimator.hear(sound))
            means.append(posterior.mean())
            modes.append(posterior.mode())
    return scores(
        torch.cat(means),
        torch.cat(modes),
        targets.u,
        training.u,
        training.layout,
        active=targets.active,
        names=targets.names,
    )


def _row(
    name: str,
    renders: int,
    found: list[Tensor],
    targets: Targets,
    render: Render,
    measured: Sequence[Metric],
    rate: int,
    seconds: float,
) -> Row:
    by_seed: dict[str, list[Tensor]] = {m.label: [] for m in measured}
    for u in found:
        sound = render(u)
        for m in measured:
            by_seed[m.label].append(m(sound, targets.audio, rate))
    distances = {}
    for label, values in by_seed.items():
        each = torch.stack(values)
        # Seeds are averaged within a target, so that the interval is of targets.
        mean = each.nanmean(0)
        whole = summary(mean)
        nan = int(each.isnan().sum())
        distances[label] = Summary(whole.mean, whole.low, whole.high, whole.count, nan)
    main = torch.stack(by_seed[measured[0].label]).nanmean(1)
    spread = float(main.std()) if len(main) > 1 else math.nan
    return Row(name, renders, distances, len(found), spread, seconds)


def _seeds(row: Row) -> str:
    return f"{row.seeds}" if row.seeds == 1 else f"{row.seeds} (sd {row.seed_spread:.2f})"


def _interval(s: Summary) -> str:
    nan = f", {s.nan} NaN" if s.nan else ""
    if not s.count:
        return f"-{nan}"
    return f"{s.mean:.3g} ({s.low:.3g} to {s.high:.3g}{nan})"


def _over(found: Sequence[Scores], of: Callable[[Scores], float], form: str = ".3f") -> str:
    values = torch.tensor([float(of(s)) for s in found], dtype=torch.float64)
    if bool(values.isnan().all()):
        return "-"
    said = f"{float(values.mean()):{form}}"
    return said if len(values) == 1 else f"{said} ± {float(values.std()):{form}}"


def _number(x: float) -> str:
    return f"{x:.2f}" if math.isfinite(x) else "-"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
