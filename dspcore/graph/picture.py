"""A picture of a chain or a graph: boxes in layers, levels on the wires, side-chains dashed."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from dspcore.errors import UserError, nearest
from dspcore.files import replacing
from dspcore.graph.graph import Graph
from dspcore.graph.layout import Layout, Way, laid_out
from dspcore.graph.words import level_text
from dspcore.rack import Rack

if TYPE_CHECKING:  # matplotlib takes half a second to import
    from matplotlib.axes import Axes

ENDINGS = (".png", ".svg", ".pdf")
_WIDE, _HIGH = 1.7, 0.62  # inches of a box
_STEP_X, _STEP_Y = 2.75, 1.05  # from box to box
_MARGIN = 0.35
_INK, _PALE, _LINE, _SIDE = "#111827", "#6b7280", "#475569", "#c2410c"
_EFFECT, _END = ("#eff6ff", "#60a5fa"), ("#f1f5f9", "#94a3b8")


def draw(rack: Rack, path: str | os.PathLike[str]) -> None:
    """Draw a chain or a graph into a file: PNG, SVG or PDF by its ending.

    Sound flows from left to right. A box has the node's name, and beneath it the effect where that
    is called otherwise; a latency stands there too. Levels stand on their wires.

    Raises:
        UserError: the ending is unknown, or the file cannot be written.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise UserError(
            f"{path}: no picture format ends with {ending!r}; {nearest(ending, ENDINGS)}"
        )
    import matplotlib
    from matplotlib.figure import Figure

    graph = Graph.of(rack)
    layout = laid_out(graph)
    layers = 1 + max(layer for layer, _ in layout.places.values())
    rows = 1 + max(row for _, row in layout.places.values())
    size = (
        (layers - 1) * _STEP_X + _WIDE + 2 * _MARGIN,
        (rows - 1) * _STEP_Y + _HIGH + 2 * _MARGIN,
    )
    with matplotlib.rc_context({"font.size": 9, "svg.fonttype": "none"}):
        figure = Figure(figsize=size, dpi=150)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(-_WIDE / 2 - _MARGIN, size[0] - _WIDE / 2 - _MARGIN)
        axes.set_ylim(size[1] - _HIGH / 2 - _MARGIN, -_HIGH / 2 - _MARGIN)
        axes.axis("off")
        for way in layout.ways:
            _wire(axes, layout, way)
        for name in layout.nodes:
            _box(axes, graph, layout, name)
        with replacing(path) as file:
            figure.savefig(file, format=ending[1:], facecolor="white")


def _point(layout: Layout, name: str) -> tuple[float, float]:
    layer, row = layout.places[name]
    return layer * _STEP_X, row * _STEP_Y


def _box(axes: Axes, graph: Graph, layout: Layout, name: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = _point(layout, name)
    place = graph.nodes().get(name)
    effect = place.effect if place else None
    fill, edge = _EFFECT if effect else _END
    shape = "round,pad=0,rounding_size=" + ("0.08" if effect else f"{_HIGH / 2 - 0.01}")
    axes.add_patch(
        FancyBboxPatch(
            (x - _WIDE / 2, y - _HIGH / 2), _WIDE, _HIGH, shape,
            facecolor=fill, edgecolor=edge, linewidth=1.2, zorder=3,
        )
    )  # fmt: skip
    beneath = [] if effect is None or effect.name == name else [effect.name]
    if effect is not None and effect.latency_samples():
        beneath.append(f"{effect.latency_samples()} samples late")
    lift = 0.1 if beneath else 0.0
    fit = min(10.0, 10.0 * 19 / max(1, len(name)))
    axes.text(
        x, y - lift, name, ha="center", va="center", color=_INK, weight="bold", size=fit, zorder=4
    )
    if beneath:
        said = ", ".join(beneath)
        fit = min(7.5, 7.5 * 27 / len(said))
        axes.text(x, y + 0.14, said, ha="center", va="center", color=_PALE, size=fit, zorder=4)


def _wire(axes: Axes, layout: Layout, way: Way) -> None:
    """A smooth line from box to box, its arrow at the end, its label a third of the way."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    points = [_point(layout, name) for name in (way.edge.source, *way.via, way.to)]
    x, y = points[-1]
    # Side-chains enter from above or below, as they do on a mixing desk's drawing.
    side = 0.0 if not way.key else (-1.0 if points[-2][1] <= y else 1.0)
    start = (points[0][0] + _WIDE / 2, points[0][1])
    end = (x - _WIDE / 4, y + side * _HIGH / 2) if side else (x - _WIDE / 2, y)
    stops = [start, *points[1:-1], end]
    vertices, codes = [start], [Curve.MOVETO]
    for i, ((x0, y0), (x1, y1)) in enumerate(pairwise(stops)):
        bend = 0.5 * (x1 - x0)
        down = side and i == len(stops) - 2
        into = (x1, y1 + side * 0.45 * _STEP_Y) if down else (x1 - bend, y1)
        vertices += [(x0 + bend, y0), into, (x1, y1)]
        codes += [Curve.CURVE4] * 3
    color = _SIDE if side else _LINE
    axes.add_patch(
        FancyArrowPatch(
            path=Curve(vertices, codes), arrowstyle="-|>", mutation_scale=11, color=color,
            linewidth=1.3, linestyle=(0, (4, 2.5)) if side else "-", shrinkA=0, shrinkB=0, zorder=2,
        )
    )  # fmt: skip
    words = [way.key] if side else []
    if way.edge.gain_db is not None:
        words.append(level_text(way.edge))
    if words:
        spot = 0.35 if side else 0.5 if len(stops) == 2 else 0.6
        at = _between(stops[0], vertices[1], vertices[2], stops[1], spot)
        axes.text(
            *at, " ".join(words), ha="center", va="center", color=color, size=7.5, zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2},
        )  # fmt: skip


def _between(
    a: tuple[float, float],
    b: tuple[float, float],
    c: tuple[float, float],
    d: tuple[float, float],
    at: float,
) -> tuple[float, float]:
    """A point of the cubic curve from a to d."""
    weights = ((1 - at) ** 3, 3 * at * (1 - at) ** 2, 3 * at * at * (1 - at), at**3)
    x, y = (sum(w * p[i] for w, p in zip(weights, (a, b, c, d), strict=True)) for i in (0, 1))
    return x, y
