"""How a sound was held and rounded: where `Effect.suggest` of a bit crusher looks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LEAST, _MOST = 1.0, 64.0  # samples that a value is held
_FIRST = 200  # changes that the coarse search for the hold looks at
_KEPT = 16  # candidates that go on
_CLEAR = 2e-6  # of the peak: a smaller change may be rounding of float32


def dry_share(dry: Tensor, reference: Tensor) -> float | None:
    """How much of `dry` (c, t) is in `reference`, where the rest stands still now and then.

    While a value is held, the reference moves by just that share of what the dry sound moves by: of
    all ratios of the two movements it is the most frequent one. None where no ratio is.
    """
    moves, answers = (sound.double().diff(dim=1).flatten() for sound in (dry, reference))
    heard = moves.abs() > 0.02 * moves.abs().max()
    ratio = (answers[heard] / moves[heard]).sort().values
    width = max(16, len(ratio) // 50)
    if len(ratio) < 4 * width:
        return None
    spans = ratio[width:] - ratio[:-width]
    start = int(spans.argmin())
    if float(spans[start]) > 1e-3:
        return None
    share = float(ratio[start : start + width].median())
    still = (answers - share * moves).abs() < _CLEAR * float(reference.abs().max())
    power = float(moves[still].square().sum())
    return float(moves[still] @ answers[still]) / power if power > 0 else None


def hold(wet: Tensor) -> float | None:
    """Samples for which every value of `wet` (c, t) is held, from the first sample on, or None.

    A value is taken at sample n where n / hold passes a whole number. The hold that explains most
    changes with fewest values is looked for on a grid, among the first changes, then among more and
    more with finer and finer steps; each change then leaves an interval, and all a narrow one.
    """
    clear = _CLEAR * float(wet.abs().max())
    changes = (wet.double().diff(dim=1).abs().amax(0) > clear).nonzero()[:, 0].double() + 1
    if len(changes) < _FIRST:
        return None
    until = _FIRST
    step = 0.3 / float(changes[until - 1])
    tried = torch.arange(math.log(_LEAST), math.log(_MOST), step, dtype=torch.float64).exp()
    while True:
        seen = changes[:until]
        scores = torch.cat([_explained(seen, part) for part in tried.split(4_096)])
        best = tried[scores.topk(min(_KEPT, len(tried))).indices]
        if until == len(changes):
            break
        until = min(2 * until, len(changes))
        finer = 0.3 / float(changes[until - 1])
        around = torch.arange(-math.ceil(step / finer), math.ceil(step / finer) + 1)
        tried = (best[:, None] * (1 + finer * around.double())).flatten()
        step = finer
    period = float(best[0])
    count = torch.floor(changes / period + 1e-6)
    counted = count > 0
    low = float(((changes[counted] - 1) / count[counted]).quantile(1.0))
    high = float((changes[counted] / count[counted]).quantile(0.0))
    # A few wrong changes leave nothing between the two; then the grid's answer stands.
    return 0.5 * (low + high) if 0 <= high - low < 4 * step * period else period


def _explained(changes: Tensor, periods: Tensor) -> Tensor:
    """How well each period explains the changes, (p,)."""
    phase = changes / periods[:, None] + 1e-6
    hits = (phase - phase.floor() < 1 / periods[:, None]).double().sum(1)
    return hits / len(changes) + 0.5 * hits * periods / float(changes[-1])


def rounding(wet: Tensor) -> float | None:
    """The step of which all values of `wet` are multiples, or None.

    The smallest value is one step or a few; greater and greater values then say it more exactly.
    """
    size = wet.double().abs().flatten()
    peak = float(size.max())
    size = size[size > 20 * _CLEAR * peak].sort().values
    if not len(size):
        return None
    for steps in (1, 2, 3, 4):
        step, limit = float(size[: 1 + len(size) // 1_000].median()) / steps, 4 * float(size[0])
        while True:
            part = size[size <= limit]
            count = (part / step).round().clamp(min=1)
            step = float((part @ count) / (count @ count))
            if limit >= peak:
                break
            limit *= 2
        rest = size / step - (size / step).round()
        if float(rest.abs().mean()) < 0.05:
            return step
    return None
