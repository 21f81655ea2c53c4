"""The one list that the table, the JSON and the pytest cases come from."""

from __future__ import annotations

from dspcore.bench import delays, dynamics, effects, filters, oscillators, synthesis

CASES = (
    *filters.CASES,
    *dynamics.CASES,
    *oscillators.CASES,
    *delays.CASES,
    *effects.CASES,
    *synthesis.CASES,
)
