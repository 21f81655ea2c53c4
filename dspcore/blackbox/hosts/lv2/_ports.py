"""The ports of an LV2 plug-in: which carry audio, notes, settings, and what a setting means."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from dspcore.blackbox.hosts import _naming
from dspcore.blackbox.hosts.lv2 import _lilv
from dspcore.blackbox.hosts.lv2._lilv import CORE, PROPS, UNITS, World
from dspcore.blackbox.plugin import Kind, Parameter

#: Controls by which a host steers a plug-in: no settings of its sound. They stay at their default.
STEERING = {
    f"{CORE}enabled",
    f"{CORE}freeWheeling",
    f"{CORE}latency",
    "http://kxstudio.sf.net/ns/lv2ext/props#Reset",
    *(
        f"{_lilv.EXT}time#{word}"
        for word in ("speed", "frame", "bar", "barBeat", "beatsPerMinute", "beatsPerBar")
    ),
}


@dataclass
class Ports:
    """Port numbers by what they carry, and the parameters in the order of `settings`."""

    audio_in: list[int] = field(default_factory=list)
    audio_out: list[int] = field(default_factory=list)
    events_in: list[int] = field(default_factory=list)
    events_out: list[int] = field(default_factory=list)
    side: list[int] = field(default_factory=list)  # side-chains: given the main input
    spare: list[int] = field(default_factory=list)  # CV: given silence
    unknown: list[int] = field(default_factory=list)  # given nothing
    notes: int | None = None  # the one of `events_in` that takes MIDI
    latency: int | None = None
    count: int = 0
    defaults: dict[int, float] = field(default_factory=dict)  # of every control input
    settings: list[int] = field(default_factory=list)  # controls behind `params`
    params: tuple[Parameter, ...] = ()


def read(world: World, plugin: Any, sample_rate: int) -> Ports:
    """The ports of `plugin`, ranges that count in sample rates at `sample_rate`."""
    lilv, ffi = world.lilv, world.ffi
    found = Ports(count=lilv.lilv_plugin_get_num_ports(plugin))
    ranges = [ffi.new("float[]", max(found.count, 1)) for _ in range(3)]
    lilv.lilv_plugin_get_port_ranges_float(plugin, *ranges)
    if lilv.lilv_plugin_has_latency(plugin):
        found.latency = lilv.lilv_plugin_get_latency_port_index(plugin)
    params: list[Parameter] = []
    for index in range(found.count):
        port = lilv.lilv_plugin_get_port_by_index(plugin, index)
        is_a = _Asker(world, plugin, port)
        incoming = is_a("InputPort")
        if is_a("AudioPort") and incoming and _side_chain(world, plugin, port):
            found.side.append(index)
        elif is_a("AudioPort"):
            (found.audio_in if incoming else found.audio_out).append(index)
        elif is_a("ControlPort"):
            if not incoming:
                continue
            span = [float(values[index]) for values in ranges]
            param = _parameter(world, plugin, port, span, sample_rate)
            found.defaults[index] = param.default
            designation = world.text(
                lilv.lilv_port_get(plugin, port, world.uri(f"{CORE}designation")), owned=True
            )
            if designation not in STEERING and param.minimum < param.maximum:
                found.settings.append(index)
                params.append(param)
        elif is_a("CVPort"):
            found.spare.append(index)
        elif lilv.lilv_port_is_a(plugin, port, world.uri(f"{_lilv.ATOM}AtomPort")):
            (found.events_in if incoming else found.events_out).append(index)
            midi = lilv.lilv_port_supports_event(plugin, port, world.uri(_lilv.MIDI))
            if incoming and midi and found.notes is None:
                found.notes = index
        else:
            found.unknown.append(index)
    symbols = _naming.unique(param.symbol for param in params)
    found.params = tuple(
        Parameter(**{**vars(param), "symbol": symbol})
        for param, symbol in zip(params, symbols, strict=True)
    )
    return found


def _side_chain(world: World, plugin: Any, port: Any) -> bool:
    lilv = world.lilv
    names = world.text(lilv.lilv_port_get_symbol(plugin, port))
    names += world.text(lilv.lilv_port_get_name(plugin, port), owned=True)
    marked = lilv.lilv_port_has_property(plugin, port, world.uri(f"{CORE}isSideChain"))
    return bool(marked) or _naming.is_side_chain(names)


@dataclass
class _Asker:
    world: World
    plugin: Any
    port: Any

    def __call__(self, kind: str) -> bool:
        uri = self.world.uri(CORE + kind)
        return bool(self.world.lilv.lilv_port_is_a(self.plugin, self.port, uri))

    def has(self, prop: str) -> bool:
        uri = self.world.uri(prop)
        return bool(self.world.lilv.lilv_port_has_property(self.plugin, self.port, uri))


def _parameter(
    world: World, plugin: Any, port: Any, span: list[float], sample_rate: int
) -> Parameter:
    lilv = world.lilv
    ask = _Asker(world, plugin, port)
    low, high, default = span
    low = 0.0 if math.isnan(low) else low
    high = max(1.0, low) if math.isnan(high) else high
    default = low if math.isnan(default) else default
    if ask.has(f"{CORE}sampleRate"):
        low, high, default = (value * sample_rate for value in (low, high, default))
    default = min(max(default, low), high)
    labels = _labels(world, plugin, port)
    name = world.text(lilv.lilv_port_get_name(plugin, port), owned=True)
    kind: Kind = "continuous"
    if ask.has(f"{CORE}toggled") or ask.has(f"{PROPS}trigger"):
        kind = "switch"
    elif ask.has(f"{CORE}enumeration") and labels:
        kind = "choice"
    elif ask.has(f"{CORE}integer") or ask.has(f"{CORE}enumeration"):
        kind = "integer"
    logarithmic = ask.has(f"{PROPS}logarithmic") and low > 0 and kind == "continuous"
    return Parameter(
        symbol=world.text(lilv.lilv_port_get_symbol(plugin, port)),
        name=name,
        minimum=low,
        maximum=high,
        default=default,
        unit=_unit(world, plugin, port) or _naming.unit_in(name),
        scale="log" if logarithmic else "linear",
        kind=kind,
        labels=labels if kind == "choice" else (),
    )


def _labels(world: World, plugin: Any, port: Any) -> tuple[tuple[str, float], ...]:
    lilv = world.lilv
    points = lilv.lilv_port_get_scale_points(plugin, port)
    if not points:
        return ()
    found = []
    at = lilv.lilv_scale_points_begin(points)
    while not lilv.lilv_scale_points_is_end(points, at):
        point = lilv.lilv_scale_points_get(points, at)
        label = world.text(lilv.lilv_scale_point_get_label(point))
        value = lilv.lilv_node_as_float(lilv.lilv_scale_point_get_value(point))
        found.append((label, float(value)))
        at = lilv.lilv_scale_points_next(points, at)
    lilv.lilv_scale_points_free(points)
    return tuple(sorted(found, key=lambda pair: pair[1]))


def _unit(world: World, plugin: Any, port: Any) -> str:
    lilv = world.lilv
    node = lilv.lilv_port_get(plugin, port, world.uri(f"{UNITS}unit"))
    if not node:
        return ""
    text = world.text(node)
    if text.startswith(UNITS):
        lilv.lilv_node_free(node)
        return _naming.unit(text.removeprefix(UNITS))
    nodes = lilv.lilv_world_find_nodes(
        world.world, node, world.uri(f"{UNITS}symbol"), world.ffi.NULL
    )
    symbols = world.words(nodes)
    lilv.lilv_node_free(node)
    return _naming.unit(symbols[0]) if symbols else ""
