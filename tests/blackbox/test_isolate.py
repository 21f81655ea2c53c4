"""Calls that crash, hang, exit or eat memory: the caller hears of it and goes on."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dspcore.blackbox.isolate import Isolate
from dspcore.errors import UserError


def double(x: int) -> int:
    return 2 * x


def prepare_slowly() -> None:
    time.sleep(0.3)


def crash() -> None:
    ctypes.string_at(8)


def abort_without_display() -> None:
    print('could not load the Qt platform plugin "xcb"', flush=True)
    os.abort()


def leave() -> None:
    os._exit(3)


def hang() -> None:
    while True:
        time.sleep(1)


def refuse() -> None:
    raise UserError("plug-in: no")


def fail() -> None:
    raise KeyError("x")


def eat() -> int:
    return len(bytearray(3 << 30))


def start_another_and_hang(path: str) -> None:
    child = subprocess.Popen(["sleep", "60"])
    Path(path).write_text(f"{os.getpid()} {child.pid}")
    hang()


def test_every_way_to_die_is_told_apart_and_the_next_call_works() -> None:
    with Isolate(memory=1 << 30) as isolate:
        for function, how, words in (
            (crash, "crash", "it crashed (SIGSEGV)"),
            (abort_without_display, "crash", "needs a display; run under xvfb-run"),
            (leave, "exit", "ended its process (exit code 3)"),
            (refuse, "error", "plug-in: no"),
            (fail, "error", "KeyError: 'x'"),
            (eat, "error", "wanted more than 1 GiB of memory"),
        ):
            outcome = isolate.call(function)
            assert outcome.how == how, function
            assert words in outcome.text
            with pytest.raises(UserError):
                outcome.unwrap()
            assert isolate.call(double, 21).unwrap() == 42


def test_a_hang_ends_at_the_deadline_with_what_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    with Isolate() as isolate:
        outcome = isolate.call(start_another_and_hang, str(note), deadline=1.5)
        assert (outcome.how, outcome.text) == ("timeout", "it was not done after 1.5 s")
        assert all(_gone(int(pid)) for pid in note.read_text().split())


def test_a_call_leaves_no_trace_in_the_next() -> None:
    with Isolate() as isolate:
        assert isolate.call(os.putenv, "DSPCORE_TRACE", "1").how == "ok"
        first, second = (isolate.call(os.getpid).unwrap() for _ in range(2))
        assert len({first, second, os.getpid()}) == 3


def test_a_preparation_that_crashes_only_costs_time() -> None:
    with Isolate(crash) as isolate:
        assert isolate.call(double, 4).unwrap() == 8


def test_a_call_larger_than_a_pipe_may_come_while_the_keeper_prepares() -> None:
    with Isolate(prepare_slowly) as isolate:
        assert isolate.call(len, bytes(1_000_000)).unwrap() == 1_000_000
        assert len(isolate.call(bytes, 1_000_000).unwrap()) == 1_000_000


def test_nothing_stays_when_the_parent_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from test_isolate import start_another_and_hang\n"
        "from dspcore.blackbox.isolate import Isolate\n"
        "Isolate().call(start_another_and_hang, sys.argv[1], deadline=60)\n"
    )
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", code, str(note), here, str(Path(here).parents[1])]
    parent = subprocess.Popen(command)
    _until(lambda: note.exists() and len(note.read_text().split()) == 2)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    pids = [int(pid) for pid in note.read_text().split()]
    _until(lambda: all(_gone(pid) for pid in pids))


def _until(met: object) -> None:
    for _ in range(600):
        if met():  # type: ignore[operator]
            return
        time.sleep(0.1)
    pytest.fail("it did not happen within a minute")


def _gone(pid: int) -> bool:
    """Whether a process is no more, or waits as a zombie for whoever adopted it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
