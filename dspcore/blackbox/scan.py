"""Everything that is installed, tried one by one; nothing that a plug-in does ends the scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from dspcore.blackbox import find, hosts, probe
from dspcore.blackbox.find import Entry
from dspcore.blackbox.isolate import Isolate, Outcome
from dspcore.blackbox.probe import Seen

#: Seconds a plug-in may take to load and render one second.
DEADLINE = 60.0


@dataclass(frozen=True)
class Row:
    """A plug-in and how it fared: a status of `probe.look`, or refused, crash, exit, timeout."""

    entry: Entry
    status: str
    seen: Seen | None = None
    reason: str = ""


def entries(only: Sequence[str] = (), words: str = "") -> list[Entry]:
    """What is installed, for some hosts or all that can be used, with `words` in a name."""
    found = [each for host in only or hosts.names() for each in _index(host)]
    low = words.lower()
    return [each for each in found if low in f"{each.short} {each.name} {each.identity}".lower()]


def scan(
    todo: Sequence[Entry], *, jobs: int = 1, deadline: float = DEADLINE, sample_rate: int = 44_100
) -> Iterator[Row]:
    """A row for each, as they are done; `jobs` processes at a time."""
    known = [each for each in todo if not each.problem]
    yield from (Row(each, "refused", reason=each.problem) for each in todo if each.problem)

    def tried(isolate: Isolate, entry: Entry) -> Row:
        arguments = (entry.host, entry.identity, sample_rate)
        outcome = isolate.call(probe.look, *arguments, deadline=deadline)
        return _row(entry, outcome)

    yield from in_parallel(known, tried, jobs)


def in_parallel(
    todo: Sequence[Entry], work: Callable[[Isolate, Entry], Any], jobs: int
) -> Iterator[Any]:
    """`work` for each entry, with as many isolated keepers as jobs; results as they are done."""
    keepers = [Isolate(probe.warm) for _ in range(max(1, min(jobs, len(todo))))]
    idle: SimpleQueue[Isolate] = SimpleQueue()
    for keeper in keepers:
        idle.put(keeper)

    def one(entry: Entry) -> Any:
        isolate = idle.get()
        try:
            return work(isolate, entry)
        finally:
            idle.put(isolate)

    pool = ThreadPoolExecutor(len(keepers))
    try:
        waiting = [pool.submit(one, entry) for entry in todo]
        for done in as_completed(waiting):
            yield done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for keeper in keepers:
            keeper.close()


def _row(entry: Entry, outcome: Outcome) -> Row:
    if outcome.how == "ok":
        return Row(entry, outcome.value.status, outcome.value)
    status = {"error": "refused"}.get(outcome.how, outcome.how)
    return Row(entry, status, reason=outcome.text)


def _index(host: str) -> list[Entry]:
    reason = hosts.get(host).missing()
    if not reason:
        return find.index(host)
    return [Entry(host, host, host, problem=reason)]
