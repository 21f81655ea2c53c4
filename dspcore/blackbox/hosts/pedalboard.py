"""VST3 plug-ins and built-in effects through pedalboard (GPL: imported in workers only)."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.hosts import _binary, _blocks, _library, _midi, _naming, _places, _raw
from dspcore.blackbox.hosts._blocks import Audio, Values
from dspcore.blackbox.hosts._pedalboard_effects import EFFECTS
from dspcore.blackbox.hosts._raw import Raw, Scale
from dspcore.blackbox.plugin import Found, Parameter, PluginInfo
from dspcore.errors import UserError, nearest
from dspcore.notes import Note

NEEDED = "pedalboard: is not installed; install it: pip install 'dspcore[plugins]'"


class Pedalboard:
    """VST3 by path (``path.vst3:Name`` where a file holds several), built-in effects by name."""

    name: ClassVar[str] = "pedalboard"
    extra: ClassVar[str] = "plugins"

    def __init__(self) -> None:
        self._known: dict[str, tuple[PluginInfo, list[tuple[int, Scale]]]] = {}
        self._late: dict[tuple[str, int, int], int] = {}

    def missing(self) -> str:
        """Why pedalboard cannot be used here; "" when it can."""
        return "" if importlib.util.find_spec("pedalboard") else NEEDED

    def installed(self) -> list[Path]:
        """The VST3 bundles."""
        return _places.files("VST3_PATH", "vst3", ".vst3")

    def find(self) -> Iterator[Found]:
        """The built-in effects, and the VST3 bundles by their file names."""
        yield from (Found(name, name) for name in EFFECTS)
        yield from (Found(str(path), path.stem) for path in self.installed())

    def info(self, identity: str) -> PluginInfo:
        """Channels, parameters and latency; loads the plug-in twice, to try its channels."""
        instance = self.open(identity, 48_000)
        instance.close()
        return instance.info

    def open(self, identity: str, sample_rate: int, block: int = 512) -> PedalboardInstance:
        """A fresh instance."""
        info, scales = self._described(identity)
        if identity in EFFECTS:
            plugin = getattr(_pedalboard(), identity)()
            key = (identity, sample_rate, block)
            if key not in self._late:
                self._late[key] = _dropped(getattr(_pedalboard(), identity)(), sample_rate, block)
            info = replace(info, latency=self._late[key])
            return PedalboardInstance(info, plugin, None, sample_rate, block)
        return PedalboardInstance(info, _load(identity), scales, sample_rate, block)

    def _described(self, identity: str) -> tuple[PluginInfo, list[tuple[int, Scale]]]:
        if identity not in self._known:
            self._known[identity] = _builtin(identity) or _vst3(identity)
        return self._known[identity]


class PedalboardInstance:
    """A loaded VST3 or built-in effect."""

    def __init__(
        self,
        info: PluginInfo,
        plugin: Any,
        scales: list[tuple[int, Scale]] | None,
        sample_rate: int,
        block: int,
    ) -> None:
        self.info = info
        self.sample_rate, self.block = sample_rate, block
        self._plugin, self._scales = plugin, scales

    def render(self, audio: Audio, values: Values, notes: Sequence[Note] = ()) -> Audio:
        """The output (outputs, t); the state goes on from the call before.

        pedalboard drops the samples that a plug-in is late by; they are put back as silence, so
        that every host gives what the plug-in gave.
        """
        audio, settings = _blocks.checked(self.info, audio, values, notes, self.block)
        samples = audio.shape[1]
        events = _midi.events(notes, self.sample_rate, samples)
        size = samples if settings.shape[1] == 1 else self.block
        parts = []
        for index, start in enumerate(range(0, samples, max(size, 1))):
            self._set(settings[:, index])
            end = min(start + size, samples)
            if self.info.inputs:
                parts.append(self._effect(audio[:, start:end]))
            else:
                now = [(t - start, m) for t, m in events if start <= t < end]
                parts.append(self._instrument(end - start, now))
        empty = np.zeros((self.info.outputs, 0), np.float32)
        out = np.concatenate([empty, *parts], axis=1)[:, :samples]
        late = samples - out.shape[1]
        return np.pad(out, ((0, 0), (late, 0))) if late else out

    def latency(self) -> int:
        """What a VST3 says now; what a built-in effect was found to be late by."""
        said = getattr(self._plugin, "reported_latency_samples", None)
        return self.info.latency if said is None else int(said)

    def reset(self) -> None:
        """Let it forget what it has heard, as pedalboard does between files."""
        self._plugin.reset()

    def close(self) -> None:
        """Free it."""
        self._plugin = None

    def _set(self, setting: NDArray[np.float64]) -> None:
        if self._scales is None:
            for param, value in zip(self.info.params, setting, strict=True):
                setattr(self._plugin, param.symbol, float(value))
            return
        raw = self._plugin._parameters
        for (index, scale), value in zip(self._scales, setting, strict=True):
            raw[index].raw_value = scale.raw(float(value))

    def _effect(self, audio: Audio) -> Audio:
        if audio.shape[1] <= audio.shape[0]:
            # It takes the longer side for the samples, unless an array before has shown it which.
            self._plugin.process(audio[:, :0], self.sample_rate, self.block, reset=False)
        out = self._plugin.process(
            np.ascontiguousarray(audio), self.sample_rate, self.block, reset=False
        )
        return np.asarray(out, np.float32)

    def _instrument(self, samples: int, events: list[_midi.Event]) -> Audio:
        # It cuts seconds to whole samples: a quarter of one keeps them from falling short.
        messages = [(bytes(message), (when + 0.25) / self.sample_rate) for when, message in events]
        out = self._plugin(
            messages,
            duration=(samples + 0.25) / self.sample_rate,
            sample_rate=self.sample_rate,
            num_channels=self.info.outputs,
            buffer_size=self.block,
            reset=False,
        )
        return np.asarray(out, np.float32)


def _pedalboard() -> Any:
    if sys.modules.get("dawdreamer") is not None:
        raise RuntimeError(
            "pedalboard: DawDreamer is loaded in this process, and the two crash each other; "
            "give each of them a worker of its own"
        )
    try:
        import pedalboard
        from pedalboard import _pedalboard as inner
    except ImportError as error:
        if error.name == "pedalboard":
            raise UserError(NEEDED) from error
        raise UserError(f"pedalboard: is installed but does not load: {error}") from error
    # It would ask for a thousand words of every parameter, for minutes with some plug-ins; the
    # host here sets raw values and needs none of them.
    mixin: Any = inner._PythonExternalPluginMixin
    mixin.__set_initial_parameter_values__ = lambda *_: None
    return pedalboard


def _builtin(identity: str) -> tuple[PluginInfo, list[tuple[int, Scale]]] | None:
    if identity not in EFFECTS:
        return None
    info = PluginInfo("pedalboard", identity, identity, "Spotify", EFFECTS[identity], 2, 2)
    return info, []


def _dropped(plugin: Any, sample_rate: int, block: int) -> int:
    """The samples that pedalboard drops, as a built-in effect does not say how late it is."""
    silence = np.zeros((2, 4 * sample_rate), np.float32)
    out = plugin.process(silence, sample_rate, block, reset=False)
    return int(silence.shape[1] - out.shape[1])


def _load(identity: str) -> Any:
    path, label = _library.split(identity, ".vst3")
    pedalboard = _pedalboard()
    if not Path(path).suffix and "/" not in path:
        raise UserError(f"pedalboard: has no effect {path!r}; {nearest(path, EFFECTS)}")
    _binary.check(path)
    if Path(path).suffix.lower() != ".vst3":
        raise UserError(f"{path}: pedalboard opens VST3 bundles (.vst3) and its own effects only")
    try:
        return pedalboard.VST3Plugin(path, plugin_name=label or None)
    except (ImportError, ValueError, RuntimeError) as error:
        said = str(error).strip()
        if "multiple plugins" in said or "plugin_name" in said:
            names = pedalboard.VST3Plugin.get_plugin_names_for_file(path)
            raise UserError(f"{path}: holds {', '.join(names)}; write {path}:NAME") from error
        for file in Path(path).glob("Contents/*-linux/*.so"):
            why = _binary.explain(file)
            if "cannot be loaded" not in str(why):
                raise why from error
        raise UserError(f"{path}: cannot be loaded: {said}") from error


def _vst3(identity: str) -> tuple[PluginInfo, list[tuple[int, Scale]]]:
    plugin = _load(identity)
    params: list[Parameter] = []
    scales: list[tuple[int, Scale]] = []
    for index, each in enumerate(plugin._parameters):
        raw = Raw(each.name, each.raw_value, each.label, each.num_steps, each.is_automatable)
        if _raw.usable(raw):
            param, scale = _raw.described(raw, each.get_text_for_raw_value)
            params.append(param)
            scales.append((index, scale))
    symbols = _naming.symbols(param.name for param in params)
    instrument = bool(plugin.is_instrument)
    latency = int(plugin.reported_latency_samples)
    inputs, outputs = (0, 2) if instrument else _channels(plugin, identity)
    info = PluginInfo(
        host="pedalboard",
        identity=identity,
        name=plugin.name,
        maker=plugin.manufacturer_name,
        params=tuple(replace(p, symbol=s) for p, s in zip(params, symbols, strict=True)),
        inputs=inputs,
        outputs=outputs,
        notes=instrument,
        latency=latency,
    )
    return info, scales


def _channels(plugin: Any, identity: str) -> tuple[int, int]:
    """pedalboard does not say how many channels a plug-in takes: stereo is tried, then mono."""
    said = ""
    for channels in (2, 1):
        try:
            out = plugin.process(np.zeros((channels, 512), np.float32), 48_000, 512)
        except ValueError as error:
            said = str(error)
            continue
        return channels, int(out.shape[0])
    raise UserError(f"{identity}: takes neither stereo nor mono: {said}")
