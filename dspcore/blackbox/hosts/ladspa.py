"""LADSPA plug-ins by cffi."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.hosts import _blocks, _ladspa_h, _library, _naming, _places
from dspcore.blackbox.hosts._blocks import Audio, Values
from dspcore.blackbox.hosts._ladspa_h import AUDIO, CONTROL, INPUT
from dspcore.blackbox.hosts._midi import Event
from dspcore.blackbox.plugin import Found, Kind, Parameter, PluginInfo
from dspcore.errors import UserError, nearest
from dspcore.notes import Note

#: A range that a plug-in leaves open ends here.
OPEN_LOW, OPEN_HIGH = 0.0, 1.0


class LADSPA:
    """LADSPA by ``path:label``, `LADSPA_PATH` or the usual folders."""

    name: ClassVar[str] = "ladspa"
    extra: ClassVar[str] = "plugins"

    def __init__(self) -> None:
        self._latency: dict[tuple[str, int, int], int] = {}

    def missing(self) -> str:
        """Why LADSPA plug-ins cannot be used here; "" when they can."""
        return _library.missing(self.name)

    def installed(self) -> list[Path]:
        """The libraries."""
        return _places.files("LADSPA_PATH", "ladspa", ".so", ".dylib", ".dll", depth=0)

    def find(self) -> Iterator[Found]:
        """The libraries; `inside` says what one of them holds."""
        yield from (Found(str(path), path.stem) for path in self.installed())

    def inside(self, path: str) -> list[Found]:
        """The plug-ins of a library, which it loads."""
        return [
            Found(f"{path}:{_text(each.label)}", _text(each.name)) for each in _descriptors(path)
        ]

    def info(self, identity: str) -> PluginInfo:
        """Ports, parameters at 48 kHz, and the latency after a block at the defaults."""
        instance = self.open(identity, 48_000)
        instance.close()
        return instance.info

    def open(self, identity: str, sample_rate: int, block: int = 512) -> LADSPAInstance:
        """A fresh instance; its library stays loaded."""
        path, label = _library.split(identity, ".so")
        descriptor = _chosen(path, label)
        key = (identity, sample_rate, block)
        instance = LADSPAInstance(path, descriptor, sample_rate, block)
        if key not in self._latency:
            self._latency[key] = 0
            if instance.reports_latency:
                scout = LADSPAInstance(path, descriptor, sample_rate, block)
                scout.warm()
                self._latency[key] = scout.latency()
                scout.close()
        instance.info = replace(instance.info, latency=self._latency[key])
        return instance


class LADSPAInstance:
    """A running LADSPA plug-in."""

    def __init__(self, path: str, descriptor: Any, sample_rate: int, block: int) -> None:
        self.sample_rate, self.block = sample_rate, block
        self._descriptor = descriptor
        audio_in: list[int] = []
        audio_out: list[int] = []
        self._side_ports: list[int] = []
        self._outs: list[int] = []
        params: list[Parameter] = []
        self._settings: list[int] = []
        defaults: dict[int, float] = {}
        for index in range(descriptor.port_count):
            kind, name = descriptor.ports[index], _text(descriptor.port_names[index])
            if kind & AUDIO and kind & INPUT:
                is_side = _naming.is_side_chain(name)
                (self._side_ports if is_side else audio_in).append(index)
            elif kind & AUDIO:
                audio_out.append(index)
            elif kind & CONTROL and kind & INPUT:
                param = _parameter(name, descriptor.hints[index], sample_rate)
                defaults[index] = param.default
                if param.minimum < param.maximum:
                    self._settings.append(index)
                    params.append(param)
            elif kind & CONTROL:
                self._outs.append(index)
        names = {index: _text(descriptor.port_names[index]).lower() for index in self._outs}
        self._latency_port = next((i for i, n in names.items() if n in ("latency", "_latency")), -1)
        symbols = _naming.symbols(param.name for param in params)
        self.info = PluginInfo(
            host="ladspa",
            identity=f"{path}:{_text(descriptor.label)}",
            name=_text(descriptor.name),
            maker=_text(descriptor.maker),
            params=tuple(replace(p, symbol=s) for p, s in zip(params, symbols, strict=True)),
            inputs=len(audio_in),
            outputs=len(audio_out),
        )
        self._inputs = np.zeros((len(audio_in), block), np.float32)
        self._outputs = np.zeros((len(audio_out), block), np.float32)
        self._side = np.zeros((len(self._side_ports), block), np.float32)
        self._side_rows = _blocks.side_rows(len(self._side_ports), len(audio_in))
        self._controls = np.zeros(max(descriptor.port_count, 1), np.float32)
        self._rows = np.array(self._settings, np.intp)
        for index, value in defaults.items():
            self._controls[index] = value
        self._handle = descriptor.instantiate(descriptor, sample_rate)
        if not self._handle:
            raise UserError(
                f"{self.info.identity}: refuses to make an instance at {sample_rate} Hz; "
                "try another sample rate"
            )
        self._connect(audio_in, audio_out)
        if descriptor.activate:
            descriptor.activate(self._handle)

    @property
    def reports_latency(self) -> bool:
        """Whether it has a latency port."""
        return self._latency_port >= 0

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
        """What a port named "latency" says since the last block, as Ardour reads it."""
        if self._latency_port < 0:
            return 0
        return max(0, round(float(self._controls[self._latency_port])))

    def warm(self) -> None:
        """Run a block of silence at the defaults, which makes a latency port speak."""
        self._run(np.zeros_like(self._inputs), None, [])

    def close(self) -> None:
        """Stop and free it."""
        if not self._handle:
            return
        if self._descriptor.deactivate:
            self._descriptor.deactivate(self._handle)
        if self._descriptor.cleanup:
            self._descriptor.cleanup(self._handle)
        self._handle = None

    def _run(self, audio: Audio, setting: NDArray[np.float64] | None, _: list[Event]) -> Audio:
        if setting is not None:
            self._controls[self._rows] = setting
        self._inputs[:] = audio
        if self._side_rows.size:
            self._side[:] = audio[self._side_rows]
        self._descriptor.run(self._handle, self.block)
        return self._outputs

    def _connect(self, audio_in: list[int], audio_out: list[int]) -> None:
        ffi = _library.interface(_ladspa_h.LADSPA)
        at: dict[int, NDArray[np.float32]] = {}
        for ports, rows in (
            (audio_in, self._inputs),
            (audio_out, self._outputs),
            (self._side_ports, self._side),
        ):
            at |= dict(zip(ports, rows, strict=False))
        for index in range(self._descriptor.port_count):
            row = at.get(index, self._controls[index : index + 1])
            self._descriptor.connect_port(self._handle, index, ffi.cast("float*", row.ctypes.data))


def _descriptors(path: str) -> Iterator[Any]:
    library = _library.load(path, _ladspa_h.LADSPA, "ladspa_descriptor", "LADSPA")
    index = 0
    while descriptor := library.ladspa_descriptor(index):
        yield descriptor
        index += 1


def _chosen(path: str, label: str) -> Any:
    known = {_text(each.label): each for each in _descriptors(path)}
    if not known:
        raise UserError(f"{path}: holds no LADSPA plug-in")
    if not label and len(known) == 1:
        return next(iter(known.values()))
    if label not in known:
        what = f"has no plug-in {label!r}" if label else "holds several plug-ins"
        raise UserError(f"{path}: {what}; {nearest(label, known)}; write {path}:LABEL")
    return known[label]


def _parameter(name: str, hint: Any, sample_rate: int) -> Parameter:
    """A control as its hints say; open ends are closed around the default."""
    hints = hint.hints
    scale = float(sample_rate) if hints & _ladspa_h.SAMPLE_RATE else 1.0
    low = float(hint.low) * scale if hints & _ladspa_h.BELOW else None
    high = float(hint.high) * scale if hints & _ladspa_h.ABOVE else None
    kind: Kind = "continuous"
    if hints & _ladspa_h.TOGGLED:
        kind, low, high = "switch", 0.0, 1.0
    elif hints & _ladspa_h.INTEGER:
        kind = "integer"
    fixed = _ladspa_h.FIXED.get(hints & _ladspa_h.DEFAULT)
    if low is None:
        low = min(OPEN_LOW, fixed or 0.0, high if high is not None else 0.0)
    if high is None:
        high = max(OPEN_HIGH * scale, fixed or 0.0, low + 1.0)
    logarithmic = bool(hints & _ladspa_h.LOGARITHMIC)
    if fixed is None:
        fixed = _default(hints & _ladspa_h.DEFAULT, low, high, logarithmic)
        if kind == "integer":
            fixed = float(round(fixed))
    usable = logarithmic and low > 0 and kind == "continuous"
    return Parameter(
        symbol=name,
        name=name,
        minimum=low,
        maximum=high,
        default=min(max(fixed, low), high),
        unit=_naming.unit_in(name),
        scale="log" if usable else "linear",
        kind=kind,
    )


def _default(place: int, low: float, high: float, logarithmic: bool) -> float:
    """The default at a place in the range; without one, 0 or the end nearest to it."""
    share = {
        _ladspa_h.MINIMUM: 0.0,
        _ladspa_h.LOW: 0.25,
        _ladspa_h.MIDDLE: 0.5,
        _ladspa_h.HIGH: 0.75,
        _ladspa_h.MAXIMUM: 1.0,
    }.get(place)
    if share is None:
        return min(max(0.0, low), high)
    if logarithmic and low > 0 and high > 0 and 0 < share < 1:
        return math.exp(math.log(low) * (1 - share) + math.log(high) * share)
    return low * (1 - share) + high * share


def _text(raw: Any) -> str:
    if not raw:
        return ""
    ffi = _library.interface(_ladspa_h.LADSPA)
    return ffi.string(raw).decode("utf-8", errors="replace")
