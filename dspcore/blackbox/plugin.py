"""What a host says of a plug-in, and the face of a loaded one. Plain data: it crosses processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from dspcore.notes import Note

Kind = Literal["continuous", "integer", "switch", "choice"]


@dataclass(frozen=True)
class Parameter:
    """One control input of a plug-in, in the plug-in's own units."""

    symbol: str  # unique in the plug-in, a Python identifier: what users write
    name: str  # as the plug-in's maker wrote it
    minimum: float
    maximum: float
    default: float
    unit: str = ""
    scale: Literal["linear", "log"] = "linear"
    kind: Kind = "continuous"
    labels: tuple[tuple[str, float], ...] = ()  # of a choice: word and value


@dataclass(frozen=True)
class PluginInfo:
    """A plug-in as its host sees it without processing audio."""

    host: str  # "lv2", "ladspa", "clap", "pedalboard", "dawdreamer", "function"
    identity: str  # what the host opens: a URI, a path with a label, a name
    name: str
    maker: str
    params: tuple[Parameter, ...]
    inputs: int  # audio channels in; 0 for an instrument
    outputs: int
    notes: bool = False  # takes MIDI notes
    latency: int = 0  # declared, in samples, at its defaults

    @property
    def hears(self) -> int:
        """Channels of sound that it takes: more inputs than outputs are a side-chain."""
        return min(self.inputs, self.outputs) if self.outputs <= 2 else self.inputs


@dataclass(frozen=True)
class Found:
    """A plug-in that a host found without loading its code."""

    identity: str
    name: str


class Instance(Protocol):
    """A loaded plug-in; lives in one worker process and is never shared."""

    info: PluginInfo

    def render(
        self,
        audio: NDArray[np.float32],
        values: Sequence[float] | NDArray[np.float64],
        notes: Sequence[Note] = (),
    ) -> NDArray[np.float32]:
        """The output (outputs, t) for audio (inputs, t).

        Args:
            audio: (inputs, t); for an instrument (0, t), which says the length.
            values: One for each of `info.params` in its units, (p,), or (p, n) for n blocks.
            notes: For an instrument.
        """
        ...

    def latency(self) -> int:
        """Samples that the plug-in says its output is late, now."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


class Host(Protocol):
    """Knows one plug-in format; `open` and `info` load foreign code: call them in a worker."""

    name: ClassVar[str]
    extra: ClassVar[str]  # of dspcore that it needs: "plugins", or "" for none

    def missing(self) -> str:
        """Why this host cannot be used here and what to do; "" when it can."""
        ...

    def find(self) -> Iterable[Found]:
        """What is installed: DSPCORE_PLUGIN_PATH, then the format's variable or usual places."""
        ...

    def info(self, identity: str) -> PluginInfo:
        """What the plug-in is; `UserError` says why it cannot be loaded and what to do."""
        ...

    def open(self, identity: str, sample_rate: int, block: int = 512) -> Instance:
        """A fresh instance that processes blocks of `block` samples."""
        ...
