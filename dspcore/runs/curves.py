"""Curves of runs over their steps: losses with yardsticks and phases, gradients with clip lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dspcore.latent.diagnostics import jumps, trend
from dspcore.latent.naming import phases, validation_metric
from dspcore.runs.comparison import Align, axis_factor
from dspcore.train import Run, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#1d4ed8", "#c2410c", "#15803d", "#7e22ce", "#0e7490", "#a16207", "#be123c", "#4b5563")
_SHADES = ("#dbeafe", "#ffedd5", "#dcfce7", "#f3e8ff")
_SHOWN = 2_000  # points of a curve


def draw_loss(figure: Figure, run: Run) -> None:
    """Training and validation over the steps, yardsticks, phases, jumps and plateaus."""
    axes = figure.subplots()
    main = validation_metric(run)
    tail = main.rpartition("/")[2]
    same = [n for n in run.metrics if n != main and n.rpartition("/")[2] == tail]
    for colour, name in zip(("#8cb8e8", "#9aa3ad", "#d6b4f0"), same, strict=False):
        _plot(axes, run.metrics[name], name, colour, 1.0)
    curve = run.metrics.get(main, Series())
    _plot(axes, curve, main, "#c2410c", 1.5)
    _shade(axes, run)
    for jump in jumps(curve.steps, curve.values):
        axes.axvline(jump.step, color="#7e22ce", linewidth=0.8, linestyle=":")
        axes.annotate(
            f"{jump.before:.3g} to {jump.after:.3g}", (jump.step, jump.after), fontsize=7,
            color="#7e22ce", xytext=(3, 6), textcoords="offset points",
        )  # fmt: skip
    way = trend(curve.steps, curve.values)
    if way is not None and way.flat:
        axes.plot((way.first, way.last), (way.level,) * 2, color="#111827", linewidth=3, alpha=0.35)
        axes.annotate(
            "flat", (way.last, way.level), fontsize=7, ha="right", va="bottom",
            xytext=(0, 3), textcoords="offset points",
        )  # fmt: skip
    if _positive(run.metrics[n].values for n in (*same, main) if n in run.metrics):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.tick_params(axis="y", which="minor", labelsize=7)
    axes.set_xlabel("step")
    axes.set_ylabel(tail.replace("_", " "))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=8)
    _yardsticks(figure, axes, run)


def draw_overlay(figure: Figure, runs: Sequence[Run], names: Sequence[str], align: Align) -> None:
    """The validation curves of several runs on one axis."""
    axes = figure.subplots()
    for k, (run, name) in enumerate(zip(runs, names, strict=True)):
        series = run.metrics.get(validation_metric(run), Series())
        factor = axis_factor(run, align)
        moved = Series([round(s * factor) for s in series.steps], series.values)
        _plot(axes, moved, f"{name}: {validation_metric(run)}", COLOURS[k % len(COLOURS)], 1.3)
    if _positive(run.metrics.get(validation_metric(run), Series()).values for run in runs):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel("step" if align == "step" else "items seen")
    axes.legend(fontsize=8)


def draw_parts(figure: Figure, run: Run, groups: dict[str, list[str]]) -> None:
    """Every other number that was logged, a small panel each; held-out values beside training's."""
    columns = 3
    panels = figure.subplots(-(-len(groups) // columns), columns, squeeze=False).flat
    for (title, names), axes in zip(groups.items(), panels, strict=False):  # takes no panel more
        for name in names:
            held = name.startswith("validation/")
            _plot(axes, run.metrics[name], None, "#c2410c" if held else "#1d4ed8", 1.0)
        axes.set_title(title.replace("_", " "), fontsize=8)
        axes.tick_params(labelsize=7)
    for axes in list(panels):
        axes.set_visible(False)


def term_groups(run: Run) -> dict[str, list[str]]:
    """Metrics that have no picture of their own, by what stands after phase and "validation"."""
    skipped = ("gradient_norm", "clipped", "seconds", "batches", "phase")
    starts = (*(f"{name}/" for name in phases(run)), "validation/")
    groups: dict[str, list[str]] = {}
    for name, series in run.metrics.items():
        start = next((s for s in starts if name.startswith(s)), "")
        own = name == validation_metric(run) or name.endswith("_steps")
        if len(series) > 1 and not own and name.rpartition("/")[2] not in skipped:
            groups.setdefault(name.removeprefix(start), []).append(name)
    return groups


def draw_gradients(figure: Figure, run: Run) -> None:
    """Length of the gradient with the clip limit, and the share of clipped steps beneath."""
    lengths = {n: s for n, s in run.metrics.items() if n.rpartition("/")[2] == "gradient_norm"}
    shares = {n: s for n, s in run.metrics.items() if n.rpartition("/")[2] == "clipped"}
    grid: dict[str, list[float]] = {"height_ratios": [3, 1]} if shares else {}
    panels = figure.subplots(2 if shares else 1, 1, sharex=True, squeeze=False, gridspec_kw=grid)
    above = panels[0][0]
    for colour, (name, series) in zip(COLOURS, lengths.items(), strict=False):
        _plot(above, series, name.replace("_", " "), colour, 1.0)
    limit = run.setting("clip_norm")
    if limit:
        above.axhline(float(limit), color="#111827", linewidth=1, linestyle="--")
        above.annotate(f"limit {limit:g}", (1, float(limit)), xycoords=("axes fraction", "data"),
                       fontsize=7, ha="right", va="bottom")  # fmt: skip
    above.set_yscale("log")
    above.set_ylabel("length")
    above.legend(fontsize=8)
    for colour, (name, series) in zip(COLOURS, shares.items(), strict=False):
        panels[1][0].fill_between(*_points(series), step="mid", color=colour, alpha=0.5, label=name)
    if shares:
        panels[1][0].set(ylim=(0, 1.05), ylabel="clipped")
    panels[-1][0].set_xlabel("step")


def _plot(axes: Axes, series: Series, label: str | None, colour: str, width: float) -> None:
    if series:
        axes.plot(*_points(series), label=label, color=colour, linewidth=width)


def _points(series: Series) -> tuple[list[float], list[float]]:
    """All points, or means of neighbours where there are too many to draw."""
    if len(series) <= _SHOWN:
        return list(series.steps), list(series.values)
    parts = [np.array_split(np.asarray(v, float), _SHOWN) for v in (series.steps, series.values)]
    steps, values = ([float(p.mean()) for p in part] for part in parts)
    return steps, values


def _shade(axes: Axes, run: Run) -> None:
    """A band behind each phase that does not last the whole run."""
    spans, last = phases(run), run.steps
    for shade, (name, (begin, end)) in zip(_SHADES, spans.items(), strict=False):
        if len(spans) > 1 and (begin > 0.05 * last or end < 0.95 * last):
            axes.axvspan(begin, end, color=shade, zorder=0)
            axes.annotate(name, (begin, 0.02), xycoords=("data", "axes fraction"), fontsize=7,
                          xytext=(3, 0), textcoords="offset points", color="#4b5563")  # fmt: skip


def _yardsticks(figure: Figure, axes: Axes, run: Run) -> None:
    """Lines at what a loss says of sounds without a model, those in or near the picture."""
    sticks = run.notes.get("yardsticks", {}).get("values", {})
    low, high = axes.get_ylim()
    near = {name: v for name, v in sticks.items() if v > 0 and low / 3 < v < 3 * high}
    shown = sorted(near.items(), key=lambda kv: kv[1])
    for _, value in shown:
        axes.axhline(value, color="#15803d", linewidth=0.7, linestyle="--")
    figure.draw_without_rendering()  # heights are known after the layout only
    places = axes.transData.transform([(0, value) for _, value in shown] or [(0, 0)])
    heights = (72 / figure.dpi * places[: len(shown), 1]).tolist()
    for (name, value), height, place in zip(shown, heights, spread(heights, 8.0), strict=True):
        axes.annotate(name, (1, value), xycoords=("axes fraction", "data"), fontsize=7,
                      xytext=(4, place - height), textcoords="offset points", color="#15803d",
                      va="center", annotation_clip=False)  # fmt: skip


def spread(heights: Sequence[float], least: float) -> list[float]:
    """Places at least so far apart, as near to rising `heights` as can be: labels do not overlap.

    What collides becomes a stack around the mean of what its labels want.
    """
    stacks: list[list[float]] = []  # what each label wants of its stack's foot
    for k, height in enumerate(heights):
        stacks.append([height - k * least])
        while len(stacks) > 1 and np.mean(stacks[-2]) > np.mean(stacks[-1]):
            stacks[-2:] = [stacks[-2] + stacks[-1]]
    feet = [float(np.mean(stack)) for stack in stacks for _ in stack]
    return [foot + k * least for k, foot in enumerate(feet)]


def _positive(values: object) -> bool:
    return all(v > 0 for part in values for v in part)  # type: ignore[attr-defined]
