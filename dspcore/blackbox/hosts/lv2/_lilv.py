"""liblilv and the URIs of LV2, and small readers of its nodes."""

from __future__ import annotations

import ctypes.util
from collections.abc import Iterator
from functools import cache
from typing import Any

from dspcore.blackbox.hosts.lv2._declarations import LIBC, LILV
from dspcore.errors import UserError

CORE = "http://lv2plug.in/ns/lv2core#"
EXT = "http://lv2plug.in/ns/ext/"
ATOM, URID, OPTIONS, STATE = f"{EXT}atom#", f"{EXT}urid#", f"{EXT}options#", f"{EXT}state#"
WORKER, BUFFER, LOG = f"{EXT}worker#", f"{EXT}buf-size#", f"{EXT}log#"
PROPS, PARAMETERS = f"{EXT}port-props#", f"{EXT}parameters#"
MIDI = f"{EXT}midi#MidiEvent"
UNITS = "http://lv2plug.in/ns/extensions/units#"
RDFS_LABEL = "http://www.w3.org/2000/01/rdf-schema#label"

NEEDED = (
    "lv2: needs liblilv and cffi; install them: apt-get install liblilv-0-0 "
    "(macOS: brew install lilv) and pip install 'dspcore[plugins]'"
)


@cache
def library() -> tuple[Any, Any, Any]:
    """The cffi interface, liblilv, and libc."""
    name = ctypes.util.find_library("lilv-0")
    try:
        import cffi
    except ImportError as error:
        raise UserError(NEEDED) from error
    ffi = cffi.FFI()
    ffi.cdef(LILV + LIBC)
    for candidate in (name, "liblilv-0.so.0", "liblilv-0.dylib"):
        try:
            if candidate:
                return ffi, ffi.dlopen(candidate), ffi.dlopen(None)
        except OSError:
            continue
    raise UserError(NEEDED)


class World:
    """Every bundle on LV2_PATH as lilv reads it; the URIs that are asked for become nodes once."""

    def __init__(self, path: str = "") -> None:
        self.ffi, self.lilv, _ = library()
        self.world = self.lilv.lilv_world_new()
        self._nodes: dict[str, Any] = {}
        if path:
            value = self.lilv.lilv_new_string(self.world, path.encode())
            self.lilv.lilv_world_set_option(
                self.world, b"http://drobilla.net/ns/lilv#lv2-path", value
            )
            self.lilv.lilv_node_free(value)
        self.lilv.lilv_world_load_all(self.world)
        self.plugins = self.lilv.lilv_world_get_all_plugins(self.world)

    def uri(self, text: str) -> Any:
        """The node of a URI."""
        if text not in self._nodes:
            self._nodes[text] = self.lilv.lilv_new_uri(self.world, text.encode())
        return self._nodes[text]

    def text(self, node: Any, *, owned: bool = False) -> str:
        """The words of a node, "" for none; `owned` ones are freed."""
        if not node:
            return ""
        found = self.ffi.string(self.lilv.lilv_node_as_string(node)).decode(errors="replace")
        if owned:
            self.lilv.lilv_node_free(node)
        return found

    def path(self, node: Any) -> str:
        """The file that a file URI names, "" for none."""
        if not node:
            return ""
        raw = self.lilv.lilv_node_get_path(node, self.ffi.NULL)
        if not raw:
            return ""
        found = self.ffi.string(raw).decode()
        self.lilv.lilv_free(raw)
        return found

    def each(self) -> Iterator[Any]:
        """The plug-ins."""
        lilv, plugins = self.lilv, self.plugins
        at = lilv.lilv_plugins_begin(plugins)
        while not lilv.lilv_plugins_is_end(plugins, at):
            yield lilv.lilv_plugins_get(plugins, at)
            at = lilv.lilv_plugins_next(plugins, at)

    def words(self, nodes: Any) -> list[str]:
        """The words of a collection of nodes, which is freed."""
        lilv = self.lilv
        found: list[str] = []
        if not nodes:
            return found
        at = lilv.lilv_nodes_begin(nodes)
        while not lilv.lilv_nodes_is_end(nodes, at):
            found.append(self.text(lilv.lilv_nodes_get(nodes, at)))
            at = lilv.lilv_nodes_next(nodes, at)
        lilv.lilv_nodes_free(nodes)
        return found
