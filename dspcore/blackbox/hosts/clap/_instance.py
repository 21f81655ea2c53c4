"""A running CLAP plug-in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.hosts import _blocks, _library, _midi
from dspcore.blackbox.hosts._blocks import Audio, Values
from dspcore.blackbox.hosts._midi import Event
from dspcore.blackbox.hosts.clap import _declarations as c
from dspcore.blackbox.hosts.clap._callbacks import EventList
from dspcore.blackbox.hosts.clap._describe import Description
from dspcore.errors import UserError
from dspcore.notes import Note


class CLAPInstance:
    """One instance with its own buffers; made by `CLAP.open`."""

    def __init__(self, plugin: Any, description: Description, sample_rate: int, block: int) -> None:
        self.info = description.info
        self.sample_rate, self.block = sample_rate, block
        self._plugin, self._description = plugin, description
        self._ffi = _library.interface(c.CLAP)
        self._events = EventList()
        self._kept: list[Any] = []
        self._clock = 0
        if not plugin.activate(plugin, float(sample_rate), block, block):
            plugin.destroy(plugin)
            self._plugin = None
            raise UserError(
                f"{self.info.identity}: refuses to start at {sample_rate} Hz in blocks of {block}; "
                "try another sample rate"
            )
        self._inputs, inputs = self._buffers(description.inputs)
        self._outputs, outputs = self._buffers(description.outputs)
        self._main_in = self._main(self._inputs, description.inputs)
        ports = zip(self._inputs, description.inputs, strict=True)
        self._sides = [array for array, (_, is_main) in ports if not is_main and array.size]
        self._main_out = self._main(self._outputs, description.outputs)
        self._process = self._ffi.new(
            "clap_process*",
            {
                "frames_count": block,
                "audio_inputs": inputs,
                "audio_outputs": outputs,
                "audio_inputs_count": len(description.inputs),
                "audio_outputs_count": len(description.outputs),
                "in_events": self._events.incoming,
                "out_events": self._events.outgoing,
            },
        )
        plugin.start_processing(plugin)

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
        """What the plug-in says now."""
        raw = self._plugin.get_extension(self._plugin, b"clap.latency")
        if not raw:
            return 0
        return int(self._ffi.cast("clap_plugin_latency*", raw).get(self._plugin))

    def reset(self) -> None:
        """CLAP's own word for it: kill all voices, clear all memory."""
        self._plugin.reset(self._plugin)
        self._clock = 0

    def close(self) -> None:
        """Stop and free it."""
        plugin, self._plugin = self._plugin, None
        if plugin:
            plugin.stop_processing(plugin)
            plugin.deactivate(plugin)
            plugin.destroy(plugin)

    def _run(self, audio: Audio, setting: NDArray[np.float64] | None, events: list[Event]) -> Audio:
        found = [] if setting is None else self._values(setting)
        self._events.set(found + [self._note(*event) for event in events])
        if self._main_in.size:
            self._main_in[:] = audio
            for side in self._sides:
                side[:] = audio[_blocks.side_rows(len(side), len(audio))]
        self._process.steady_time = self._clock
        if self._plugin.process(self._plugin, self._process) == 0:
            raise UserError(f"{self.info.identity}: said that it could not process a block")
        self._clock += self.block
        return self._main_out

    def _values(self, setting: NDArray[np.float64]) -> list[Any]:
        made = []
        for (number, cookie), value in zip(self._description.params, setting, strict=True):
            header = self._header("clap_event_param_value", 0, c.PARAM_VALUE)
            made.append(
                self._ffi.new(
                    "clap_event_param_value*",
                    [header, number, cookie, -1, -1, -1, -1, float(value)],
                )
            )
        return made

    def _note(self, offset: int, message: tuple[int, int, int]) -> Any:
        if not self._description.clap_notes:
            header = self._header("clap_event_midi", offset, c.MIDI)
            return self._ffi.new("clap_event_midi*", [header, 0, list(message)])
        status, key, velocity = message
        kind = c.NOTE_ON if status == _midi.NOTE_ON else c.NOTE_OFF
        header = self._header("clap_event_note", offset, kind)
        return self._ffi.new("clap_event_note*", [header, -1, 0, 0, key, velocity / 127])

    def _header(self, struct: str, offset: int, kind: int) -> tuple[int, int, int, int, int]:
        return (self._ffi.sizeof(struct), offset, 0, kind, 0)

    def _buffers(self, ports: list[tuple[int, bool]]) -> tuple[list[NDArray[np.float32]], Any]:
        ffi = self._ffi
        rows = [np.zeros((channels, self.block), np.float32) for channels, _ in ports]
        structs = ffi.new("clap_audio_buffer[]", max(len(ports), 1))
        for struct, array in zip(structs, rows, strict=False):
            pointers = ffi.new(
                "float*[]", [ffi.cast("float*", row.ctypes.data) for row in array] or 1
            )
            self._kept.append(pointers)
            struct.data32, struct.channel_count = pointers, len(array)
        self._kept.append(structs)
        return rows, structs

    def _main(
        self, rows: list[NDArray[np.float32]], ports: list[tuple[int, bool]]
    ) -> NDArray[np.float32]:
        for array, (_, is_main) in zip(rows, ports, strict=True):
            if is_main:
                return array
        return np.zeros((0, self.block), np.float32)
