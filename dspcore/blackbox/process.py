"""A worker process as its parent sees it: start it, talk to it, share memory with it, end it."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.job import Job, Plugin

_PAGE = 1 << 16
_NOISE = 1 << 20  # bytes of a plug-in's own output that are kept
_SHOWN = 400  # characters of it in an error

# The package's own __init__ would import torch: a bare module with its path stands in for it.
_START = """
import sys, types
sys.path[:] = {path!r}
package = types.ModuleType("dspcore")
package.__path__ = {package!r}
sys.modules["dspcore"] = package
from dspcore.blackbox.worker import main
main()
"""

#: One thread each: there are as many workers as cores.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    # Sounds come and go: memory that goes back to the system each time costs more than the rest.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "QT_QPA_PLATFORM": "offscreen",  # plug-ins with a window toolkit start without a display
}

#: Two builds of JUCE that crash each other in one process.
_ENEMIES = {"pedalboard", "dawdreamer"}

_alive: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()


class WorkerProcess:
    """One worker; it ends when this process does, however that happens.

    Args:
        memory_limit: Bytes of private memory that it may take; 0 for no limit.
    """

    def __init__(self, memory_limit: int = 0) -> None:
        ours, theirs = socket.socketpair()
        life_out, life_in = os.pipe()
        self._memory = _nameless("dspcore-audio")
        os.ftruncate(self._memory, _PAGE)
        self._noise = _nameless("dspcore-noise", append=True)
        code = _START.format(path=_import_path(), package=list(_package_path()))
        # malloc fails a little above the limit that is watched, should the watch be too slow.
        hard_limit = memory_limit + memory_limit // 4
        numbers = [theirs.fileno(), life_out, self._memory, hard_limit]
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, numbers)],
            stdin=subprocess.DEVNULL,
            stdout=self._noise,
            stderr=self._noise,
            pass_fds=numbers[:3],
            env={**os.environ, **_ENVIRONMENT},
        )
        theirs.close()
        os.close(life_out)
        self._life = life_in
        self.connection: Connection = Connection(ours.detach())
        self.shared = mmap.mmap(self._memory, _PAGE)
        self.memory_limit = memory_limit
        self.known: set[Plugin] = set()  # opened there, so that a render is all that is waited for
        self.hosts: set[str] = set()  # that have been used there
        self._quiet_at = 0
        self._open = True
        _alive.add(self)

    def takes(self, plugin: Plugin) -> bool:
        """Whether its host may be used here, beside those that have been."""
        return not any({plugin.host, other} == _ENEMIES for other in self.hosts)

    def send(self, job: Job) -> None:
        """Begin a render."""
        inputs = np.ascontiguousarray(job.audio, dtype=np.float32)
        needed = inputs.nbytes + job.info.outputs * inputs.shape[1] * 4
        if needed > len(self.shared):
            size = -(-needed // _PAGE) * _PAGE
            os.ftruncate(self._memory, size)
            self.shared = mmap.mmap(self._memory, size)
        if inputs.size:
            np.frombuffer(self.shared, np.float32, inputs.size)[:] = inputs.ravel()
        self._hush()
        self.connection.send(
            (
                "render",
                job.plugin,
                inputs.shape,
                job.info.outputs,
                job.values,
                job.notes,
                job.mode,
                job.seed,
                job.slot,
            )
        )

    def describe(self, plugin: Plugin) -> None:
        """Begin to ask what a plug-in is."""
        self._hush()
        self.connection.send(("describe", plugin))

    def output(self, job: Job) -> NDArray[np.float32]:
        """The sound of the job that is done, (outputs, t), until the next one begins."""
        shape = (job.info.outputs, job.audio.shape[1])
        start = job.info.inputs * job.audio.shape[1] * 4
        return np.frombuffer(self.shared, np.float32, shape[0] * shape[1], start).reshape(shape)

    def noise(self) -> str:
        """The end of what was printed since the present job began, in one line."""
        size = os.fstat(self._noise).st_size
        start = max(self._quiet_at, size - _NOISE) if size >= self._quiet_at else 0
        text = os.pread(self._noise, max(0, size - start), start).decode(errors="replace")
        lines = " | ".join(line.strip() for line in text.splitlines() if line.strip())
        return lines if len(lines) <= _SHOWN else "..." + lines[-_SHOWN:]

    def too_big(self) -> bool:
        """Whether it has more memory than it may; also keeps what it prints short."""
        if os.fstat(self._noise).st_size > 4 * _NOISE:
            os.ftruncate(self._noise, 0)
            self._quiet_at = 0
        if not self.memory_limit:
            return False
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return False
        return pages * mmap.PAGESIZE > self.memory_limit

    def wait_code(self, seconds: float = 2.0) -> int | None:
        """How it ended, as `subprocess` says it; None if it has not."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)
        return None

    def close(self) -> None:
        """End it at once and give everything back."""
        if not self._open:
            return
        self._open = False
        with contextlib.suppress(OSError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._forget()

    def _forget(self) -> None:
        """Close our ends, as a forked copy of this process must, too."""
        self._open = False
        with contextlib.suppress(OSError):
            self.connection.close()
        for number in (self._life, self._memory, self._noise):
            with contextlib.suppress(OSError):
                os.close(number)

    def _hush(self) -> None:
        size = os.fstat(self._noise).st_size
        if size > _NOISE:
            os.ftruncate(self._noise, 0)
            size = 0
        self._quiet_at = size

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()


def _nameless(name: str, append: bool = False) -> int:
    """A file that exists only as long as someone has it open."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create(name)
    else:
        with tempfile.TemporaryFile() as file:
            number = os.dup(file.fileno())
    if append:
        fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) | os.O_APPEND)
    return number


def _import_path() -> list[str]:
    """Where this process imports from, with the present folder by its name."""
    return [entry or os.getcwd() for entry in sys.path]


def _package_path() -> Iterable[str]:
    """Where the parts of dspcore are, as this process found them."""
    return cast(Any, sys.modules["dspcore"]).__path__


def _after_fork() -> None:
    """A forked copy of this process has no workers: it lets go of its parent's."""
    for worker in list(_alive):
        worker._forget()
    _alive.clear()


os.register_at_fork(after_in_child=_after_fork)
