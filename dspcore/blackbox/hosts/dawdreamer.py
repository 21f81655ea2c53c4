"""VST2, VST3, Faust and LV2 through DawDreamer (GPL: imported in workers only)."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.hosts import _binary, _blocks, _faust, _naming, _places, _raw
from dspcore.blackbox.hosts._blocks import Audio, Values
from dspcore.blackbox.hosts._raw import Raw, Scale
from dspcore.blackbox.plugin import Found, Parameter, PluginInfo
from dspcore.errors import UserError
from dspcore.notes import Note

NEEDED = "dawdreamer: is not installed; install it: pip install 'dspcore[plugins]'"

#: The sample rate at which a plug-in is described.
RATE = 48_000

#: Where a parameter stands in the processor, and its scale there; None: in its own units.
Place = tuple[int, Scale | None]


class DawDreamer:
    """VST2 (.so) and VST3 by path, Faust by a .dsp file, LV2 by URI.

    Setting an LV2 parameter does nothing in DawDreamer 0.9; automation does, so LV2 is automated.
    """

    name: ClassVar[str] = "dawdreamer"
    extra: ClassVar[str] = "plugins"

    def __init__(self) -> None:
        self._known: dict[str, tuple[PluginInfo, list[Place]]] = {}

    def missing(self) -> str:
        """Why DawDreamer cannot be used here; "" when it can."""
        return "" if importlib.util.find_spec("dawdreamer") else NEEDED

    def installed(self) -> list[Path]:
        """The VST2 libraries and VST3 bundles."""
        ending = {"darwin": ".vst", "win32": ".dll"}.get(sys.platform, ".so")
        vst2 = _places.files("VST_PATH", "vst", ending)
        return vst2 + _places.files("VST3_PATH", "vst3", ".vst3")

    def find(self) -> Iterator[Found]:
        """Them by their file names."""
        yield from (Found(str(path), _file_name(path)) for path in self.installed())

    def info(self, identity: str) -> PluginInfo:
        """Channels, parameters and latency."""
        return self._described(identity)[0]

    def open(self, identity: str, sample_rate: int, block: int = 512) -> DawDreamerInstance:
        """A fresh instance in an engine of its own."""
        info, places = self._described(identity)
        engine = _dawdreamer().RenderEngine(sample_rate, block)
        processor = _make(engine, identity)
        return DawDreamerInstance(info, places, engine, processor, sample_rate, block)

    def _described(self, identity: str) -> tuple[PluginInfo, list[Place]]:
        if identity not in self._known:
            engine = _dawdreamer().RenderEngine(RATE, 512)
            processor = _make(engine, identity)
            describe = _of_faust if identity.endswith(".dsp") else _plugin
            self._known[identity] = describe(identity, processor)
        return self._known[identity]


class DawDreamerInstance:
    """A processor in its engine. A VST3 starts anew with every render; the others go on."""

    def __init__(
        self,
        info: PluginInfo,
        places: list[Place],
        engine: Any,
        processor: Any,
        sample_rate: int,
        block: int,
    ) -> None:
        self.info = info
        self.sample_rate, self.block = sample_rate, block
        self._places, self._engine, self._processor = places, engine, processor
        self._automated = _is_uri(info.identity)

    def render(self, audio: Audio, values: Values, notes: Sequence[Note] = ()) -> Audio:
        """The output (outputs, t)."""
        audio, settings = _blocks.checked(self.info, audio, values, notes, self.block)
        samples = audio.shape[1]
        blocks = -(-samples // self.block)
        if not blocks:
            return np.zeros((self.info.outputs, 0), np.float32)
        self._set(settings, blocks)
        processor = self._processor
        graph: list[tuple[Any, list[str]]] = []
        feeds = self._feeds()
        if feeds:
            padded = np.zeros((feeds, blocks * self.block), np.float32)
            rows = _blocks.side_rows(feeds, self.info.inputs)  # side-chains hear the input too
            padded[: rows.size, :samples] = audio[rows]
            graph.append((self._engine.make_playback_processor("input", padded), []))
        if self.info.notes:
            processor.clear_midi()
            for note in notes:
                processor.add_midi_note(note.pitch, note.velocity, note.start, note.seconds)
        graph.append((processor, ["input"] if feeds else []))
        self._engine.load_graph(graph)
        self._engine.render(blocks * self.block / self.sample_rate)
        out = np.asarray(processor.get_audio(), np.float32)[: self.info.outputs, :samples]
        return np.pad(out, ((0, 0), (0, samples - out.shape[1])))

    def latency(self) -> int:
        """What a plug-in says now; Faust says nothing."""
        return _latency(self._processor)

    def close(self) -> None:
        """Free it."""
        self._processor = self._engine = None

    def _feeds(self) -> int:
        """Channels to play in, side-chains among them."""
        return int(self._processor.get_num_input_channels())

    def _set(self, settings: NDArray[np.float64], blocks: int) -> None:
        moving = settings.shape[1] > 1 or self._automated
        for (index, scale), row in zip(self._places, settings, strict=True):
            raw = [value if scale is None else scale.raw(value) for value in row.tolist()]
            if not moving:
                self._processor.set_parameter(index, raw[0])
                continue
            held = np.repeat(np.array(raw, np.float32), self.block * blocks // len(raw))
            self._processor.set_automation(index, held)


def _dawdreamer() -> Any:
    if sys.modules.get("pedalboard") is not None:
        raise RuntimeError(
            "dawdreamer: pedalboard is loaded in this process, and the two crash each other; "
            "give each of them a worker of its own"
        )
    try:
        import dawdreamer
    except ImportError as error:
        if error.name == "dawdreamer":
            raise UserError(NEEDED) from error
        raise UserError(
            f"dawdreamer: is installed but does not load: {error}; on Debian: "
            "apt-get install libgl1 libx11-6 libglib2.0-0"
        ) from error
    return dawdreamer


def _file_name(path: Path) -> str:
    return path.stem.removesuffix("-vst").removesuffix("_vst")


def _is_uri(identity: str) -> bool:
    return "://" in identity or identity.startswith("urn:")


def _make(engine: Any, identity: str) -> Any:
    path = Path(identity)
    if identity.endswith(".dsp"):
        return _faust.make(engine, path)
    if not _is_uri(identity):
        _binary.check(path)
    try:
        return engine.make_plugin_processor("plugin", identity)
    except RuntimeError as error:
        if not _is_uri(identity):
            file = next(path.glob("Contents/*-linux/*.so"), path)
            why = _binary.explain(file)
            if str(why) != f"{file}: cannot be loaded":
                raise why from error
            if path.suffix != ".vst3":
                other = _binary.other_format(path, "VST2")
                if "VST2, open" not in str(other):
                    raise other from error
        raise UserError(f"{identity}: DawDreamer says: {str(error).rstrip('.')}") from error


def _latency(processor: Any) -> int:
    return int(processor.get_latency_samples()) if hasattr(processor, "get_latency_samples") else 0


def _plugin(identity: str, processor: Any) -> tuple[PluginInfo, list[Place]]:
    """Words are read from this processor by setting it; it is thrown away afterwards."""
    found = []
    every = processor.get_parameters_description()
    silent = not any(each["isAutomatable"] for each in every)  # it does not know the question
    for each in every:
        index = int(each["index"])
        steps = int(each["numSteps"]) if each["isDiscrete"] else 0
        value = float(processor.get_parameter(index))
        automatable = bool(each["isAutomatable"]) or silent
        raw = Raw(str(each["name"]), value, str(each["label"]), steps, automatable)
        if _raw.usable(raw):
            found.append((index, raw))
    params: list[Parameter] = []
    places: list[Place] = []
    for index, raw in found:
        param, scale = _raw.described(raw, _words(processor, index))
        params.append(param)
        places.append((index, scale))
    inputs = int(processor.get_num_input_channels())
    outputs = int(processor.get_num_output_channels())
    symbols = _naming.symbols(param.name for param in params)
    info = PluginInfo(
        host="dawdreamer",
        identity=identity,
        name=str(processor.get_name()) if hasattr(processor, "get_name") else identity,
        maker="",
        params=tuple(replace(p, symbol=s) for p, s in zip(params, symbols, strict=True)),
        # A third input of a stereo plug-in is its side-chain: VST2 has no other word for it.
        inputs=min(inputs, outputs) if outputs else inputs,
        outputs=outputs,
        notes=inputs == 0,
        latency=_latency(processor),
    )
    if not info.name or info.name == "plugin":  # the name of the processor in its engine
        info = replace(info, name=_file_name(Path(identity)))
    return info, places


def _of_faust(identity: str, processor: Any) -> tuple[PluginInfo, list[Place]]:
    info, indices = _faust.describe(identity, processor)
    return info, [(index, None) for index in indices]


def _words(processor: Any, index: int) -> Callable[[float], str]:
    def text(raw: float) -> str:
        processor.set_parameter(index, raw)
        return str(processor.get_parameter_text(index))

    return text
