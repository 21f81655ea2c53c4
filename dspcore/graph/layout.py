"""Where the boxes of a graph's picture stand: layers from left to right, few crossings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from dspcore.graph.graph import INPUT, OUTPUT, Graph
from dspcore.graph.wires import Edge

_SWEEPS = 12


@dataclass(frozen=True)
class Way:
    """An edge as it is drawn: through `via`, a point in every layer that it passes."""

    edge: Edge
    to: str
    key: str  # the input that it enters, "" for the main one
    via: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """Places of nodes and of bends by name, (layer, row), and the ways between them."""

    places: Mapping[str, tuple[int, float]]
    nodes: tuple[str, ...]
    ways: tuple[Way, ...]


def laid_out(graph: Graph) -> Layout:
    """Every node in the layer after the last one that it hears, in rows that cross little.

    Source: K. Sugiyama, S. Tagawa, M. Toda, "Methods for Visual Understanding of Hierarchical
    System Structures", 1981: long edges bend through a point in every layer; rows are sorted by the
    mean row of their neighbours, to and fro.
    """
    nodes = graph.nodes()
    depth = dict.fromkeys((INPUT, *graph.inputs), 0)
    for name, place in nodes.items():
        depth[name] = 1 + max(depth[source] for source in place.before())
    # A further input stands just before the first node that hears it.
    for name in graph.inputs:
        users = [depth[n] for n, place in nodes.items() if name in place.before()]
        depth[name] = max(0, min(users, default=1) - 1)
    ways, links = [], []
    for name, place in nodes.items():
        for key, edge in place.edges():
            passed = range(depth[edge.source] + 1, depth[name])
            via = tuple(f"{edge.source} {key} {name} {layer}" for layer in passed)
            depth.update(zip(via, passed, strict=True))
            ways.append(Way(edge, name, key, via))
            path = (edge.source, *via, name)
            links += list(pairwise(path))
    used = [name for name in depth if name != INPUT or any(INPUT in link for link in links)]
    layers = [[n for n in used if depth[n] == i] for i in range(depth[OUTPUT] + 1)]
    rows = _rows(layers, links)
    shown = tuple(n for n in (INPUT, *graph.inputs, *nodes) if n in rows)
    return Layout({n: (depth[n], rows[n]) for n in rows}, shown, tuple(ways))


def _rows(layers: list[list[str]], links: list[tuple[str, str]]) -> dict[str, float]:
    """A row for every name: neighbours near one another, at least one row apart in a layer."""
    beside: dict[str, list[str]] = {name: [] for layer in layers for name in layer}
    for a, b in links:
        beside[a].append(b)
        beside[b].append(a)
    rows = {name: float(i) for layer in layers for i, name in enumerate(layer)}
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            wish = {n: _mean([rows[m] for m in beside[n]], rows[n]) for n in layer}
            layer.sort(key=lambda n: wish[n])
            rows.update(_apart([wish[n] for n in layer], layer))
    top = min(rows.values(), default=0.0)
    # To half rows: what is nearly straight becomes straight, and one apart stays one apart.
    return {name: math.floor(2 * (row - top) + 0.5) / 2 for name, row in rows.items()}


def _apart(wished: list[float], names: list[str]) -> dict[str, float]:
    """Rows in this order, one apart or more, with the least moves (blocks take their mean)."""
    blocks: list[tuple[float, int]] = []  # the first row of a block, and how many are in it
    for row in wished:
        blocks.append((row, 1))
        while len(blocks) > 1 and blocks[-2][0] + blocks[-2][1] > blocks[-1][0]:
            (first, n), (second, m) = blocks[-2:]
            blocks[-2:] = [((n * first + m * (second - n)) / (n + m), n + m)]
    rows = [first + i for first, n in blocks for i in range(n)]
    return dict(zip(names, rows, strict=True))


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
