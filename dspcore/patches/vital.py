"""Vital through `vita` as a host (GPL: imported in workers only)."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.plugin import Found, Kind, Parameter, PluginInfo
from dspcore.errors import UserError
from dspcore.notes import Note

NAME = "vital"
HOST = f"{__name__}:Vital"

#: What makes it draw random numbers, by the end of the name.
CHANCE = ("random_phase",)

#: Of the sound and of nothing else: a patch leaves them at their defaults.
_NOT_SOUND = ("beats_per_minute", "bypass", "mpe_enabled", "view_spectrogram", "oversampling")


class Vital:
    """The host of one plug-in, Vital's engine in the package `vita`.

    Values are those of Vital's own knobs (a time's fourth root, a level's square root): even steps
    are about even to the ear.
    """

    name: ClassVar[str] = "vital"
    extra: ClassVar[str] = "vital"

    def __init__(self) -> None:
        self._known: PluginInfo | None = None

    def missing(self) -> str:
        """Why Vital cannot be used here; "" when it can."""
        if importlib.util.find_spec("vita"):
            return ""
        return "vital: vita is not installed; install it: pip install 'dspcore[vital]'"

    def find(self) -> Iterable[Found]:
        """Vital."""
        return [] if self.missing() else [Found(NAME, "Vital")]

    def info(self, identity: str) -> PluginInfo:
        """Its controls."""
        return self._described(self._synth())

    def open(self, identity: str, sample_rate: int, block: int = 512) -> VitalInstance:
        """A fresh synth; Vital chooses its blocks itself."""
        synth = self._synth()
        synth.set_sample_rate(sample_rate)
        return VitalInstance(self._described(synth), synth, sample_rate)

    def _synth(self) -> Any:
        if why := self.missing():
            raise UserError(why)
        vita: Any = importlib.import_module("vita")
        return vita.Synth()

    def _described(self, synth: Any) -> PluginInfo:
        if self._known is None:
            self._known = self._read(synth)
        return self._known

    def _read(self, synth: Any) -> PluginInfo:
        params = []
        for name in sorted(synth.get_controls()):
            if name.startswith(_NOT_SOUND) or name.startswith("modulation_"):
                continue
            found = synth.get_control_details(name)
            low, high = float(found.min), float(found.max)
            words = [str(word) for word in found.options] if found.is_discrete else []
            kind: Kind = "continuous"
            labels: tuple[tuple[str, float], ...] = ()
            if [word.lower() for word in words] == ["off", "on"] or (
                found.is_discrete and not words and (low, high) == (0.0, 1.0)
            ):
                kind = "switch"
            elif words and len(words) == round(high - low) + 1:
                kind = "choice"
                labels = tuple((word, low + i) for i, word in enumerate(words))
            elif found.is_discrete:
                kind = "integer"
            default = min(max(float(found.default_value), low), high)
            unit = str(found.display_units).strip()
            params.append(
                Parameter(
                    name, str(found.display_name), low, high, default, unit, "linear", kind, labels
                )
            )
        return PluginInfo(HOST, NAME, "Vital", "Matt Tytel", tuple(params), 0, 2, True)


class VitalInstance:
    """One synth; its random numbers go on from render to render, in all of a process's synths."""

    def __init__(self, info: PluginInfo, synth: Any, sample_rate: int) -> None:
        self.info, self.sample_rate = info, sample_rate
        self._synth = synth
        controls = synth.get_controls()
        self._controls = [controls[param.symbol] for param in info.params]

    def render(
        self,
        audio: NDArray[np.float32],
        values: Sequence[float] | NDArray[np.float64],
        notes: Sequence[Note] = (),
    ) -> NDArray[np.float32]:
        """The sound (2, t) of one note."""
        if len(notes) != 1:
            raise UserError(f"vital: plays one note at a time, got {len(notes)}")
        for control, value in zip(self._controls, values, strict=True):
            control.set(float(value))
        (note,), samples = notes, audio.shape[1]
        late = round(note.start * self.sample_rate)
        out = np.zeros((2, samples), np.float32)
        if samples > late:
            seconds = (samples - late) / self.sample_rate
            made = self._synth.render(note.pitch, note.velocity / 127, note.seconds, seconds)
            size = min(samples - late, made.shape[1])
            out[:, late : late + size] = made[:, :size]
        return out

    def latency(self) -> int:
        """None that it would say."""
        return 0

    def reset(self) -> None:
        """Its own first preset; sounds that ring and random numbers stay."""
        self._synth.load_init_preset()

    def close(self) -> None:
        """Free it."""
        self._controls = []
        self._synth = None
