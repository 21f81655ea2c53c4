"""How near settings are to the true ones, against what a constant would score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from dspcore.patches.posterior import Layout, to_bins


@dataclass(frozen=True)
class Score:
    """One parameter over a test set, in encoded units (0 to 1).

    Attributes:
        mae: Mean absolute error.
        r2: ``1 - sum (p - t)^2 / sum (t - training mean)^2``; 0 for the mean, 1 for the truth.
        r2_low: Of its 95 % bootstrap interval over items.
        r2_high: Of the same.
        conditional_r2: On the items where the parameter can be heard; NaN without a gate.
        accuracy: Share of exact values of a discrete parameter; NaN for a continuous one.
        majority: What the training set's commonest value has of it.
        skill: ``1 - error / error of the constant``: of accuracies where discrete, else the R2.
        spread: Deviation of the predictions over that of the truth: near 0 is a collapse.
    """

    mae: float
    r2: float
    r2_low: float
    r2_high: float
    conditional_r2: float
    accuracy: float
    majority: float
    skill: float
    spread: float


@dataclass(frozen=True)
class Scores:
    """Every parameter.

    Attributes:
        each: In the order of the layout.
        assignment: Mean absolute error with the members of symmetric groups matched at their best
            (linear assignment), over all parameters.
        names: Of the parameters.
    """

    each: list[Score]
    assignment: float
    names: Sequence[str] = field(default_factory=tuple)

    @property
    def r2(self) -> float:
        """Mean over the parameters."""
        return _mean(s.r2 for s in self.each)

    @property
    def mae(self) -> float:
        """Mean over the parameters."""
        return _mean(s.mae for s in self.each)

    @property
    def accuracy(self) -> float:
        """Mean over the discrete parameters; NaN without."""
        return _mean(s.accuracy for s in self.each)

    @property
    def majority(self) -> float:
        """The same of the constant."""
        return _mean(s.majority for s in self.each)

    @property
    def spread(self) -> float:
        """Median over the parameters."""
        return float(np.median([s.spread for s in self.each]))

    @property
    def known(self) -> int:
        """How many have an R2 above 0.05."""
        return sum(s.r2 > 0.05 for s in self.each)


def scores(
    mean: Tensor,
    mode: Tensor,
    truth: Tensor,
    training: Tensor,
    layout: Layout,
    *,
    active: Tensor | None = None,
    names: Sequence[str] = (),
    draws: int = 400,
    seed: int = 0,
) -> Scores:
    """Score predictions (n, p) against the truth.

    Args:
        mean: Posterior means, which R2, error and spread are of.
        mode: Likeliest values, which accuracies are of.
        truth: What was rendered.
        training: Settings of the training set, for its means and commonest values.
        layout: Of the parameters.
        active: Where each parameter's gate is open, (n, p) bool.
        names: Of the parameters.
        draws: Of the bootstrap.
        seed: Of the same.
    """
    p, t, base = (x.double() for x in (mean, truth, training))
    errors, spans = (p - t).square(), (t - base.mean(0)).square()
    rows = torch.randint(len(t), (draws, len(t)), generator=torch.Generator().manual_seed(seed))
    counts = torch.zeros(draws, len(t), dtype=torch.float64)
    counts.scatter_add_(1, rows, torch.ones_like(rows, dtype=torch.float64))
    drawn = 1 - (counts @ errors) / (counts @ spans).clamp(min=1e-12)
    ends = torch.quantile(drawn, drawn.new_tensor([0.025, 0.975]), dim=0)
    r2 = 1 - errors.sum(0) / spans.sum(0).clamp(min=1e-12)
    gated = torch.full_like(r2, math.nan)
    if active is not None:
        a = active.double()
        among = (base.mean(0) * 0 + (t * a).sum(0) / a.sum(0).clamp(min=1))[None]
        inner = 1 - (errors * a).sum(0) / ((t - among).square() * a).sum(0).clamp(min=1e-12)
        some = (a.sum(0) >= 20) & (a.mean(0) < 1)
        gated = torch.where(some, inner, gated)
    spread = p.std(0) / t.std(0).clamp(min=1e-12)
    each = []
    for i, size in enumerate(layout.sizes):
        accuracy = majority = math.nan
        skill = float(r2[i])
        if size:
            wanted, said, seen = (to_bins(x[:, i : i + 1], [size]) for x in (truth, mode, training))
            accuracy = float((wanted == said).double().mean())
            majority = float((wanted == seen.flatten().mode().values).double().mean())
            skill = 1 - (1 - accuracy) / max(1 - majority, 1e-12)
        each.append(
            Score(
                float((p - t)[:, i].abs().mean()),
                float(r2[i]),
                float(ends[0, i]),
                float(ends[1, i]),
                float(gated[i]),
                accuracy,
                majority,
                skill,
                float(spread[i]),
            )
        )
    return Scores(each, float(assignment_error(p, t, layout).mean()), tuple(names))


def assignment_error(settings: Tensor, truth: Tensor, layout: Layout) -> Tensor:
    """Mean absolute error (n, p) twice to (n,), the members of each group matched at their best."""
    matched = matched_members(settings, truth, layout)
    return (matched - truth).abs().mean(1)


def matched_members(settings: Tensor, truth: Tensor, layout: Layout) -> Tensor:
    """`settings` (n, p) with the members of symmetric groups in the order nearest to `truth`."""
    out = settings.clone()
    for group in layout.groups:
        columns = torch.tensor(group)
        said, wanted = settings[:, columns], truth[:, columns]
        costs = (said[:, :, None] - wanted[:, None]).abs().mean(-1).numpy()
        for i, cost in enumerate(costs):
            rows, places = linear_sum_assignment(cost)
            out[i, columns[places]] = said[i, rows]
    return out


def chamfer(settings: Tensor, truth: Tensor, group: Sequence[Sequence[int]]) -> Tensor:
    """Mean distance to the nearest member of the other side, both ways, (n, p) twice to (n,)."""
    columns = torch.tensor(group)
    apart = torch.cdist(settings[:, columns], truth[:, columns])
    return (apart.amin(2).mean(1) + apart.amin(1).mean(1)) / 2


def _mean(values: object) -> float:
    finite = [v for v in values if math.isfinite(v)]  # type: ignore[attr-defined]
    return float(np.mean(finite)) if finite else math.nan
