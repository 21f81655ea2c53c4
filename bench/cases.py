"""The one list that the table, the JSON and the pytest cases come from."""

from __future__ import annotations

from bench import delays, dynamics, filters, oscillators

CASES = (*filters.CASES, *dynamics.CASES, *oscillators.CASES, *delays.CASES)
