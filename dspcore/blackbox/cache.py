"""Renders that need not be made again."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.job import Job, Rendered
from dspcore.files import replacing

Stamp = tuple[tuple[str, int, int], ...]


class Cache:
    """Remembers renders by all that they depend on; the least used go first.

    The key holds the plug-in, name, size and time of the files it was loaded from, its settings,
    the sample rate, the block size, the audio, the notes and the seed.

    Args:
        megabytes: Of audio held in memory.
        folder: Where renders are kept on disk as well; none when left out. Nothing there is ever
            removed: it is yours.
    """

    def __init__(
        self, megabytes: float = 64.0, folder: str | os.PathLike[str] | None = None
    ) -> None:
        self.limit = int(megabytes * 2**20)
        self.folder = None if folder is None else Path(folder)
        self.size = 0
        self._held: OrderedDict[str, Rendered] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def fits(self, job: Job) -> bool:
        """Whether a result is worth keeping: a long one would push out all others."""
        return job.mode != "persistent" and job.info.outputs * job.audio.shape[1] * 16 <= self.limit

    def get(self, key: str) -> Rendered | None:
        """What was put there, or None."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
                return found
        if self.folder is None:
            return None
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as file:
                found = Rendered(file["audio"], int(file["latency"]))
        except (OSError, ValueError, KeyError):
            return None
        self._hold(key, found)
        return found

    def put(self, key: str, rendered: Rendered) -> None:
        """Remember a copy."""
        kept = Rendered(rendered.audio.copy(), rendered.latency)
        self._hold(key, kept)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(self.folder / f"{key}.npz") as file:
                np.savez(file, audio=kept.audio, latency=kept.latency)

    def _hold(self, key: str, rendered: Rendered) -> None:
        with self._lock:
            if key in self._held:
                return
            self._held[key] = rendered
            self.size += rendered.audio.nbytes
            while self.size > self.limit:
                self.size -= self._held.popitem(last=False)[1].audio.nbytes


def key_of(job: Job, stamp: Stamp) -> str:
    """A name for everything that the result of a job depends on."""
    digest = hashlib.blake2b(digest_size=20)
    plugin = job.plugin
    facts: tuple[Any, ...] = (
        plugin.host,
        plugin.identity,
        plugin.sample_rate,
        plugin.block,
        stamp,
        job.mode,
        job.seed,
        job.notes,
        job.audio.shape,
        job.values.shape,
    )
    digest.update(repr(facts).encode())
    digest.update(_bytes(job.values))
    digest.update(_bytes(job.audio))
    return digest.hexdigest()


def _bytes(array: NDArray[Any]) -> Any:
    return np.ascontiguousarray(array).data.cast("B") if array.size else b""
