"""Worker processes that may die: jobs go out, sounds or typed errors come back."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait

from dspcore.blackbox.cache import Cache, Stamp, key_of
from dspcore.blackbox.failure import (
    KINDS,
    PluginCrash,
    PluginError,
    PluginHang,
    PluginMemory,
    PluginQuarantined,
)
from dspcore.blackbox.job import Job, Plugin, Rendered
from dspcore.blackbox.plugin import PluginInfo
from dspcore.blackbox.process import WorkerProcess
from dspcore.blackbox.report import Report
from dspcore.blackbox.worker import ended
from dspcore.errors import UserError

#: Called with the number of a job and its result; the sound is overwritten after the call.
Done = Callable[[int, "Rendered | PluginError"], None]
_WATCH_S = 0.05  # between two looks at the memory of busy workers


class Pool:
    """A number of workers that render jobs; any thread may ask, one at a time is served.

    Which worker renders a job has no influence on its result, but for persistent instances.

    Args:
        workers: Processes at most; by default one for each core this process may use.
        deadline_s: Seconds that a render may take, beside twice the length of its sound.
        load_s: Seconds that loading a plug-in may take, the first time in a worker.
        retries: How often a job is tried again after a crash, a hang or bad output.
        memory_gb: Memory that a worker may take.
        quarantine: Jobs of a plug-in that may fail in a row, after their retries, before it is not
            asked any more.
        cache: Remembers renders that are marked as worth it; None for no cache.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        deadline_s: float = 10.0,
        load_s: float = 60.0,
        retries: int = 1,
        memory_gb: float = 4.0,
        quarantine: int = 10,
        cache: Cache | None = None,
    ) -> None:
        if workers is None:
            affinity = getattr(os, "sched_getaffinity", None)
            workers = len(affinity(0)) if affinity else os.cpu_count() or 1
        if workers < 1:
            raise ValueError(f"pool: workers must be 1 or more, got {workers}")
        if deadline_s <= 0 or load_s <= 0:
            raise ValueError(f"pool: deadlines must be above 0 s, got {deadline_s} and {load_s}")
        self.workers, self.deadline_s, self.load_s = workers, deadline_s, load_s
        self.retries, self.quarantine, self.cache = retries, quarantine, cache
        self.memory_limit = int(memory_gb * 2**30)
        self.report = Report()
        self.stamps: dict[tuple[str, str], Stamp] = {}
        self._idle: list[WorkerProcess] = []
        self._failed: Counter[str] = Counter()
        self._last_failure: dict[str, PluginError] = {}
        self._lock = threading.Lock()
        self._process = os.getpid()
        _pools.add(self)

    def run(self, jobs: Sequence[Job], done: Done) -> None:
        """Render all jobs; `done` gets each result as it comes, in any order.

        A plug-in that fails is an error given to `done`, never raised; what `done` raises ends the
        run. A `UserError` of a host (a plug-in that is not there) is raised.
        """
        with self._lock:
            if os.getpid() != self._process:  # in a forked copy: the workers are its parent's
                self._idle, self._process = [], os.getpid()
            _Run(self, jobs, done).go()

    def render(self, jobs: Sequence[Job]) -> list[Rendered | PluginError]:
        """Every job's result, in order."""
        results: dict[int, Rendered | PluginError] = {}

        def keep(index: int, result: Rendered | PluginError) -> None:
            if isinstance(result, Rendered):
                result = Rendered(result.audio.copy(), result.latency)
            results[index] = result

        self.run(jobs, keep)
        return [results[index] for index in range(len(jobs))]

    def release(self, identity: str) -> None:
        """Ask a plug-in again that had been put into quarantine."""
        self._failed[identity] = 0

    def close(self) -> None:
        """End all workers; the next job would start new ones."""
        with self._lock:
            for worker in self._idle:
                worker.close()
            self._idle = []

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that wait for jobs."""
        return [worker.process.pid for worker in self._idle]


class _Run:
    """One call of `Pool.run`."""

    def __init__(self, pool: Pool, jobs: Sequence[Job], done: Done) -> None:
        self.pool, self.jobs, self.done = pool, jobs, done
        self.waiting = deque((index, 0) for index in range(len(jobs)))
        self.busy: dict[WorkerProcess, tuple[int, int, float]] = {}
        self.keys: dict[int, str] = {}

    def go(self) -> None:
        """Until every job has a result; workers in the middle of something end with an error."""
        try:
            while self.waiting or self.busy:
                while self.waiting and len(self.busy) < self.pool.workers:
                    self.begin(*self.waiting.popleft())
                self.collect()
        finally:
            for worker in self.busy:
                worker.close()

    def begin(self, index: int, tried: int) -> None:
        """Give a job to a worker, unless the answer is known."""
        pool, job = self.pool, self.jobs[index]
        identity = job.plugin.identity
        if pool._failed[identity] >= pool.quarantine:
            last = pool._last_failure[identity]
            what = f"is not asked any more: {pool.quarantine} renders in a row failed, the last "
            what += f"because it {last.what}; see the pool's report, or release() it"
            self.finish(index, PluginQuarantined(identity, what, last.params, last.noise))
            return
        if pool.cache is not None and job.cached and pool.cache.fits(job):
            stamp = pool.stamps.get((job.plugin.host, identity), ())
            self.keys[index] = key_of(job, stamp)
            found = pool.cache.get(self.keys[index])
            if found is not None:
                pool.report.cached += 1
                self.done(index, found)
                return
        worker = self.worker_for(job.plugin)
        while True:
            try:
                worker.send(job)
                break
            except OSError:  # it was ended while it had nothing to do
                worker.close()
                pool.report.respawned += 1
                worker = WorkerProcess(pool.memory_limit)
        worker.hosts.add(job.plugin.host)
        known = job.plugin in worker.known
        seconds = self.render_s(job) if known else pool.load_s
        self.busy[worker] = (index, tried, time.monotonic() + seconds)

    def worker_for(self, plugin: Plugin) -> WorkerProcess:
        """An idle worker, best one that has the plug-in open; or a new one."""
        pool = self.pool
        fit = [worker for worker in pool._idle if worker.takes(plugin)]
        if fit:
            worker = next((worker for worker in fit if plugin in worker.known), fit[-1])
            pool._idle.remove(worker)
            return worker
        if pool._idle and len(pool._idle) + len(self.busy) >= pool.workers:
            pool._idle.pop(0).close()
        return WorkerProcess(pool.memory_limit)

    def render_s(self, job: Job) -> float:
        """Seconds until its deadline."""
        return self.pool.deadline_s + 2.0 * job.audio.shape[1] / job.plugin.sample_rate

    def collect(self) -> None:
        """Wait for replies, for the end of a worker, or for the next deadline."""
        if not self.busy:
            return
        first = min(deadline for _, _, deadline in self.busy.values())
        timeout = min(_WATCH_S, max(0.0, first - time.monotonic()))
        ready = wait([worker.connection for worker in self.busy], timeout)
        for worker in [w for w in self.busy if w.connection in ready]:
            try:
                reply = worker.connection.recv()
            except (EOFError, OSError):
                self.lose(worker, PluginCrash, ended(worker.wait_code()))
                continue
            if reply[0] == "opened":
                index, tried, _ = self.busy[worker]
                job = self.jobs[index]
                worker.known.add(job.plugin)
                self.busy[worker] = (index, tried, time.monotonic() + self.render_s(job))
            else:
                self.take(worker, *reply)
        if ready:
            return
        now = time.monotonic()
        for worker in list(self.busy):
            index, _, deadline = self.busy[worker]
            job = self.jobs[index]
            if worker.too_big():
                limit = self.pool.memory_limit / 2**30
                self.lose(worker, PluginMemory, f"took more than {limit:.3g} GiB of memory")
            elif now > deadline:
                if job.plugin in worker.known:
                    what = f"did not return within {self.render_s(job):.3g} s"
                else:
                    what = f"could not be loaded within {self.pool.load_s:.3g} s"
                self.lose(worker, PluginHang, what)

    def take(self, worker: WorkerProcess, kind: str, what: object) -> None:
        """A worker's reply, which lives on."""
        index, tried, _ = self.busy.pop(worker)
        job = self.jobs[index]
        if kind == "ok":
            assert isinstance(what, int)
            self.succeed(index, tried, Rendered(worker.output(job), what))
            self.pool._idle.append(worker)
            return
        noise = worker.noise()
        self.pool._idle.append(worker)
        if kind == "user":
            raise UserError(str(what))
        self.fail(index, tried, KINDS[kind](job.plugin.identity, str(what), job.params(), noise))

    def lose(self, worker: WorkerProcess, kind: type[PluginError], what: str) -> None:
        """A worker that is gone, or has to go."""
        index, tried, _ = self.busy.pop(worker)
        job = self.jobs[index]
        error = kind(job.plugin.identity, what, job.params(), worker.noise())
        worker.close()
        self.pool.report.respawned += 1
        self.fail(index, tried, error)

    def fail(self, index: int, tried: int, error: PluginError) -> None:
        """Try again, or give the error out."""
        self.pool.report.add(error)
        if tried < self.pool.retries:
            self.pool.report.retried += 1
            self.waiting.append((index, tried + 1))
            return
        self.pool._failed[error.plugin] += 1
        self.pool._last_failure[error.plugin] = error
        self.finish(index, error)

    def succeed(self, index: int, tried: int, result: Rendered) -> None:
        self.pool.report.renders += 1
        self.pool.report.mended += tried > 0
        self.pool._failed[self.jobs[index].plugin.identity] = 0
        if index in self.keys and self.pool.cache is not None:
            self.pool.cache.put(self.keys[index], result)
        self.finish(index, result)

    def finish(self, index: int, result: Rendered | PluginError) -> None:
        self.done(index, result)


def describe(
    host: str, identity: str, sample_rate: int, block: int = 512, *, load_s: float = 60.0
) -> tuple[PluginInfo, int, Stamp]:
    """What a plug-in is, how late it says it is, and the files it consists of.

    It is loaded in a process of its own, which ends afterwards.

    Raises:
        UserError: The host says that it cannot be loaded, and why.
        PluginError: It crashed, hung or failed while it was loaded.
    """
    worker = WorkerProcess(4 * 2**30)
    try:
        worker.describe(Plugin(host, identity, sample_rate, block))
        if not worker.connection.poll(load_s):
            what = f"could not be loaded within {load_s:.3g} s"
            raise PluginHang(identity, what, noise=worker.noise())
        try:
            kind, *rest = worker.connection.recv()
        except (EOFError, OSError):
            what = f"could not be loaded: {ended(worker.wait_code())}"
            raise PluginCrash(identity, what, noise=worker.noise()) from None
        if kind == "user":
            raise UserError(str(rest[0]))
        if kind != "ok":
            raise KINDS[kind](identity, f"could not be loaded: {rest[0]}", noise=worker.noise())
        return rest[0], rest[1], rest[2]
    finally:
        worker.close()


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_shared: dict[tuple[int, int | None], Pool] = {}


def shared_pool(workers: int | None = None) -> Pool:
    """The pool of this process that plug-ins use when they are given none of their own."""
    key = (os.getpid(), workers)
    if key not in _shared:
        _shared[key] = Pool(workers, cache=Cache())
    return _shared[key]


@atexit.register
def close_all() -> None:
    """End the workers of every pool of this process."""
    for pool in list(_pools):
        if pool._process == os.getpid():
            pool.close()
