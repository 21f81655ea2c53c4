"""Presets on the disk: which version a file has, and what is in it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import tomlkit

from dspcore.chain import Chain
from dspcore.errors import UserError
from dspcore.files import read_text, write_text
from dspcore.graph import Graph
from dspcore.preset.graphs import add_graph, read_graph
from dspcore.preset.tables import add_effect, check_keys, read_effect
from dspcore.rack import Rack

#: Versions of the format, the first line of every preset: of a chain, and of a graph.
CHAIN_VERSION, GRAPH_VERSION = 1, 2


def load_preset(path: str | os.PathLike[str], sample_rate: int | None = None) -> Chain | Graph:
    """Read a chain or a graph from a preset.

    Args:
        path: A TOML file as `save_preset` and ``dspcore preset new`` write it.
        sample_rate: In Hz; by default the one in the file, else 48000.

    Raises:
        UserError: The file cannot be read, or it holds an unknown effect, node or key (the nearest
            names are given), a value out of range, a wrong type, nodes in a circle or a newer
            version; says where.
    """
    try:
        return parse_preset(read_text(path), sample_rate, folder=Path(path).parent)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: is not valid TOML: {error}") from error
    except UserError as error:
        message = str(error)
        raise UserError(
            message if message.startswith(str(path)) else f"{path}: {message}"
        ) from error


def save_preset(rack: Rack, path: str | os.PathLike[str], comment: str = "") -> None:
    """Write a chain or a graph as a commented preset; `comment` stands above it."""
    text = preset_text(rack, comment, sample_rate=rack.sample_rate, folder=Path(path).parent)
    write_text(path, text)


def parse_preset(
    text: str, sample_rate: int | None = None, *, folder: Path | None = None
) -> Chain | Graph:
    """What the text of a preset describes; errors as in `load_preset`.

    Paths of files are relative to `folder`, by default the current one.
    """
    folder = folder or Path()
    table = tomllib.loads(text)
    version = table.get("dspcore")
    graph_keys = ["inputs", "output", "node"]
    known = ["dspcore", "sample_rate", "effect"]
    if version is None or version == CHAIN_VERSION:
        if any(key in table for key in graph_keys) and version is not None:
            raise UserError(f"has nodes of a graph: begin it with 'dspcore = {GRAPH_VERSION}'")
        check_keys("", table, known)
    if version is None:
        raise UserError(
            f"is not a preset of dspcore: the line 'dspcore = {CHAIN_VERSION}' is missing"
        )
    if type(version) is not int or version < 1:
        raise UserError(f"'dspcore' must be the format version {CHAIN_VERSION}, got {version!r}")
    if version > GRAPH_VERSION:
        raise UserError(
            f"has format version {version}, this dspcore reads {CHAIN_VERSION} and "
            f"{GRAPH_VERSION}; update it"
        )
    check_keys("", table, [*known, *graph_keys])
    rate = table.get("sample_rate", 48_000) if sample_rate is None else sample_rate
    if type(rate) is not int or rate <= 0:
        raise UserError(f"'sample_rate' must be a whole number of Hz, got {rate!r}")
    if "node" in table:
        if "effect" in table:
            raise UserError("has both [[effect]] and [[node]]; a graph has nodes only")
        return read_graph(table, rate, folder)
    if any(key in table for key in graph_keys):
        raise UserError("has no nodes; each begins with a line [[node]]")
    entries = table.get("effect", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError("effects must be written as [[effect]], with two brackets")
    if not entries:
        raise UserError('has no effects; each begins with a line [[effect]] and a type = "..."')
    numbered = enumerate(entries, start=1)
    return Chain(read_effect(f"effect {i}", entry, rate, folder) for i, entry in numbered)


def preset_text(
    rack: Rack, comment: str = "", *, sample_rate: int | None = None, folder: Path | None = None
) -> str:
    """A chain or a graph as the text of a preset, with the meaning and range of every parameter.

    Paths of files are written as seen from `folder`, by default the current one.
    """
    folder = folder or Path()
    document = tomlkit.document()
    for line in comment.splitlines():
        document.add(tomlkit.comment(line))
    version = GRAPH_VERSION if isinstance(rack, Graph) else CHAIN_VERSION
    document.add("dspcore", tomlkit.item(version).comment("version of the preset format"))
    if sample_rate is not None:
        rate = tomlkit.item(sample_rate).comment("Hz; render uses that of the audio instead")
        document.add("sample_rate", rate)
    if isinstance(rack, Graph):
        add_graph(document, rack, folder)
        return tomlkit.dumps(document)
    tables = tomlkit.aot()
    for effect in rack:
        table = tomlkit.table()
        add_effect(table, effect, folder)
        tables.append(table)
    document.add(tomlkit.nl())
    document.add("effect", tables)
    return tomlkit.dumps(document)
