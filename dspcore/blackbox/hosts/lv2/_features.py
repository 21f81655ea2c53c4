"""What the LV2 host offers a plug-in: URIDs, options, a worker, a log, block sizes, paths."""

from __future__ import annotations

from typing import Any

from dspcore.blackbox.hosts.lv2 import _lilv
from dspcore.blackbox.hosts.lv2._lilv import ATOM, BUFFER, CORE, LOG, OPTIONS, STATE, URID, WORKER


class Urids:
    """Numbers for URIs, the same for all plug-ins of this process, and the features to do so.

    Callbacks hold no Python error back: cffi prints it and returns 0, which LV2 reads as failure.
    """

    def __init__(self) -> None:
        self.ffi, _, self.libc = _lilv.library()
        self._numbers: dict[bytes, int] = {}
        self._texts: list[Any] = []
        self._map = self.ffi.callback("uint32_t(void*, const char*)", self._mapped)
        self._unmap = self.ffi.callback("const char*(void*, uint32_t)", self._unmapped)
        self.map = self.ffi.new("LV2_URID_Map*", {"handle": self.ffi.NULL, "map": self._map})
        self.unmap = self.ffi.new(
            "LV2_URID_Unmap*", {"handle": self.ffi.NULL, "unmap": self._unmap}
        )

    def __getitem__(self, uri: str) -> int:
        return self.number(uri.encode())

    def number(self, uri: bytes) -> int:
        """The number of a URI, a new one where it is new."""
        if uri not in self._numbers:
            self._texts.append(self.ffi.new("char[]", uri))
            self._numbers[uri] = len(self._texts)
        return self._numbers[uri]

    def _mapped(self, _: Any, uri: Any) -> int:
        return self.number(self.ffi.string(uri))

    def _unmapped(self, _: Any, number: int) -> Any:
        return self._texts[number - 1] if 0 < number <= len(self._texts) else self.ffi.NULL


class Features:
    """The features of one instance; keeps alive what C points to.

    The worker runs at once, in the caller: rendering is offline, and the result must not depend on
    when a thread gets its turn. Its answers are delivered after the block (`deliver`).
    """

    def __init__(self, urids: Urids, sample_rate: int, block: int, capacity: int) -> None:
        self.ffi, _, self.libc = _lilv.library()
        self._worker: Any = None
        self._handle: Any = None
        self._waiting: list[bytes] = []  # asked for before the plug-in was ready
        self._answers: list[bytes] = []
        ffi = self.ffi
        self._kept: list[Any] = []
        self._schedule = self.keep(ffi.callback("int(void*, uint32_t, void*)", self._asked))
        self._respond = self.keep(ffi.callback("int(void*, uint32_t, const void*)", self._answered))
        quiet = self.keep(ffi.callback("int(void*, uint32_t, const char*, void*)", lambda *_: 0))
        log = self.keep(ffi.new("LV2_Log_Log*", {"printf": quiet, "vprintf": quiet}))
        schedule = self.keep(
            ffi.new(
                "Schedule*",
                {"schedule_work": ffi.cast("int(*)(void*, uint32_t, const void*)", self._schedule)},
            )
        )
        options = self._options(urids, sample_rate, block, capacity)
        offered: dict[str, Any] = {
            f"{URID}map": urids.map,
            f"{URID}unmap": urids.unmap,
            f"{OPTIONS}options": options,
            f"{WORKER}schedule": schedule,
            f"{LOG}log": log,
            f"{BUFFER}boundedBlockLength": ffi.NULL,
            f"{BUFFER}fixedBlockLength": ffi.NULL,
            f"{BUFFER}coarseBlockLength": ffi.NULL,
            f"{STATE}loadDefaultState": ffi.NULL,
            f"{STATE}threadSafeRestore": ffi.NULL,
            **self._paths(),
        }
        if block & (block - 1) == 0:
            offered[f"{BUFFER}powerOf2BlockLength"] = ffi.NULL
        #: What a plug-in may require without being given anything.
        self.names = {*offered, f"{CORE}isLive", f"{CORE}hardRTCapable", f"{CORE}inPlaceBroken"}
        array = [self._feature(uri, data) for uri, data in offered.items()]
        self.array = self.keep(ffi.new("LV2_Feature*[]", [*array, ffi.NULL]))

    def connect(self, instance: Any) -> None:
        """Take the worker of a plug-in that has been made, and do what it asked for meanwhile."""
        descriptor = instance.lv2_descriptor
        self._handle = instance.lv2_handle
        if descriptor.extension_data:
            uri = self.keep(self.ffi.new("char[]", f"{WORKER}interface".encode()))
            found = descriptor.extension_data(uri)
            if found:
                self._worker = self.ffi.cast("LV2_Worker_Interface*", found)
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self._work(data)

    def deliver(self) -> None:
        """After a block: hand over the worker's answers."""
        worker = self._worker
        if worker is None:
            return
        while self._answers:
            data = self._answers.pop(0)
            if worker.work_response:
                kept = self.ffi.new("char[]", data) if data else self.ffi.NULL
                worker.work_response(self._handle, len(data), kept)
        if worker.end_run:
            worker.end_run(self._handle)

    def _asked(self, _: Any, size: int, data: Any) -> int:
        copy = bytes(self.ffi.buffer(data, size)) if size else b""
        if self._worker is None:
            self._waiting.append(copy)
            return 0
        return self._work(copy)

    def _work(self, data: bytes) -> int:
        if self._worker is None or not self._worker.work:
            return 1
        kept = self.ffi.new("char[]", data) if data else self.ffi.NULL
        return self._worker.work(self._handle, self._respond, self.ffi.NULL, len(data), kept)

    def _answered(self, _: Any, size: int, data: Any) -> int:
        self._answers.append(bytes(self.ffi.buffer(data, size)) if size else b"")
        return 0

    def _options(self, urids: Urids, sample_rate: int, block: int, capacity: int) -> Any:
        integers = {
            f"{BUFFER}minBlockLength": block,
            f"{BUFFER}maxBlockLength": block,
            f"{BUFFER}nominalBlockLength": block,
            f"{BUFFER}sequenceSize": capacity,
        }
        ffi = self.ffi
        rows = []
        for uri, number in integers.items():
            value = self.keep(ffi.new("int32_t*", number))
            rows.append((0, 0, urids[uri], 4, urids[f"{ATOM}Int"], value))
        rate = self.keep(ffi.new("float*", float(sample_rate)))
        rows.append((0, 0, urids[f"{_lilv.PARAMETERS}sampleRate"], 4, urids[f"{ATOM}Float"], rate))
        rows.append((0, 0, 0, 0, 0, ffi.NULL))
        return self.keep(ffi.new("LV2_Options_Option[]", rows))

    def _paths(self) -> dict[str, Any]:
        """Files that a plug-in finds in its state keep their names."""
        ffi, libc = self.ffi, self.libc
        same = self.keep(ffi.callback("char*(void*, const char*)", lambda _, p: libc.strdup(p)))
        free = self.keep(ffi.callback("void(void*, char*)", lambda _, p: libc.free(p)))
        return {
            f"{STATE}mapPath": self.keep(
                ffi.new("LV2_State_Map_Path*", {"abstract": same, "absolute": same})
            ),
            f"{STATE}freePath": self.keep(ffi.new("LV2_State_Free_Path*", {"free_path": free})),
        }

    def _feature(self, uri: str, data: Any) -> Any:
        text = self.keep(self.ffi.new("char[]", uri.encode()))
        return self.keep(self.ffi.new("LV2_Feature*", {"URI": text, "data": data}))

    def keep(self, item: Any) -> Any:
        """Keep alive what C points to."""
        self._kept.append(item)
        return item
