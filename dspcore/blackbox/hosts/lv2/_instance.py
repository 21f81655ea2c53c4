"""A running LV2 plug-in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.hosts import _blocks
from dspcore.blackbox.hosts._blocks import Audio, Values
from dspcore.blackbox.hosts._midi import Event
from dspcore.blackbox.hosts.lv2 import _lilv
from dspcore.blackbox.hosts.lv2._features import Features, Urids
from dspcore.blackbox.hosts.lv2._lilv import ATOM
from dspcore.blackbox.hosts.lv2._ports import Ports
from dspcore.blackbox.plugin import PluginInfo
from dspcore.notes import Note

#: Bytes of an event buffer: a sequence head and MIDI events of 24 bytes, or what a plug-in sends.
CAPACITY = 1 << 16

#: A MIDI event in a sequence: time, atom head, three bytes, filled up to eight.
EVENT, HEAD, MIDI_BYTES = 24, 16, 3


class LV2Instance:
    """One instance with its own port buffers; made by `LV2.open`."""

    def __init__(
        self,
        info: PluginInfo,
        ports: Ports,
        raw: Any,
        features: Features,
        urids: Urids,
        sample_rate: int,
        block: int,
        release: Callable[[Any, Features], None],
    ) -> None:
        self.info = info
        self.sample_rate, self.block = sample_rate, block
        self._ports, self._raw, self._features, self._release = ports, raw, features, release
        self._ffi, _, _ = _lilv.library()
        self._descriptor, self._handle = raw.lv2_descriptor, raw.lv2_handle
        self._sequence, self._chunk = urids[f"{ATOM}Sequence"], urids[f"{ATOM}Chunk"]
        self._midi = urids[_lilv.MIDI]
        self._inputs = np.zeros((len(ports.audio_in), block), np.float32)
        self._outputs = np.zeros((len(ports.audio_out), block), np.float32)
        self._side = np.zeros((len(ports.side), block), np.float32)
        self._side_rows = _blocks.side_rows(len(ports.side), len(ports.audio_in))
        self._spare = np.zeros((max(len(ports.spare), 1), block), np.float32)
        self._controls = np.zeros(max(ports.count, 1), np.float32)
        self._rows = np.array(ports.settings, np.intp)
        self._events: dict[int, Any] = {}
        self._connect()
        if self._descriptor.activate:
            self._descriptor.activate(self._handle)

    def render(self, audio: Audio, values: Values, notes: Sequence[Note] = ()) -> Audio:
        """The output (outputs, t); the state goes on from the call before."""
        return _blocks.render(
            self.info,
            audio,
            values,
            notes,
            sample_rate=self.sample_rate,
            block=self.block,
            run=self._run,
        )

    def latency(self) -> int:
        """What the plug-in's latency port says since its last block."""
        index = self._ports.latency
        return 0 if index is None else max(0, round(float(self._controls[index])))

    def warm(self) -> None:
        """Run a block of silence at the defaults, which makes a latency port speak."""
        self._run(np.zeros_like(self._inputs), None, [])

    def reset(self) -> None:
        """Stop and start it again, on which LV2 wants the state of a new one."""
        if self._descriptor.deactivate:
            self._descriptor.deactivate(self._handle)
        if self._descriptor.activate:
            self._descriptor.activate(self._handle)

    def close(self) -> None:
        """Stop and free it."""
        if self._raw is None:
            return
        if self._descriptor.deactivate:
            self._descriptor.deactivate(self._handle)
        self._release(self._raw, self._features)
        self._raw = None

    def _run(self, audio: Audio, setting: NDArray[np.float64] | None, events: list[Event]) -> Audio:
        if setting is not None:
            self._controls[self._rows] = setting
        self._inputs[:] = audio
        if self._side_rows.size:
            self._side[:] = audio[self._side_rows]
        for index, buffer in self._events.items():
            incoming = index in self._ports.events_in
            head = self._ffi.cast("Sequence*", buffer)
            head.type = self._sequence if incoming else self._chunk
            head.size = 8 if incoming else CAPACITY - 8
            head.unit = head.pad = 0
        if events and self._ports.notes is not None:
            self._write(self._events[self._ports.notes], events)
        self._descriptor.run(self._handle, self.block)
        self._features.deliver()
        return self._outputs

    def _write(self, buffer: Any, events: list[Event]) -> None:
        head = self._ffi.cast("Sequence*", buffer)
        at = HEAD
        for offset, message in events[: (CAPACITY - HEAD) // EVENT]:
            event = self._ffi.cast("MidiEvent*", buffer + at)
            event.frames, event.size, event.type = offset, MIDI_BYTES, self._midi
            event.midi[0:MIDI_BYTES] = list(message)
            at += EVENT
        head.size = at - 8

    def _connect(self) -> None:
        ports, ffi = self._ports, self._ffi

        def place(row: NDArray[np.float32]) -> Any:
            return ffi.cast("void*", row.ctypes.data)

        at: dict[int, Any] = {}
        for indices, rows in (
            (ports.audio_in, self._inputs),
            (ports.audio_out, self._outputs),
            (ports.side, self._side),
            (ports.spare, self._spare),
        ):
            at |= {index: place(row) for index, row in zip(indices, rows, strict=False)}
        for index in (*ports.events_in, *ports.events_out):
            # Of int64: the buffer has to begin at a multiple of eight.
            self._events[index] = ffi.cast(
                "char*", self._features.keep(ffi.new("int64_t[]", CAPACITY // 8))
            )
            at[index] = self._events[index]
        for index, value in ports.defaults.items():
            self._controls[index] = value
        for index in range(ports.count):
            if index in ports.unknown:
                target = ffi.NULL
            else:
                target = at.get(index, None)
                if target is None:
                    target = place(self._controls[index : index + 1])
            self._descriptor.connect_port(self._handle, index, target)
