"""What the CLAP host offers a plug-in. One for all: nothing here depends on the instance."""

from __future__ import annotations

from functools import cache
from typing import Any

from dspcore.blackbox.hosts import _library
from dspcore.blackbox.hosts.clap._declarations import CLAP, NOTES_CLAP, NOTES_MIDI


@cache
def host() -> Any:
    """The clap_host that every plug-in is given."""
    return _Host().struct


class _Host:
    """Keeps the callbacks and extension structures alive as long as the process.

    Extensions are given even where they do nothing: DPF's plug-ins call `latency.changed` without
    looking whether it is there.
    """

    kept: list[_Host] = []  # noqa: RUF012 - for the life of the process

    def __init__(self) -> None:
        self.ffi = ffi = _library.interface(CLAP)
        self._alive: list[Any] = []
        nothing = self._callback("void(const clap_host*)", lambda _: None)
        yes = self._callback("bool(const clap_host*)", lambda _: True)
        flagged = self._callback("void(const clap_host*, uint32_t)", lambda *_: None)
        cleared = self._callback("void(const clap_host*, uint32_t, uint32_t)", lambda *_: None)
        never = self._callback("bool(const clap_host*, uint32_t)", lambda *_: False)
        quiet = self._callback("void(const clap_host*, int32_t, const char*)", lambda *_: None)
        dialects = self._callback("uint32_t(const clap_host*)", lambda _: NOTES_CLAP | NOTES_MIDI)
        offered = {
            b"clap.latency": ("clap_host_latency*", [nothing]),
            b"clap.params": ("clap_host_params*", [flagged, cleared, nothing]),
            b"clap.log": ("clap_host_log*", [quiet]),
            # Everything runs on the one thread that made the plug-in, so it is both.
            b"clap.thread-check": ("clap_host_thread_check*", [yes, yes]),
            b"clap.state": ("clap_host_state*", [nothing]),
            b"clap.audio-ports": ("clap_host_audio_ports*", [never, flagged]),
            b"clap.note-ports": ("clap_host_note_ports*", [dialects, flagged]),
        }
        self._extensions = {name: self._new(*made) for name, made in offered.items()}
        words = [self._new("char[]", word) for word in (b"dspcore", b"", b"", b"1")]
        extension = self._callback("const void*(const clap_host*, const char*)", self._extension)
        self.struct = ffi.new(
            "clap_host*",
            [(1, 2, 0), ffi.NULL, *words, extension, nothing, nothing, nothing],
        )
        self.kept.append(self)

    def _extension(self, _: Any, name: Any) -> Any:
        found = self._extensions.get(self.ffi.string(name))
        return self.ffi.NULL if found is None else self.ffi.cast("const void*", found)

    def _callback(self, kind: str, function: Any) -> Any:
        made = self.ffi.callback(kind, function)
        self._alive.append(made)
        return made

    def _new(self, kind: str, value: Any) -> Any:
        made = self.ffi.new(kind, value)
        self._alive.append(made)
        return made


class EventList:
    """The events of one block, as CLAP reads them and throws away what comes back."""

    def __init__(self) -> None:
        self.ffi = ffi = _library.interface(CLAP)
        self._events: list[Any] = []
        self._size = ffi.callback("uint32_t(const clap_input_events*)", lambda _: len(self._events))
        self._get = ffi.callback(
            "const clap_event_header*(const clap_input_events*, uint32_t)", self._at
        )
        self._push = ffi.callback(
            "bool(const clap_output_events*, const clap_event_header*)", lambda *_: True
        )
        self.incoming = ffi.new("clap_input_events*", [ffi.NULL, self._size, self._get])
        self.outgoing = ffi.new("clap_output_events*", [ffi.NULL, self._push])

    def set(self, events: list[Any]) -> None:
        """The events of the next block: structures that begin with a header, in order of time."""
        self._events = events

    def _at(self, _: Any, index: int) -> Any:
        if index >= len(self._events):
            return self.ffi.NULL
        return self.ffi.cast("const clap_event_header*", self._events[index])
