"""One evaluation of a plug-in, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.plugin import PluginInfo
from dspcore.notes import Note

Mode = Literal["fresh", "fork", "persistent", "reset"]
MODES: tuple[Mode, ...] = ("fresh", "fork", "persistent", "reset")


@dataclass(frozen=True)
class Plugin:
    """What a worker opens; hashable, so that it may keep what it has opened."""

    host: str
    identity: str
    sample_rate: int
    block: int = 512


@dataclass(frozen=True, eq=False)
class Job:
    """One render.

    Args:
        plugin: What renders.
        info: What its host said of it.
        audio: (inputs, t) float32.
        values: (p,) constant or (p, n) for n blocks, one row for each of `info.params`.
        notes: For an instrument.
        mode: "fresh": a new instance; "fork": a copy of a process with an instance that has heard
            nothing; "persistent": one that has heard what came before; "reset": such a one that
            was told to forget it.
        seed: Of the C library's and numpy's random numbers before the instance is made.
        slot: Which of the persistent instances.
        cached: Whether the result may come from a cache, and be put there.
    """

    plugin: Plugin
    info: PluginInfo
    audio: NDArray[np.float32]
    values: NDArray[np.float64]
    notes: tuple[Note, ...] = ()
    mode: Mode = "fresh"
    seed: int = 0
    slot: int = 0
    cached: bool = False

    def params(self) -> dict[str, float]:
        """The settings by name, for errors; of moving ones the first."""
        firsts = self.values if self.values.ndim == 1 else self.values[:, 0]
        names = [parameter.symbol for parameter in self.info.params]
        return dict(zip(names, map(float, firsts), strict=False))


@dataclass(frozen=True, eq=False)
class Rendered:
    """What came of a job: (outputs, t) float32, and how late the plug-in says it is, in samples.

    The array may lie in memory that the next job overwrites: copy it to keep it.
    """

    audio: NDArray[np.float32]
    latency: int
