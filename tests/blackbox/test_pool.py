"""Workers that may die: every end they can come to, and what is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import Bench

from dspcore.blackbox import (
    Cache,
    PluginCrash,
    PluginHang,
    PluginMemory,
    PluginOutput,
    PluginQuarantined,
    Pool,
)
from dspcore.blackbox.job import Job, Rendered

ENDS = {
    "segv": (PluginCrash, "SIGSEGV"),
    "abort": (PluginCrash, "SIGABRT"),
    "exit": (PluginCrash, r"exit\(3\)"),
    "loop": (PluginHang, "did not return within"),
    "nan": (PluginOutput, "NaN"),
    "loud": (PluginOutput, "full scale"),
}


def rendered(pool: Pool, *jobs: Job) -> list[np.ndarray]:
    results = pool.render(jobs)
    for result in results:
        assert isinstance(result, Rendered), result
    return [result.audio for result in results if isinstance(result, Rendered)]


def running(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_gone(pids: list[int]) -> list[int]:
    """Those that still run after up to ten seconds."""
    for _ in range(1000):
        if not any(running(pid) for pid in pids):
            break
        time.sleep(0.01)
    return [pid for pid in pids if running(pid)]


@pytest.mark.parametrize("mode", ["fresh", "fork"])
def test_every_bad_end_is_a_typed_error_and_the_others_are_exact(
    bench: Bench, pool: Pool, mode: str
) -> None:
    good = bench.job("good", 0.7, 0.2, 0.0)
    jobs = [good]
    for kind in ENDS:
        jobs += [bench.job(kind, 0.5, 0.5, 1.0, mode=mode), good]
    results = pool.render(jobs)
    truth = (0.7 * np.tanh((1 + 9 * 0.2) * good.audio.astype(np.float64))).astype(np.float32)
    for result in results[::2]:
        assert isinstance(result, Rendered)
        assert np.abs(result.audio - truth).max() < 1e-6
    for kind, result in zip(ENDS, results[1::2], strict=True):
        assert isinstance(result, ENDS[kind][0]), (kind, result)
        assert bench.library in str(result)
        assert result.params == {"gain": 0.5, "drive": 0.5, "fate": 1.0}
        assert "fate=1" in str(result)
        pattern = ENDS[kind][1].replace("\\", "")
        assert pattern in str(result), (kind, str(result))
    assert "about to write nowhere" in results[1].noise  # type: ignore[union-attr]
    assert sum(pool.report.kinds.values()) == 2 * len(ENDS)  # each was tried twice
    assert len(pool.report.failures) == 2 * len(ENDS)


def test_a_memory_hog_is_stopped(bench: Bench) -> None:
    lone = Pool(1, deadline_s=60.0, memory_gb=0.25, retries=0)
    bad, good = lone.render([bench.job("hog", 0.5, 0.5, 1.0), bench.job("hog")])
    assert isinstance(bad, PluginMemory)
    assert "took more than 0.25 GiB of memory; with gain=0.5" in str(bad)
    assert isinstance(good, Rendered)
    lone.close()


def test_results_do_not_depend_on_workers_or_order(bench: Bench, calm: Pool) -> None:
    jobs = [bench.job("dice", 0.1 * k, 0.3, 0.0, seed=k % 2) for k in range(8)]
    jobs += [bench.job("echo", 0.1 * k, 0.3, 0.0) for k in range(8)]
    wanted = rendered(calm, *jobs)
    lone = Pool(1)
    for one, other in zip(wanted, rendered(lone, *jobs), strict=True):
        assert (one == other).all()
    for one, other in zip(reversed(wanted), rendered(lone, *reversed(jobs)), strict=True):
        assert (one == other).all()
    forked = [Job(j.plugin, j.info, j.audio, j.values, mode="fork", seed=j.seed) for j in jobs]
    for one, other in zip(wanted, rendered(lone, *forked), strict=True):
        assert (one == other).all()
    lone.close()
    assert not np.array_equal(wanted[0], wanted[1])


def test_a_persistent_instance_goes_on_and_a_fresh_one_begins(bench: Bench) -> None:
    lone = Pool(1)
    first, second = rendered(lone, *[bench.job("echo", mode="persistent")] * 2)
    assert not np.array_equal(first, second)
    slots = [bench.job("echo", mode="persistent", slot=slot) for slot in (1, 2)]
    assert all(np.array_equal(first, sound) for sound in rendered(lone, *slots))
    assert np.array_equal(first, rendered(lone, bench.job("echo"))[0])
    lone.close()


def test_a_killed_worker_is_replaced(bench: Bench, pool: Pool) -> None:
    jobs = [bench.job("good", 0.1 * k, 0.2, 0.0) for k in range(4)]
    wanted = rendered(pool, *jobs)
    before = pool.pids
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert wait_gone(before) == []
    for one, other in zip(wanted, rendered(pool, *jobs), strict=True):
        assert (one == other).all()
    assert pool.report.respawned >= 1
    assert not set(before) & set(pool.pids)


def test_what_done_raises_ends_the_run_and_no_old_answer_comes_late(
    bench: Bench, pool: Pool
) -> None:
    jobs = [bench.job("good", 0.1 * k, 0.2, 0.0) for k in range(8)]
    wanted = rendered(pool, *jobs)

    def stop(index: int, result: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.run(jobs, stop)
    for one, other in zip(wanted, rendered(pool, *jobs), strict=True):
        assert (one == other).all()


PARENT = """
import sys, threading
sys.path[:0] = {path!r}
from conftest import Bench
from dspcore.blackbox import Pool
bench, pool = Bench({library!r}), Pool(2, deadline_s=1000.0)
pool.render([bench.job("good")] * 4)
idle = list(pool.pids)
work = threading.Thread(target=pool.render, args=([bench.job("loop", 0.5, 0.5, 1.0)],), daemon=True)
work.start()
print(*idle, flush=True)
work.join()
"""


def test_a_killed_parent_leaves_no_process_and_no_memory(bench: Bench) -> None:
    """One worker is idle, one in a loop that never looks up."""
    shared = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    root = Path(__file__).resolve().parents[2]
    path = [str(root), str(Path(__file__).parent)]
    code = PARENT.format(path=path, library=bench.library)
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert pids
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    pids = sorted({*pids, *map(int, children)})
    assert all(running(pid) for pid in pids)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_gone(pids) == []
    if shared:
        assert set(os.listdir("/dev/shm")) <= shared


def test_a_fork_of_the_parent_has_workers_of_its_own(bench: Bench, pool: Pool) -> None:
    job = bench.job("good")
    wanted = rendered(pool, job)[0]
    before = list(pool.pids)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            same = np.array_equal(rendered(pool, job)[0], wanted)
            code = 0 if same and not set(pool.pids) & set(before) else 2
            pool.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert np.array_equal(rendered(pool, job)[0], wanted)
    assert pool.pids == before


def test_quarantine_after_failures_in_a_row(bench: Bench) -> None:
    lone = Pool(1, retries=0, quarantine=3)
    bad, good = bench.job("abort", 0.5, 0.5, 1.0), bench.job("abort", 0.5, 0.5, 0.0)
    results = lone.render([bad, bad, good, bad, bad, bad, good, bad])
    kinds = [type(result) for result in results]
    assert kinds == [PluginCrash] * 2 + [Rendered] + [PluginCrash] * 3 + [PluginQuarantined] * 2
    assert "fate=1" in str(results[-1])
    assert isinstance(lone.render([bench.job("good")])[0], Rendered)  # the others go on
    lone.release(bad.plugin.identity)
    assert isinstance(lone.render([good])[0], Rendered)
    lone.close()


def test_the_cache_knows_what_matters(bench: Bench, tmp_path: Path) -> None:
    lone = Pool(1, cache=Cache(1.0, folder=tmp_path / "renders"))
    job = bench.job("good", 0.5, 0.5, 0.0, cached=True)
    first = rendered(lone, job)[0]
    assert np.array_equal(rendered(lone, job)[0], first)
    assert (lone.report.renders, lone.report.cached) == (1, 1)
    others = [
        bench.job("good", 0.5, 0.6, 0.0, cached=True),
        bench.job("echo", 0.5, 0.5, 0.0, cached=True),
        bench.job("good", 0.5, 0.5, 0.0, cached=True, samples=4801),
        bench.job("good", 0.5, 0.5, 0.0, cached=True, seed=1),
        Job(job.plugin, job.info, -job.audio, job.values, cached=True),
        Job(job.plugin, job.info, job.audio, job.values),
    ]
    rendered(lone, *others)
    assert (lone.report.renders, lone.report.cached) == (1 + len(others), 1)
    lone.stamps[job.plugin.host, job.plugin.identity] = (("plugins.so", 1, 2),)
    rendered(lone, job)
    assert lone.report.cached == 1
    lone.close()
    other = Pool(1, cache=Cache(1.0, folder=tmp_path / "renders"))
    assert np.array_equal(rendered(other, job)[0], first)
    assert (other.report.renders, other.report.cached) == (0, 1)


def test_the_cache_keeps_its_limit() -> None:
    cache = Cache(0.1)
    for k in range(20):
        cache.put(str(k), Rendered(np.zeros((1, 5000), np.float32), 0))
    assert cache.size <= 0.1 * 2**20
    assert cache.get("0") is None
    assert cache.get("19") is not None


def test_a_worker_starts_without_torch(bench: Bench, calm: Pool) -> None:
    rendered(calm, bench.job("good"))
    maps = Path(f"/proc/{calm.pids[0]}/maps").read_text()
    assert "numpy" in maps
    assert "libtorch" not in maps


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="workers must be 1 or more, got 0"):
        Pool(0)
    with pytest.raises(ValueError, match="deadlines must be above 0"):
        Pool(1, deadline_s=0)
