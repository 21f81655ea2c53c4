"""How much of the time that a block lasts its computation takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Measured:
    """What blocks took."""

    seconds: float = 0.0  # of sound
    busy: float = 0.0  # seconds of the processor
    worst: float = 0.0  # share of its own length that the slowest block took, start to end
    late: int = 0  # blocks that took longer than they last, or that the device missed

    def add(self, lasts: float, busy: float, took: float) -> None:
        """One more block."""
        self.seconds += lasts
        self.busy += busy
        self.worst = max(self.worst, took / lasts)
        self.late += took > lasts

    def __str__(self) -> str:
        share = self.busy / self.seconds if self.seconds else 0.0
        late = f"{self.late} late" if self.late else "none late"
        return f"load {100 * share:.1f} % of a core, worst block {100 * self.worst:.0f} %, {late}"


class Load:
    """Measures blocks: all of them, and those since it was last asked."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.total, self._lately = Measured(), Measured()
        self._lock = threading.Lock()

    @contextmanager
    def block(self, samples: int) -> Iterator[None]:
        """Around the computation of a block."""
        began, busy = time.perf_counter(), time.thread_time()
        yield
        took, busy = time.perf_counter() - began, time.thread_time() - busy
        with self._lock:
            for measured in (self.total, self._lately):
                measured.add(samples / self.sample_rate, busy, took)

    def missed(self) -> None:
        """The device wanted a block that was not there."""
        with self._lock:
            self.total.late += 1
            self._lately.late += 1

    def lately(self) -> Measured:
        """The blocks since the last time."""
        with self._lock:
            found, self._lately = self._lately, Measured()
        return found
