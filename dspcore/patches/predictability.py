"""Which parameters can be told from a sound, and why the others cannot."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dspcore.patches.collapse import means_of
from dspcore.patches.estimator import Budget, Estimator, Examples
from dspcore.patches.evaluation import Targets
from dspcore.patches.hearing import log_mel
from dspcore.patches.matching import Render
from dspcore.patches.posterior import Layout, to_bins
from dspcore.patches.scores import Score, scores

#: A change of one parameter that moves the log-mel spectrum by less is not heard, in dB.
AUDIBLE_DB = 1.0

#: What verdicts are decided by; see `verdict`.
FOUND, HIDDEN, RISING, RARE = 0.5, 0.15, 0.025, 0.12

VERDICTS = {
    "predictable": "the network finds it",
    "data-limited": "more examples would help: its score still rises with their number",
    "gated": "found where it is heard, which is not everywhere",
    "confounded": "heard, and not found: other parameters sound like it",
    "symmetric": "changing places with its twin changes nothing that can be heard",
    "inaudible": "changing it changes nothing that can be heard in most patches",
}


@dataclass(frozen=True)
class Finding:
    """One parameter.

    Attributes:
        name: Of the parameter.
        verdict: A key of `VERDICTS`.
        why: With its numbers.
        entropy_bits: Of its values in the training set, over 24 bins or its own values.
        audible: Share of patches in which drawing it anew moves the sound by `AUDIBLE_DB` or more.
        sensitivity_db: Median of that movement.
        score: Against the constant, with intervals.
        heard_r2: R2 on the patches in which it is heard.
        heard_error: Standard error of that, by bootstrap over the patches.
        curve: R2, or skill of a discrete one, by number of examples.
        slope: Rise of the curve by a doubling of the examples, mean over its doublings.
        twin: Parameter whose small changes sound most like its own, and the cosine between them.
        swap_db: Movement of the sound when it and its group's twins change places; NaN without.
        by_seed: The verdict of each seed, where there were several.
    """

    name: str
    verdict: str
    why: str
    entropy_bits: float
    audible: float
    sensitivity_db: float
    score: Score
    heard_r2: float
    heard_error: float
    curve: dict[int, float]
    slope: float
    twin: tuple[str, float]
    swap_db: float
    by_seed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """Every parameter.

    Attributes:
        findings: In the order of the space.
        renders: How many were made.
        cpu_seconds: Of this process.
        examples: How many were learnt from.
    """

    findings: list[Finding]
    renders: int
    cpu_seconds: float
    examples: int

    @property
    def suggested(self) -> list[str]:
        """Parameters worth estimating: what is predictable, gated, or wants more data."""
        good = ("predictable", "gated", "data-limited")
        return [f.name for f in self.findings if f.verdict in good]

    @property
    def agreement(self) -> float:
        """Share of the parameters of which every seed says the same; NaN with one seed."""
        if not all(len(f.by_seed) > 1 for f in self.findings):
            return math.nan
        return sum(len(set(f.by_seed)) == 1 for f in self.findings) / len(self.findings)

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        plain = [asdict(f) for f in self.findings]
        return {
            "agreement": _plain(self.agreement),
            "examples": self.examples,
            "renders": self.renders,
            "cpu_seconds": self.cpu_seconds,
            "suggested": self.suggested,
            "parameters": _plain(plain),
        }


def predictability(
    make: Callable[[], Estimator],
    training: Examples,
    validation: Examples,
    targets: Targets,
    render: Render,
    *,
    budget: Budget | None = None,
    probes: int = 120,
    seed: int = 0,
    say: Callable[[str], None] = lambda text: None,
) -> Report:
    """Learn from a quarter, half and all of the examples, move single parameters, and judge.

    Args:
        make: Gives a new estimator; one that learns fast.
        training: To learn from.
        validation: For the collapse alarm and widths.
        targets: Held out; all are scored.
        render: From encoded settings to sounds.
        budget: For all the examples; smaller sets get the same number of rounds. Its folder keeps
            the three runs, which go on from there when they were killed.
        probes: Targets in which every parameter is drawn anew, one at a time.
        seed: Of draws.
        say: Told what is going on.
    """
    begin, budget = time.process_time(), budget or Budget()
    layout = training.layout
    curves: dict[int, list[Score]] = {}
    mel = log_mel(training.frontend, targets.audio[:, 0])
    means = modes = targets.u
    for part in (4, 2, 1):
        count = len(training) // part
        say(f"learning from {count} examples")
        steps = max(1, budget.steps // part)
        folder = None if budget.folder is None else Path(budget.folder) / f"{count} examples"
        some = replace(budget, steps=steps, folder=folder)
        estimator = make().fit(training.rows(slice(0, count)), validation, some)
        held = Examples(targets.u, mel, layout, training.frontend)
        means = means_of(estimator, held)
        with torch.no_grad():
            modes = torch.cat([estimator.believe(m).mode() for m in mel.split(256)])
        curves[count] = scores(
            means, modes, targets.u, training.u, layout, active=targets.active, names=targets.names
        ).each
    say("moving single parameters")
    moves = moved(targets, training, render, probes, seed)
    swaps = swapped(targets, training, render, min(probes, 60))
    heard, errors = _heard_r2(means, targets.u, moves.apart)
    findings = []
    last = list(curves.values())[-1]
    for i, name in enumerate(targets.names):
        curve = {n: _merit(found[i], layout, i) for n, found in curves.items()}
        values = list(curve.values())
        facts: dict[str, Any] = {
            "entropy_bits": entropy_bits(training.u[:, i], layout.sizes[i]),
            "audible": float((moves.apart[:, i] >= AUDIBLE_DB).double().mean()),
            "sensitivity_db": float(moves.apart[:, i].median()),
            "heard_r2": float(heard[i]),
            "heard_error": float(errors[i]),
            "slope": (values[-1] - values[0]) / (len(values) - 1),
            "swap_db": swaps.get(i, math.nan),
        }
        other, cosine = moves.twins[i]
        twin = (targets.names[other], cosine)
        said, why = verdict(values[-1], twin=twin, **facts)
        findings.append(Finding(name, said, why, score=last[i], curve=curve, twin=twin, **facts))
    made = moves.renders + 2 * min(probes, 60) * bool(swaps)
    return Report(findings, made, time.process_time() - begin, len(training))


def together(reports: Sequence[Report]) -> Report:
    """One report of several that differ in their seed: verdicts of the averaged numbers.

    Args:
        reports: Of the same parameters, and as many examples.

    Returns:
        Numbers averaged, intervals from the lowest to the highest end, the twin of the first, and
        the verdict of each seed beside the one of all.
    """
    if len(reports) == 1:
        return reports[0]
    findings = []
    for alike in zip(*(report.findings for report in reports), strict=True):
        first = alike[0]
        facts: dict[str, Any] = {
            name: _mean([getattr(f, name) for f in alike])
            for name in (
                "entropy_bits", "audible", "sensitivity_db", "heard_r2", "heard_error", "slope",
                "swap_db",
            )
        }  # fmt: skip
        curve = {n: _mean([f.curve[n] for f in alike]) for n in first.curve}
        values = {f.name: [getattr(x.score, f.name) for x in alike] for f in fields(Score)}
        score = replace(
            Score(**{name: _mean(each) for name, each in values.items()}),
            r2_low=min(values["r2_low"]),
            r2_high=max(values["r2_high"]),
        )
        said, why = verdict(list(curve.values())[-1], twin=first.twin, **facts)
        findings.append(
            Finding(
                first.name, said, why, score=score, curve=curve, twin=first.twin,
                by_seed=tuple(f.verdict for f in alike), **facts,
            )
        )  # fmt: skip
    return Report(
        findings,
        sum(report.renders for report in reports),
        sum(report.cpu_seconds for report in reports),
        reports[0].examples,
    )


def verdict(
    merit: float,
    *,
    twin: tuple[str, float],
    audible: float,
    sensitivity_db: float,
    heard_r2: float,
    slope: float,
    swap_db: float,
    entropy_bits: float,
    heard_error: float = 0.0,
) -> tuple[str, str]:
    """Which of `VERDICTS`, and why, of a parameter's numbers.

    In this order: inaudible below 12 % of the patches; symmetric when exchanged members move the
    sound by less than `AUDIBLE_DB`; predictable from 0.5 (R2, or skill over the commonest value);
    gated when it is found where it is heard, by 0.5 or by 0.15 better than elsewhere, and by twice
    the standard error; data-limited when a doubling brought 0.025; confounded else.
    """
    heard = f"heard in {audible:.0%} of the patches (median {sensitivity_db:.1f} dB)"
    if entropy_bits == 0:
        return "inaudible", "it has one value in the training set"
    if audible < RARE:
        return "inaudible", heard
    if swap_db < AUDIBLE_DB:
        return "symmetric", f"exchanging it with its twins moves the sound by {swap_db:.2f} dB"
    if merit >= FOUND:
        return "predictable", f"score {merit:.2f}, {heard}"
    gain = heard_r2 - merit
    found = heard_r2 >= FOUND or gain >= HIDDEN
    if audible < 0.85 and found and gain >= 2 * heard_error:
        return "gated", f"score {merit:.2f}, {heard_r2:.2f} where it is heard; {heard}"
    if slope >= RISING:
        return "data-limited", f"score {merit:.2f}, +{slope:.2f} by a doubling of the examples"
    why = f"score {merit:.2f} and flat ({slope:+.2f} by a doubling), although {heard}"
    return (
        "confounded",
        f"{why}; its changes sound most like those of {twin[0]} (cosine {twin[1]:.2f})",
    )


@dataclass(frozen=True)
class Moves:
    """What drawing single parameters anew did.

    Attributes:
        apart: Movement of the spectrum in dB, (n, p).
        twins: Of each parameter: which other one's movements point most the same way, and the mean
            absolute cosine between them.
        renders: How many were made.
    """

    apart: Tensor
    twins: list[tuple[int, float]]
    renders: int


def moved(targets: Targets, training: Examples, render: Render, probes: int, seed: int) -> Moves:
    """Draw every parameter anew, one at a time, in each of `probes` patches, and listen."""
    some = targets.first(min(probes, len(targets)))
    own = some.u.float()
    n, p = own.shape
    generator = torch.Generator().manual_seed(seed)
    # From the prior, by way of the training set.
    rows = torch.randint(len(training), (n, p), generator=generator)
    drawn = training.u[rows, torch.arange(p)]
    same = drawn == own
    other = training.u[torch.randint(len(training), (n, p), generator=generator), torch.arange(p)]
    drawn = torch.where(same, other, drawn)
    base = log_mel(training.frontend, some.audio[:, 0])
    apart = torch.zeros(n, p)
    close = torch.zeros(p, p)
    for i in range(n):
        u = own[i].repeat(p, 1)
        u[torch.arange(p), torch.arange(p)] = drawn[i]
        sound = render(u)[:, 0].nan_to_num()
        change = (log_mel(training.frontend, sound) - base[i]).flatten(1)
        apart[i] = change.square().mean(1).sqrt()
        unit = change / change.norm(dim=1, keepdim=True).clamp(min=1e-6)
        close += (unit @ unit.T).abs()
    close = close / n
    close.fill_diagonal_(-1)
    best = close.max(1)
    twins = [(int(j), float(c)) for j, c in zip(best.indices, best.values, strict=True)]
    return Moves(apart, twins, n * p)


def swapped(targets: Targets, training: Examples, render: Render, count: int) -> dict[int, float]:
    """By column of a symmetric group: the median movement when two members change places, in dB."""
    out: dict[int, float] = {}
    some = targets.first(min(count, len(targets)))
    base = log_mel(training.frontend, some.audio[:, 0])
    for group in training.layout.groups:
        u = some.u.clone()
        first, second = list(group[0]), list(group[1])
        u[:, first], u[:, second] = some.u[:, second], some.u[:, first]
        sound = log_mel(training.frontend, render(u)[:, 0].nan_to_num())
        apart = float((sound - base).square().mean((1, 2)).sqrt().median())
        out |= {column: apart for columns in group for column in columns}
    return out


def entropy_bits(u: Tensor, size: int) -> float:
    """Of the values (n,) of a parameter, over its values or 24 bins."""
    counts = torch.bincount(to_bins(u[:, None], [size or 24])[:, 0], minlength=size or 24).double()
    share = counts[counts > 0] / counts.sum()
    return abs(float((share * share.log2()).sum()))


def _heard_r2(means: Tensor, truth: Tensor, apart: Tensor) -> tuple[Tensor, Tensor]:
    """R2 on the probed targets in which each parameter is heard, and its error; NaN: they are few.

    The error is the deviation over 200 bootstrap draws of the targets.
    """
    n = len(apart)
    heard = (apart >= AUDIBLE_DB).double()
    p, t = means[:n].double(), truth[:n].double()
    rows = torch.randint(n, (200, n), generator=torch.Generator().manual_seed(0))
    drawn = torch.stack([_r2_among(p[r], t[r], heard[r]) for r in rows])
    few = heard.sum(0) < 15
    found, error = _r2_among(p, t, heard), drawn.std(0)
    return found.masked_fill(few, math.nan), error.masked_fill(few, math.nan)


def _r2_among(p: Tensor, t: Tensor, heard: Tensor) -> Tensor:
    centre = (t * heard).sum(0) / heard.sum(0).clamp(min=1)
    spans = ((t - centre).square() * heard).sum(0).clamp(min=1e-9)
    return 1 - ((p - t).square() * heard).sum(0) / spans


def _mean(values: Sequence[float]) -> float:
    """Of those that are numbers."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _merit(score: Score, layout: Layout, i: int) -> float:
    return score.skill if layout.sizes[i] else score.r2


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
