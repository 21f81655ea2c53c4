"""A graph as the tables of a preset, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import tomlkit

from dspcore.errors import UserError
from dspcore.graph import Edge, Graph, Mix, Send
from dspcore.graph.wires import LOUDEST_DB, QUIETEST_DB, Place, sorted_places
from dspcore.preset.tables import add_effect, check_keys, read_effect

_FROM = f"what it hears; a level of {QUIETEST_DB:g} to {LOUDEST_DB:g} dB: " + (
    '{ node = "name", gain_db = -6.0 }'
)


def add_graph(document: Any, graph: Graph, folder: Path) -> None:
    """Add inputs, output and nodes to a TOML document; `folder` is where it will lie."""
    graph.check()
    if graph.inputs:
        named = tomlkit.item(list(graph.inputs)).comment("further audio that the graph is given")
        document.add("inputs", named)
    nodes = graph.nodes()
    output = _edges(nodes.pop("output").sources)
    document.add("output", output.comment("the nodes that are heard, added up"))
    tables = tomlkit.aot()
    for number, (name, place) in enumerate(nodes.items()):
        table = tomlkit.table()
        table.add("name", name)
        heard = _edges(place.sources)
        table.add("from", heard if number else heard.comment(_FROM))
        assert place.effect is not None
        for key, edges in place.inputs.items():
            table.add(key, _edges(edges).comment("a further input: what it hears there"))
        add_effect(table, place.effect, folder)
        tables.append(table)
    document.add(tomlkit.nl())
    document.add("node", tables)


def read_graph(table: Mapping[str, Any], sample_rate: int, folder: Path) -> Graph:
    """The graph that the table of a preset in `folder` describes; errors name the node."""
    entries = table["node"]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError("nodes must be written as [[node]], with two brackets")
    if "output" not in table:
        raise UserError('the line output = ["..."] is missing: the nodes that are heard')
    places: dict[str, Place] = {}
    for number, entry in enumerate(entries, start=1):
        name = entry.get("name")
        if not isinstance(name, str):
            raise UserError(f'node {number}: a line like name = "eq" is missing')
        if name in places:
            raise UserError(f"node {number}: the name {name!r} is taken; choose another")
        places[name] = _place(f"node {name!r}", entry, sample_rate, folder)
    graph = Graph(sample_rate)
    inputs = table.get("inputs", [])
    if not isinstance(inputs, list):
        raise UserError(f"'inputs' must be a list of names, inputs = [\"kick\"], got {inputs!r}")
    for name in inputs:
        _explained("", partial(graph.add_input, name))
    ordered = _explained("", partial(sorted_places, places, ("input", *inputs), "graph"))
    for name, place in ordered.items():
        _explained(f"node {name!r}: ", partial(_add, graph, name, place))

    def connect() -> None:
        graph.output = _sources(_read_edges("output", table["output"]))
        graph.check()

    _explained("", connect)
    return graph


def _add(graph: Graph, name: str, place: Place) -> None:
    assert place.effect is not None
    sides = {key: _sources(edges) for key, edges in place.inputs.items()}
    graph.add(place.effect, _sources(place.sources), name=name, **sides)


def _place(where: str, entry: Mapping[str, Any], sample_rate: int, folder: Path) -> Place:
    """The effect of a [[node]] and what it hears, by names that may not exist."""
    if "from" not in entry:
        raise UserError(f'{where}: a line like from = ["input"] is missing')
    effect = read_effect(where, entry, sample_rate, folder, node=True)
    sides = {
        key: _read_edges(f"{where}: {key}", entry[key]) for key in effect.inputs if key in entry
    }
    return Place(effect, _read_edges(f"{where}: from", entry["from"]), sides)


def _read_edges(where: str, value: Any) -> tuple[Edge, ...]:
    """Edges from a name, a table with a level, or a list of them."""
    items = value if isinstance(value, list) else [value]
    edges = []
    for item in items:
        if isinstance(item, str):
            edges.append(Edge(item))
            continue
        wanted = f'{where}: wants names of nodes or {{ node = "name", gain_db = -6.0 }}'
        if not isinstance(item, dict) or not isinstance(item.get("node"), str):
            raise UserError(f"{wanted}, got {item!r}")
        check_keys(f"{where}: ", item, ["node", "gain_db", "fixed"])
        level, fixed = item.get("gain_db", 0.0), item.get("fixed", False)
        if isinstance(level, bool) or not isinstance(level, (int, float)):
            raise UserError(f"{where}: gain_db must be a number of dB, got {level!r}")
        if not QUIETEST_DB <= level <= LOUDEST_DB:
            raise UserError(
                f"{where}: gain_db must be {QUIETEST_DB:g} to {LOUDEST_DB:g} dB, got {level:g}"
            )
        if not isinstance(fixed, bool):
            raise UserError(f"{where}: fixed must be true or false, got {fixed!r}")
        edges.append(Edge(item["node"], float(level), fixed))
    if not edges:
        raise UserError(f"{where}: the list is empty; name at least one node")
    return tuple(edges)


def _sources(edges: tuple[Edge, ...]) -> Mix:
    return Mix(
        tuple(e.source if e.gain_db is None else Send(e.source, e.gain_db, e.fixed) for e in edges)
    )


def _edges(edges: tuple[Edge, ...]) -> Any:
    items = tomlkit.array()
    for edge in edges:
        if edge.gain_db is None:
            items.append(edge.source)
            continue
        item = tomlkit.inline_table()
        item.update({"node": edge.source, "gain_db": float(f"{edge.gain_db:.9g}")})
        if edge.fixed:
            item.update({"fixed": True})
        items.append(item)
    return items


def _explained(place: str, build: Callable[[], Any]) -> Any:
    """What `build` returns; its errors without the word that Python users read first."""
    try:
        return build()
    except (ValueError, TypeError) as error:
        raise UserError(place + str(error).removeprefix("graph: ")) from error
