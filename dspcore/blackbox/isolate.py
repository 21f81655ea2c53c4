"""Run a function where it may crash, hang or exit: in a process of its own, with a deadline.

A keeper process imports what is needed once and forks a child for every call, which costs
milliseconds. The keeper runs no foreign code and no threads, so each child starts clean.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NoReturn, Self

from dspcore.errors import UserError

How = Literal["ok", "error", "crash", "exit", "timeout"]

#: The environment of children: no windows, one thread.
QUIET = {
    "QT_QPA_PLATFORM": "offscreen",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LANG": "C.UTF-8",
}

#: Address space that a child may take beyond what it starts with, in bytes.
MEMORY = 8 << 30

#: The folder of dspcore.
PACKAGE = Path(__file__).resolve().parents[1]

#: Seconds that preparing may take.
PREPARE = 120.0

#: Characters of what a child printed that a report keeps.
PRINTED = 2_000

#: Of prctl(2).
PR_SET_PDEATHSIG = 1

_LENGTH = struct.Struct("<Q")


# The package's own __init__ would import torch: a bare module with its path stands in for it.
_START = """
import sys, types
sys.path[:] = {path!r}
package = types.ModuleType("dspcore")
package.__path__ = {package!r}
sys.modules["dspcore"] = package
from {module} import keep
keep()
"""


@dataclass(frozen=True)
class Outcome:
    """What a call returned, or how it ended without returning."""

    how: How
    value: Any = None
    text: str = ""  # why, in one sentence; "" when it went well
    printed: str = ""  # the end of what the child wrote to stdout and stderr

    def unwrap(self) -> Any:
        """The value, or `UserError` with the sentence."""
        if self.how != "ok":
            raise UserError(self.text)
        return self.value


class Isolate:
    """Calls functions in children, one at a time.

    Functions and arguments are pickled: functions by name, from modules that can be imported.

    Args:
        prepare: Called in the keeper before the first child: imports and files that all children
            need. It must start no thread and run no plug-in.
        memory: Bytes of address space that a child may take beyond those it starts with.
    """

    def __init__(self, prepare: Callable[[], object] | None = None, memory: int = MEMORY) -> None:
        self._prepare, self._memory = prepare, memory
        self._keeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(
        self, function: Callable[..., Any], *arguments: Any, deadline: float = 30.0
    ) -> Outcome:
        """`function(*arguments)` in a child that is killed after `deadline` seconds."""
        keeper = self._running()
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        job = pickle.dumps((function, arguments))
        try:
            _send(keeper.stdin, pickle.dumps((job, deadline, self._memory)))
            how, body, printed = pickle.loads(_receive(keeper.stdout))
        except (EOFError, BrokenPipeError) as error:
            self.close()
            raise RuntimeError("isolate: its keeper process was ended by someone else") from error
        except BaseException:  # interrupted in the middle of an answer
            self.close()
            raise
        return _outcome(how, body, printed, deadline)

    def close(self) -> None:
        """End the keeper and its child."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        for pipe in (keeper.stdin, keeper.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            keeper.wait(2.0)  # it kills its child and ends when its input does
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._keeper is None or self._keeper.poll() is not None:
            code = _START.format(path=sys.path, package=[str(PACKAGE)], module=__name__)
            self._keeper = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | QUIET,
                start_new_session=True,  # the terminal's Ctrl-C is the parent's to handle
            )
            assert self._keeper.stdin is not None
            _send(self._keeper.stdin, pickle.dumps(self._prepare))
        return self._keeper


def _outcome(how: How, body: Any, printed: str, deadline: float) -> Outcome:
    if how == "ok":
        try:
            return Outcome("ok", pickle.loads(body), printed=printed)
        except Exception as error:
            return Outcome("error", text=f"what it sent back cannot be read: {error}")
    if how == "crash":
        name = signal.Signals(body).name if body in set(signal.Signals) else f"signal {body}"
        return Outcome(how, text=_guess(f"it crashed ({name})", printed), printed=printed)
    if how == "exit":
        text = _guess(f"it ended its process (exit code {body})", printed)
        return Outcome(how, text=text, printed=printed)
    if how == "timeout":
        return Outcome(how, text=f"it was not done after {deadline:g} s", printed=printed)
    return Outcome("error", text=str(body), printed=printed)


def _guess(text: str, printed: str) -> str:
    """What the last words of a process that died say about why."""
    low = printed.lower()
    if "xcb" in low or "could not connect to display" in low or "cannot open display" in low:
        return f"{text}: it needs a display; run under xvfb-run, or set QT_QPA_PLATFORM=offscreen"
    last = printed.strip().rpartition("\n")[2].strip()
    return f"{text}: {last[:200]}" if last else text


# --- the keeper ----------------------------------------------------------------------------------


def keep() -> None:
    """Serve calls on stdin until it ends; the answers go to what stdout was."""
    source, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    try:
        prepare = pickle.loads(_receive(source))
        # It may meet a broken file: a child tries it first, and without it calls only take longer.
        if prepare is not None:
            tried = _in_child(pickle.dumps((prepare, ())), PREPARE, MEMORY, source, answers)
            if tried[0] == "ok":
                prepare()
        while True:
            job, deadline, memory = pickle.loads(_receive(source))
            _send(answers, pickle.dumps(_in_child(job, deadline, memory, source, answers)))
    except (EOFError, BrokenPipeError):
        os._exit(0)


def _in_child(
    job: bytes, deadline: float, memory: int, source: BinaryIO, answers: BinaryIO
) -> tuple[How, Any, str]:
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as log:
        child = os.fork()
        if child == 0:
            for number in (reading, source.fileno(), answers.fileno()):
                os.close(number)
            _be_child(job, writing, log.fileno(), memory)
        os.close(writing)
        try:
            answer, in_time = _collect(reading, source, time.monotonic() + deadline)
            if answer is None and in_time:  # the pipe closed: it is dying by itself
                in_time = _ended(child, 2.0)
        finally:
            os.close(reading)
            for kill in (os.killpg, os.kill):  # with whatever it has started
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        log.seek(max(0, log.seek(0, os.SEEK_END) - PRINTED))
        printed = log.read().decode("utf-8", errors="replace")
    if answer is not None:
        how, body = pickle.loads(answer)
        return how, body, printed
    if not in_time:
        return "timeout", None, printed
    if os.WIFSIGNALED(status):
        return "crash", os.WTERMSIG(status), printed
    return "exit", os.WEXITSTATUS(status), printed


def _collect(reading: int, source: BinaryIO, until: float) -> tuple[bytes | None, bool]:
    """The child's answer (None where it died before), and whether it came in time."""
    found = bytearray()
    waiting = select.poll()
    waiting.register(reading, select.POLLIN)
    waiting.register(source, 0)  # the next call may lie in it already: only its end matters
    while True:
        left = until - time.monotonic()
        if left <= 0:
            return None, False
        ready = dict(waiting.poll(1_000 * left))
        if ready.get(source.fileno(), 0):  # hung up: the parent is gone
            raise EOFError
        if not ready:
            continue
        part = os.read(reading, 1 << 20)
        found += part
        if len(found) >= _LENGTH.size:
            size = _LENGTH.unpack(found[: _LENGTH.size])[0] + _LENGTH.size
            if len(found) >= size:
                return bytes(found[_LENGTH.size : size]), True
        if not part:
            return None, True


def _ended(child: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(0.005)
    return False


def _be_child(job: bytes, writing: int, log: int, memory: int) -> NoReturn:
    """Run one call and end without clean-up: what a plug-in does at exit is no one's concern."""
    os.setpgid(0, 0)
    with contextlib.suppress(OSError, AttributeError):  # Linux: die with the keeper
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.dup2(log, 1)
    os.dup2(log, 2)
    _limit(memory)
    try:
        function, arguments = pickle.loads(job)
        answer: tuple[How, Any] = ("ok", pickle.dumps(function(*arguments)))
    except UserError as error:
        answer = ("error", str(error))
    except MemoryError:
        answer = ("error", f"it wanted more than {memory >> 30} GiB of memory")
    except BaseException as error:
        traceback.print_exc()
        if isinstance(error, SystemExit):
            os._exit(error.code if isinstance(error.code, int) else 1)
        answer = ("error", f"{type(error).__name__}: {error}")
    sys.stdout.flush()
    sys.stderr.flush()
    with os.fdopen(writing, "wb") as pipe:
        _send(pipe, pickle.dumps(answer))
    os._exit(0)


def _limit(memory: int) -> None:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        return  # not Linux, or a lower limit stands already


def _send(pipe: Any, body: bytes) -> None:
    pipe.write(_LENGTH.pack(len(body)) + body)
    pipe.flush()


def _receive(pipe: Any) -> bytes:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    size = _LENGTH.unpack(head)[0]
    body = pipe.read(size)
    if len(body) < size:
        raise EOFError
    return body
