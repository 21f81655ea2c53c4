"""A graph's wires in words."""

from __future__ import annotations

from collections.abc import Iterable

from dspcore.graph.graph import Graph
from dspcore.graph.wires import Edge


def wiring(graph: Graph) -> list[tuple[str, str, str]]:
    """Name, effect and what is heard there, for every node in order, the output last."""
    rows = []
    for name, place in graph.nodes().items():
        heard = [_named(place.sources)]
        heard += [f"{key}: {_named(edges)}" for key, edges in place.inputs.items()]
        rows.append((name, place.effect.name if place.effect else "", "; ".join(heard)))
    return rows


def level_text(edge: Edge) -> str:
    """A level as a person reads it, "" where there is none."""
    if edge.gain_db is None:
        return ""
    return f"{edge.gain_db:+.3g} dB" + (" fixed" if edge.fixed else "")


def _named(edges: Iterable[Edge]) -> str:
    parts = [f"{edge.source} {level_text(edge)}".strip() for edge in edges]
    return " + ".join(parts)
