"""The process that loads foreign code: ``serve`` waits for jobs until its parent is gone.

It imports numpy and a host, never torch: it starts in a fraction of a second and stays small.
"""

from __future__ import annotations

import ast
import ctypes
import fcntl
import mmap
import os
import random
import resource
import select
import signal
import sys
import threading
from collections import OrderedDict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.job import Plugin
from dspcore.blackbox.known import host
from dspcore.blackbox.plugin import Instance
from dspcore.errors import UserError

LOUDEST = 1e4  # +80 dBFS: no sound is meant to be louder
_KEPT = 16  # libraries held open at a time
_PR_SET_PDEATHSIG = 1


def serve(socket: int, life: int, memory: int, data_limit: int) -> None:
    """Answer messages on `socket` until it is closed.

    Args:
        socket: File descriptor of a socket to the parent.
        life: Read end of a pipe whose other end only the parent holds: it ends, we end.
        memory: File descriptor of the memory shared with the parent.
        data_limit: Bytes of private memory this process may have; 0 for no limit.
    """
    _die_with_parent(life)
    if data_limit:
        resource.setrlimit(resource.RLIMIT_DATA, (data_limit, data_limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    worker = Worker(Connection(socket), memory)
    while True:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        worker.connection.send(worker.answer(*message))


class Worker:
    """What one process has open.

    Args:
        connection: To the parent.
        memory: File descriptor of the shared memory.
    """

    def __init__(self, connection: Connection, memory: int) -> None:
        self.connection, self.memory = connection, memory
        self.shared = mmap.mmap(memory, os.fstat(memory).st_size)
        self.libc = ctypes.CDLL(None)
        self.held: OrderedDict[Plugin, Instance] = OrderedDict()  # keeps the libraries loaded
        self.snapshots: dict[tuple[Plugin, int], Instance] = {}
        self.lasting: dict[tuple[Plugin, int], Instance] = {}

    def answer(self, kind: str, *arguments: Any) -> tuple[Any, ...]:
        """What to send back: ("ok", ...), or the word of an error and what happened."""
        try:
            if kind == "describe":
                return ("ok", *self.describe(*arguments))
            if kind == "render":
                return self.render(*arguments)
            return ("failed", f"a worker knows no {kind!r}")
        except UserError as error:
            return ("user", str(error))
        except MemoryError:
            return ("memory", "took more memory than it may")
        except Exception as error:
            return ("failed", f"raised {type(error).__name__}: {error}")

    def describe(self, plugin: Plugin) -> tuple[Any, ...]:
        """What the plug-in is, and the files whose change makes it another one."""
        before = _mapped()
        owner = host(plugin.host)
        info = owner.info(plugin.identity)
        instance = owner.open(plugin.identity, plugin.sample_rate, plugin.block)
        latency = instance.latency()
        files = {*(_mapped() - before), *getattr(owner, "sources", lambda _: ())(plugin.identity)}
        return info, latency, _stamp(files)

    def render(
        self,
        plugin: Plugin,
        shape: tuple[int, int],
        outputs: int,
        values: NDArray[np.float64],
        notes: tuple[Any, ...],
        mode: str,
        seed: int,
        slot: int,
    ) -> tuple[Any, ...]:
        """Render what lies in shared memory to behind it; ("ok", latency) or an error."""
        size = os.fstat(self.memory).st_size
        if len(self.shared) != size:
            self.shared = mmap.mmap(self.memory, size)
        count = shape[0] * shape[1]
        audio = np.frombuffer(self.shared, np.float32, count).reshape(shape)
        audio.flags.writeable = False
        self.hold(plugin)
        if mode == "fork":
            return self.forked(plugin, seed, audio, values, notes, outputs)
        if mode in ("persistent", "reset"):
            instance = self.lasting.get((plugin, slot))
            if instance is None:
                instance = self.lasting[plugin, slot] = self.opened(plugin, seed)
            elif mode == "reset":
                forget(instance)
            return self.written(instance, audio, values, notes, outputs)
        instance = self.opened(plugin, seed)
        try:
            return self.written(instance, audio, values, notes, outputs)
        finally:
            instance.close()

    def opened(self, plugin: Plugin, seed: int) -> Instance:
        """A fresh instance, after the random numbers have been set to a known place."""
        self.libc.srand(seed & 0x7FFFFFFF)
        self.libc.srand48(ctypes.c_long(seed))
        random.seed(seed)
        np.random.seed(seed & 0x7FFFFFFF)
        instance: Instance = host(plugin.host).open(
            plugin.identity, plugin.sample_rate, plugin.block
        )
        return instance

    def hold(self, plugin: Plugin) -> None:
        """Keep one instance alive: the next ones open in a fraction of a millisecond."""
        if plugin in self.held:
            self.held.move_to_end(plugin)
            return
        self.held[plugin] = self.opened(plugin, 0)
        if len(self.held) > _KEPT:
            self.held.popitem(last=False)[1].close()
        self.connection.send(("opened",))  # what follows has the deadline of a render

    def written(
        self,
        instance: Instance,
        audio: NDArray[np.float32],
        values: NDArray[np.float64],
        notes: tuple[Any, ...],
        outputs: int,
    ) -> tuple[Any, ...]:
        """Render, check, and put the sound into shared memory behind the input."""
        sound = np.asarray(instance.render(audio, values, notes))
        wanted = (outputs, audio.shape[1])
        if sound.shape != wanted:
            return ("output", f"returned an array {sound.shape}, wanted {wanted}")
        if sound.size:
            peak = max(float(sound.max()), -float(sound.min()))  # NaN when there is one
            if not np.isfinite(peak):
                bad = int((~np.isfinite(sound)).sum())
                return ("output", f"returned {bad} NaN or infinite samples of {sound.size}")
            if peak > LOUDEST:
                return ("output", f"returned samples up to {peak:.3g}, where 1 is full scale")
        place = np.frombuffer(self.shared, np.float32, sound.size, audio.nbytes)
        place.reshape(wanted)[:] = sound
        return ("ok", int(instance.latency()))

    def forked(self, plugin: Plugin, seed: int, *rest: Any) -> tuple[Any, ...]:
        """Render in a copy of this process: the instance here never hears anything."""
        instance = self.snapshots.get((plugin, seed))
        if instance is None:
            instance = self.snapshots[plugin, seed] = self.opened(plugin, seed)
        receiver, sender = os.pipe()
        child = os.fork()
        if child == 0:
            code = 70
            try:
                self.libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                try:
                    reply = self.written(instance, *rest)
                except Exception as error:
                    reply = ("failed", f"raised {type(error).__name__}: {error}")
                os.write(sender, repr(reply).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(sender)
        with open(receiver, "rb") as pipe:
            text = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status or not text:
            return ("crash", ended(status))
        kind, what = _literal(text.decode())
        return (kind, what)


def forget(instance: Instance) -> None:
    """Reset an instance; `UserError` where its host knows no way to."""
    reset = getattr(instance, "reset", None)
    if reset is None:
        raise UserError(f"{instance.info.name}: cannot be reset by the host {instance.info.host}")
    reset()


def ended(code: int | None) -> str:
    """In words, how a process ended."""
    if code is None:
        return "its process closed the connection"
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"its process was ended by {name}"
    return f"it ended its process by exit({code})"


def _literal(text: str) -> tuple[str, Any]:
    kind, what = ast.literal_eval(text)
    return kind, what


def _die_with_parent(life: int) -> None:
    """End this process when the pipe `life` does, whatever a plug-in keeps it busy with.

    On Linux the kernel sends SIGKILL; elsewhere a thread waits. (PR_SET_PDEATHSIG would fire when
    the thread that started this process ends, and autograd's threads come and go.)
    """
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([life], [], [], 0)[0]:
            os._exit(0)
        return

    def watch() -> None:
        os.read(life, 1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _mapped() -> set[str]:
    """Files that are mapped into this process."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return set()
    return {line.split(maxsplit=5)[5] for line in lines if " /" in line}


def _stamp(files: set[str]) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of each file."""
    found = []
    for name in sorted(files):
        try:
            facts = os.stat(name)
        except OSError:
            continue
        found.append((name, facts.st_size, facts.st_mtime_ns))
    return tuple(found)


def main() -> None:
    """Begin as a process: file descriptors come as arguments."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    serve(*(int(word) for word in sys.argv[1:5]))
