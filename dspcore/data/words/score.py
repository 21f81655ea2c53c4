"""How far an alignment is from the truth."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dspcore.data.words.word import Word
from dspcore.errors import UserError

#: Shares are given for boundaries within so many milliseconds.
WITHIN_MS = (10, 20, 25, 50)


@dataclass(frozen=True)
class Score:
    """Errors of the boundaries of words that both sides have, in milliseconds.

    Args:
        matched: Words found on both sides, in order.
        missing: Words of the truth that were not found.
        extra: Words found that the truth has not.
        mean_ms, median_ms, worst_ms: Absolute error, starts and ends together.
        starts, ends: Share of starts and of ends within 10, 20, 25 and 50 ms.
    """

    matched: int
    missing: int
    extra: int
    mean_ms: float
    median_ms: float
    worst_ms: float
    starts: dict[int, float]
    ends: dict[int, float]


def score(found: Sequence[Word], truth: Sequence[Word]) -> Score:
    """Compare word by word; words are paired in order by their texts, whatever the case.

    Raises:
        UserError: No word stands on both sides.
    """
    ours = [word.text.casefold() for word in found]
    theirs = [word.text.casefold() for word in truth]
    pairs = [
        (found[a + i], truth[b + i])
        for a, b, n in difflib.SequenceMatcher(
            None, ours, theirs, autojunk=False
        ).get_matching_blocks()
        for i in range(n)
    ]
    if not pairs:
        raise UserError(f"score: no word in common: {' '.join(ours[:8])} | {' '.join(theirs[:8])}")
    starts = np.array([1000 * abs(a.start_s - b.start_s) for a, b in pairs])
    ends = np.array([1000 * abs(a.end_s - b.end_s) for a, b in pairs])
    both = np.concatenate([starts, ends])
    return Score(
        matched=len(pairs),
        missing=len(truth) - len(pairs),
        extra=len(found) - len(pairs),
        mean_ms=float(both.mean()),
        median_ms=float(np.median(both)),
        worst_ms=float(both.max()),
        starts={ms: float((starts <= ms).mean()) for ms in WITHIN_MS},
        ends={ms: float((ends <= ms).mean()) for ms in WITHIN_MS},
    )
