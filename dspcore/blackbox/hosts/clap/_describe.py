"""What a CLAP plug-in says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dspcore.blackbox.hosts import _library, _naming
from dspcore.blackbox.hosts.clap import _declarations as c
from dspcore.blackbox.plugin import Kind, Parameter, PluginInfo

#: Words of an enumeration are asked for up to here.
MOST_LABELS = 64


@dataclass(frozen=True)
class Description:
    """The face of a plug-in, and what its instance needs beside."""

    info: PluginInfo
    params: list[tuple[int, Any]]  # number and cookie of each of `info.params`
    inputs: list[tuple[int, bool]]  # channels of each port, and whether it is the main one
    outputs: list[tuple[int, bool]]
    clap_notes: bool  # takes CLAP's note events; otherwise MIDI


def describe(plugin: Any, path: str) -> Description:
    """Read a plug-in that has been initialised."""
    inputs, outputs = _ports(plugin, True), _ports(plugin, False)
    dialects = _dialects(plugin)
    params, numbers = _params(plugin)
    return Description(
        info=PluginInfo(
            host="clap",
            identity=f"{path}:{text(plugin.desc.id)}",
            name=text(plugin.desc.name),
            maker=text(plugin.desc.vendor),
            params=params,
            inputs=sum(channels for channels, is_main in inputs if is_main),
            outputs=sum(channels for channels, is_main in outputs if is_main),
            notes=bool(dialects & (c.NOTES_CLAP | c.NOTES_MIDI)),
        ),
        params=numbers,
        inputs=inputs,
        outputs=outputs,
        clap_notes=bool(dialects & c.NOTES_CLAP),
    )


def text(raw: Any) -> str:
    """A C string, "" for none."""
    if not raw:
        return ""
    return _library.interface(c.CLAP).string(raw).decode("utf-8", errors="replace")


def _extension(plugin: Any, name: bytes, kind: str) -> Any:
    raw = plugin.get_extension(plugin, name)
    return _library.interface(c.CLAP).cast(kind, raw) if raw else None


def _ports(plugin: Any, is_input: bool) -> list[tuple[int, bool]]:
    """Channels of the ports; the first one is the main one where none is marked."""
    ports = _extension(plugin, b"clap.audio-ports", "clap_plugin_audio_ports*")
    if ports is None:
        return []
    info = _library.interface(c.CLAP).new("clap_audio_port_info*")
    found = []
    for index in range(ports.count(plugin, is_input)):
        if ports.get(plugin, index, is_input, info):
            found.append((int(info.channel_count), bool(info.flags & c.MAIN_PORT)))
        else:
            found.append((0, False))
    mains = [index for index, (_, is_main) in enumerate(found) if is_main][:1] or [0]
    return [(channels, index in mains) for index, (channels, _) in enumerate(found)]


def _dialects(plugin: Any) -> int:
    ports = _extension(plugin, b"clap.note-ports", "clap_plugin_note_ports*")
    if ports is None or ports.count(plugin, True) == 0:
        return 0
    info = _library.interface(c.CLAP).new("clap_note_port_info*")
    return int(info.dialects) if ports.get(plugin, 0, True, info) else 0


def _params(plugin: Any) -> tuple[tuple[Parameter, ...], list[tuple[int, Any]]]:
    """The settings; what is read-only (a meter), hidden or a bypass switch is none."""
    params = _extension(plugin, b"clap.params", "clap_plugin_params*")
    if params is None:
        return (), []
    ffi = _library.interface(c.CLAP)
    found, numbers = [], []
    info = ffi.new("clap_param_info*")
    for index in range(params.count(plugin)):
        if not params.get_info(plugin, index, info):
            continue
        if info.flags & (c.READ_ONLY | c.HIDDEN | c.BYPASS) or not info.least < info.most:
            continue
        numbers.append((int(info.id), info.cookie))
        name = text(info.name)
        stepped = bool(info.flags & (c.STEPPED | c.ENUM))
        kind: Kind = "continuous"
        labels: tuple[tuple[str, float], ...] = ()
        if stepped and (info.least, info.most) == (0, 1):
            kind = "switch"
        elif stepped:
            kind = "integer"
            if info.most - info.least < MOST_LABELS:
                labels = _labels(plugin, params, info)
                kind = "choice" if labels else "integer"
        found.append(
            Parameter(
                symbol=name,
                name=name,
                minimum=float(info.least),
                maximum=float(info.most),
                default=min(max(float(info.initial), info.least), info.most),
                unit=_naming.unit_in(name) or _unit(plugin, params, info),
                kind=kind,
                labels=labels,
            )
        )
    symbols = _naming.symbols(param.name for param in found)
    return (
        tuple(
            Parameter(**{**vars(param), "symbol": symbol})
            for param, symbol in zip(found, symbols, strict=True)
        ),
        numbers,
    )


def _labels(plugin: Any, params: Any, info: Any) -> tuple[tuple[str, float], ...]:
    """Words for the steps; none where they are only the numbers."""
    steps = [float(step) for step in range(int(info.least), int(info.most) + 1)]
    words = [_said(plugin, params, info.id, step) for step in steps]
    if any(not word or word[0].isdigit() or word[0] == "-" for word in words):
        return ()
    return tuple(zip(words, steps, strict=True))


def _unit(plugin: Any, params: Any, info: Any) -> str:
    """The word after the number in "-12.0 dB", where dspcore knows it."""
    word = _said(plugin, params, info.id, info.initial).rpartition(" ")[2]
    return _naming.UNITS.get(word.lower(), "")


def _said(plugin: Any, params: Any, number: int, value: float) -> str:
    if not params.value_to_text:
        return ""
    ffi = _library.interface(c.CLAP)
    buffer = ffi.new("char[]", 256)
    return text(buffer) if params.value_to_text(plugin, number, value, buffer, 256) else ""
