"""What a search found, a line for each parameter, for reports and the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dspcore.match.fit import Match


@dataclass(frozen=True)
class Finding:
    """One parameter: found, true where that is known, and where it may lie."""

    effect: str
    name: str
    unit: str
    found: float
    true: float | None
    error: str  # found against true: percent on a logarithmic scale, else in the unit
    low: float
    high: float
    free: bool  # False where the search kept the chain's value


def findings(match: Match, true: Mapping[str, float] | None = None) -> list[Finding]:
    """Every parameter of the chain in order; `true` values by full name."""
    rows = []
    rate = match.chain.sample_rate
    for full, param in match.chain.params.items():
        effect, _, name = full.partition(".")
        found, known = match.values[full], (true or {}).get(full)
        error = "" if known is None else _error(found, known, param.scale == "log")
        free = full in match.free
        rows.append(
            Finding(effect, name, param.unit, found, known, error, *param.range(rate), free)
        )
    return rows


def number(value: float) -> str:
    """Five digits, the most that a person compares."""
    text = f"{value:.5g}"
    return f"{value:.0f}" if "e" in text and abs(value) >= 1 else text


def decibels(value: float) -> str:
    """A residual as a person reads it."""
    return "exact" if value == float("-inf") else f"{value:.1f} dB"


def _error(found: float, true: float, is_ratio: bool) -> str:
    difference = 100 * (found / true - 1) if is_ratio else found - true
    text = f"{difference:+.3f}" if abs(difference) < 9.9995 else f"{difference:+.1f}"
    text = "0" if float(text) == 0 else text
    return f"{text} %" if is_ratio else text
