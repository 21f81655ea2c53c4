"""The results as a picture: how many times as long the others take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from dspcore.bench.ledger import Measured
from dspcore.bench.table import ratio

_INK, _OURS, _THEIRS = "#333333", "#1b7f5c", "#b35c1e"


def chart(measured: Sequence[Measured], path: Path) -> None:
    """A dot per peer and case on a logarithmic axis, forward open, forward+backward full."""
    rows = [case for case in measured if any(r.seconds for r in case.results[1:])]
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = _ratios(rows) if rows else _limits(measured)
        figure.savefig(path, dpi=100, bbox_inches="tight")


def _ratios(rows: Sequence[Measured]) -> Figure:
    processors = dict.fromkeys(case.machine["processor"] for case in rows)
    figure = Figure(figsize=(9, 0.3 * len(rows) + 1.6))
    axes = figure.subplots()
    for y, case in enumerate(rows):
        results = case.results
        for result in results[1:]:
            for kind, face in (("forward", "white"), ("forward+backward", None)):
                value = ratio(result, results[0], kind)
                if value is not None:
                    color = _OURS if value >= 1 else _THEIRS
                    axes.plot(value, y, "o", ms=6, mec=color, mfc=face or color, alpha=0.85)
        timed = [r for r in results[1:] if r.seconds]
        ours = results[0].seconds
        nearest = min(timed, key=lambda r: min(r.seconds[k] / ours[k] for k in r.seconds))
        axes.annotate(
            nearest.name,
            (1, y),
            xytext=(-6, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=7,
            color="#777777",
        )
    axes.axvline(1, color=_INK, lw=1)
    axes.set_xscale("log")
    axes.set_xlim(left=min(0.05, axes.get_xlim()[0]))
    axes.set_yticks(range(len(rows)), [case.name for case in rows])
    axes.invert_yaxis()
    axes.grid(axis="x", which="major", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("time of the other library over dspcore's (right of 1: dspcore is faster)")
    axes.set_title(
        "open: forward, full: forward + backward; grey: the nearest peer\n"
        f"{', '.join(processors)}, one thread",
        loc="left",
        fontsize=9,
    )
    return figure


def _limits(measured: Sequence[Measured]) -> Figure:
    figure = Figure(figsize=(9, 0.3 * len(measured) + 1.6))
    axes = figure.subplots()
    for y, case in enumerate(measured):
        ours = case.results[0]
        for kind, face in (("forward", "white"), ("forward+backward", _OURS)):
            if kind in ours.seconds:
                far = ours.seconds[kind] / ours.limit_seconds[kind]
                axes.plot(far, y, "o", mec=_OURS, mfc=face)
    axes.axvline(1, color=_INK, lw=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(measured)), [case.name for case in measured])
    axes.invert_yaxis()
    axes.grid(axis="x", which="major", color="#dddddd", lw=0.6)
    axes.set_xlabel("dspcore's time over the machine's limit (open: forward, full: with backward)")
    return figure
