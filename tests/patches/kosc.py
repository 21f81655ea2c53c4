"""Three identical sine oscillators, as ``bench.kosc`` has them."""

from __future__ import annotations

from bench import kosc
from bench.kosc import FRONTEND, RATE, render
from dspcore.patches import Examples, LogMel

__all__ = ["FRONTEND", "RATE", "LogMel", "examples", "render"]

K = 3


def examples(count: int, seed: int) -> Examples:
    """Random patches and their spectra."""
    return kosc.examples(K, count, seed)
