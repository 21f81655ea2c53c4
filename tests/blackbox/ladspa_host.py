"""A small LADSPA host by ctypes, for plug-ins that the tests compile; torch-free, as a worker's."""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from dspcore.blackbox.plugin import Found, Parameter, PluginInfo

FLOATS = c.POINTER(c.c_float)


class Hint(c.Structure):
    _fields_ = (("bits", c.c_int), ("low", c.c_float), ("high", c.c_float))


class Descriptor(c.Structure):
    pass


HANDLE = c.c_void_p
Descriptor._fields_ = [
    ("unique", c.c_ulong),
    ("label", c.c_char_p),
    ("properties", c.c_int),
    ("name", c.c_char_p),
    ("maker", c.c_char_p),
    ("copyright", c.c_char_p),
    ("port_count", c.c_ulong),
    ("ports", c.POINTER(c.c_int)),
    ("port_names", c.POINTER(c.c_char_p)),
    ("hints", c.POINTER(Hint)),
    ("data", c.c_void_p),
    ("instantiate", c.CFUNCTYPE(HANDLE, c.POINTER(Descriptor), c.c_ulong)),
    ("connect_port", c.CFUNCTYPE(None, HANDLE, c.c_ulong, FLOATS)),
    ("activate", c.CFUNCTYPE(None, HANDLE)),
    ("run", c.CFUNCTYPE(None, HANDLE, c.c_ulong)),
    ("run_adding", c.c_void_p),
    ("set_gain", c.c_void_p),
    ("deactivate", c.c_void_p),
    ("cleanup", c.CFUNCTYPE(None, HANDLE)),
]


class Ladspa:
    """Opens ``path/to/plugin.so:label``; every control runs from 0 to 1."""

    name: ClassVar[str] = "ladspa_host:Ladspa"
    extra: ClassVar[str] = ""

    def missing(self) -> str:
        return ""

    def find(self) -> Iterable[Found]:
        return ()

    def descriptor(self, identity: str) -> Any:
        path, _, label = identity.rpartition(":")
        library = c.CDLL(path)
        library.ladspa_descriptor.restype = c.POINTER(Descriptor)
        for index in range(100):
            found = library.ladspa_descriptor(c.c_ulong(index))
            if not found:
                break
            if found.contents.label.decode() == label:
                return found
        raise ValueError(f"{path} has no {label}")

    def info(self, identity: str) -> PluginInfo:
        item = self.descriptor(identity).contents
        kinds = [item.ports[i] for i in range(item.port_count)]
        names = [item.port_names[i].decode() for i in range(item.port_count)]
        params = tuple(
            Parameter(name.lower(), name, 0.0, 1.0, 0.5)
            for name, kind in zip(names, kinds, strict=True)
            if kind == 5
        )
        label = item.label.decode()
        return PluginInfo(self.name, identity, label, "", params, kinds.count(9), kinds.count(10))

    def open(self, identity: str, sample_rate: int, block: int = 512) -> LadspaInstance:
        return LadspaInstance(self.info(identity), self.descriptor(identity), sample_rate, block)


class LadspaInstance:
    def __init__(self, info: PluginInfo, pointer: Any, sample_rate: int, block: int) -> None:
        self.info, self.item, self.block = info, pointer.contents, block
        self.handle = self.item.instantiate(pointer, sample_rate)
        self.kinds = [self.item.ports[i] for i in range(self.item.port_count)]
        self.controls = np.zeros(len(self.kinds), np.float32)
        self.connect([i for i, kind in enumerate(self.kinds) if kind & 4], self.controls)
        if self.item.activate:
            self.item.activate(self.handle)

    def connect(self, ports: list[int], array: Any) -> None:
        for port in ports:
            row = array[port : port + 1] if array.ndim == 1 else array[ports.index(port)]
            self.item.connect_port(self.handle, port, row.ctypes.data_as(FLOATS))

    def render(self, audio: Any, values: Any, notes: Sequence[Any] = ()) -> Any:
        values = np.asarray(values, np.float32).reshape(len(self.info.params), -1)
        knobs = [i for i, kind in enumerate(self.kinds) if kind == 5]
        made = np.zeros((self.info.outputs, audio.shape[1]), np.float32)
        for number, start in enumerate(range(0, audio.shape[1], self.block)):
            self.controls[knobs] = values[:, min(number, values.shape[1] - 1)]
            part = np.ascontiguousarray(audio[:, start : start + self.block])
            out = np.zeros((self.info.outputs, part.shape[1]), np.float32)
            self.connect([i for i, kind in enumerate(self.kinds) if kind == 9], part)
            self.connect([i for i, kind in enumerate(self.kinds) if kind == 10], out)
            self.item.run(self.handle, part.shape[1])
            made[:, start : start + self.block] = out
        return made

    def latency(self) -> int:
        return 0

    def close(self) -> None:
        self.item.cleanup(self.handle)
