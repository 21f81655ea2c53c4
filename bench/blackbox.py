"""Plug-ins as layers, measured: ``python -m bench.blackbox [PART [PLUGIN ...]]``.

Each part fills its table in bench/BLACKBOX.md: speed, gradients, searches, audio_gradients, claims;
without a part, all of them. With plug-ins, of gradients and searches only their rows.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import dspcore
from bench.blackbox_claims import claims
from bench.blackbox_common import RATE, cosine, loaded, recording
from bench.blackbox_gradients import PLUGINS, gradients, searches
from dspcore import effects
from dspcore.blackbox import LinearAudio, LocalAudio, Pool, RandomAudio
from dspcore.blackbox.known import host

HERE = Path(__file__).parent
# --- speed --------------------------------------------------------------------------------------


def seconds_of(pid: int) -> float:
    """CPU time of another process."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def speed() -> Iterator[str]:
    """CPU time and wall time of an evaluation, three seconds of stereo."""
    audio = recording(3.0, 2).expand(1, 2, -1).numpy()[0].copy()
    yield "ZamCompX2, 3 s of stereo at 44.1 kHz; a fresh instance each time, but in other hosts."
    yield from ("", "| way | CPU ms | a CPU second | wall ms | CPU against our loop |")
    yield "|---|---:|---:|---:|---:|"
    rows: list[tuple[str, float, float]] = []
    effect = loaded("zam:ZamCompX2")
    if effect is None:
        return
    info, values = effect.box.info, effect.plugin_values(effect.normalize()[0])
    full = np.concatenate([audio, np.zeros((info.inputs - 2, audio.shape[1]), np.float32)])
    owner = host(info.host)

    def in_process(block: int) -> None:
        instance = owner.open(info.identity, RATE, block)
        instance.render(full, values)
        instance.close()

    for block in (512, 4096):
        keep = owner.open(info.identity, RATE, block)
        times = timed(partial(in_process, block), 60)
        rows.append((f"one process, our LV2 host, serial, blocks of {block}", *times))
        keep.close()
    for workers in (1, 2):
        pool = Pool(workers)
        job = effect.box.job(RATE, full, values)
        pool.render([job] * 4)
        jobs = [job] * 30
        pool.render(jobs)
        before = sum(map(seconds_of, pool.pids))
        cpu, wall = timed(partial(pool.run, jobs, lambda *_: None), 4)
        cpu += (sum(map(seconds_of, pool.pids)) - before) / 5
        rows.append((f"pool, {workers} worker(s), checked", cpu / 30, wall / 30))
        pool.close()
    for name, make in (("pedalboard", pedalboard_loop), ("DawDreamer", dawdreamer_loop)):
        try:
            rows.append((f"one process, {name} VST3, serial", *timed(make(audio), 60)))
        except Exception as error:
            print(f"{name}: {error}", file=sys.stderr)
    for name, cpu, wall in rows:
        numbers = f"{1e3 * cpu:.2f} | {1 / cpu:.0f} | {1e3 * wall:.2f} | {cpu / rows[0][1]:.2f}"
        yield f"| {name} | {numbers} |"
    pool = Pool(1)
    tiny = effect.box.job(RATE, full[:, :64].copy(), values)
    pool.render([tiny] * 4)
    before = seconds_of(pool.pids[0])
    cpu, wall = timed(lambda: pool.run([tiny] * 500, lambda *_: None), 2)
    cpu += (seconds_of(pool.pids[0]) - before) / 3
    yield ""
    yield (
        f"Overhead of a call, 64 samples long: {1e3 * cpu / 500:.2f} ms of CPU in both processes, "
        f"{1e3 * wall / 500:.2f} ms of wall time."
    )
    pool.close()


def timed(work: Callable[[], object], times: int) -> tuple[float, float]:
    """CPU and wall seconds of one of several runs, after one to warm up."""
    work()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(times):
        work()
    return (time.process_time() - cpu) / times, (time.perf_counter() - wall) / times


def vst3() -> str:
    found = sorted(Path("/usr/lib/vst3").glob("ZamCompX2.vst3"))
    if not found:
        raise FileNotFoundError("ZamCompX2.vst3")
    return str(found[0])


def pedalboard_loop(audio: np.ndarray) -> Callable[[], object]:
    """What a training loop around pedalboard does for each evaluation."""
    import pedalboard

    plugin = pedalboard.load_plugin(vst3())  # type: ignore[attr-defined]
    return lambda: plugin(audio, RATE, buffer_size=512, reset=True)


def dawdreamer_loop(audio: np.ndarray) -> Callable[[], object]:
    """The same with DawDreamer."""
    import dawdreamer

    engine = dawdreamer.RenderEngine(RATE, 512)
    source = engine.make_playback_processor("in", audio)
    engine.load_graph([(source, []), (engine.make_plugin_processor("fx", vst3()), ["in"])])
    return lambda: (engine.render(audio.shape[1] / RATE), engine.get_audio())


# --- the audio ----------------------------------------------------------------------------------


def audio_gradients() -> Iterator[str]:
    """Cosine to autodiff through our own effects, seen as black boxes."""
    shown: dict[str, Any] = {
        "LinearAudio()": LinearAudio(),
        "LocalAudio(levels=1, length=512)": LocalAudio(levels=1, length=512),
        "LocalAudio()": LocalAudio(),
        "RandomAudio(4)": RandomAudio(4),
    }
    boxes: dict[str, Any] = {
        "equaliser": effects.ParametricEQ(RATE, peak_2_gain_db=6.0),
        "compressor": effects.Compressor(RATE, threshold_db=-30.0, ratio=4.0),
        "distortion": effects.Distortion(RATE),
        "delay": effects.Delay(RATE, time_ms=50.0),
        "reverb": effects.Reverb(RATE),
    }
    boxes["distortion, equaliser"] = dspcore.Chain([boxes["distortion"], boxes["equaliser"]])
    audio = recording(0.5, 1)[0].double() / 0.3
    rng = np.random.default_rng(0)
    yield (
        "Cosine to autodiff through effects of dspcore used as black boxes, on 0.5 s of a drum "
        "loop; for a random slope at the output / for the slope of the output's energy."
    )
    yield from ("", "| effect | " + " | ".join(f"`{n}`" for n in shown) + " |")
    yield "|---|" + "---:|" * len(shown)
    for name, effect in boxes.items():
        cells: dict[str, list[str]] = {n: [] for n in shown}
        for energy in (False, True):
            heard = audio[None].clone().requires_grad_()
            made = effect(heard)
            slope = 2 * made.detach() if energy else torch.randn_like(made)
            made.backward(slope)
            assert heard.grad is not None
            truth = heard.grad[0].numpy().ravel()
            for n, estimator in shown.items():
                probes = estimator.probes(audio.numpy(), rng)
                with torch.no_grad():
                    outputs = effect(torch.from_numpy(probes).float()).double().numpy()
                got = estimator.gradient(audio.numpy(), probes, outputs, slope[0].numpy())
                cells[n].append(f"{cosine(got.ravel(), truth):.3f}")
        yield f"| {name} | " + " | ".join(" / ".join(c) for c in cells.values()) + " |"


def write(part: str, lines: list[str], only: Sequence[str]) -> None:
    """Put a part, or its rows of some plug-ins, where they stand in the page."""
    page = HERE / "BLACKBOX.md"
    begin, end = f"<!-- begin: python -m bench.blackbox {part} -->\n", "\n<!-- end -->"
    before, mark, rest = page.read_text(encoding="utf-8").partition(begin)
    old, _, after = rest.partition(end)
    if not mark:
        sys.exit(f"{page}: has no line {begin!r}")
    text = "\n".join(lines)
    if only:
        both = {
            name: [r for r in [*old.split("\n"), *lines] if r.startswith(f"| {name} (")]
            for name in PLUGINS
        }
        head = [line for line in lines if not any(line in rows for rows in both.values())]
        text = "\n".join([*head, *(rows[-1] for rows in both.values() if rows)])
    page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def main() -> None:
    """Runs the part named on the command line, or all, and writes the page."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    parts: dict[str, Callable[..., Iterator[str]]] = {
        p.__name__: p for p in (speed, gradients, searches, audio_gradients, claims)
    }
    wanted, only = sys.argv[1:2] or list(parts), sys.argv[2:]
    if unknown := set(wanted) - set(parts) | set(only) - set(PLUGINS):
        sys.exit(f"bench.blackbox: {min(unknown)!r} is neither {', '.join(parts)} nor a plug-in")
    for name in wanted:
        lines = []
        for line in parts[name](only) if only else parts[name]():
            print(line, flush=True)
            lines.append(line)
        write(name, lines, only)


if __name__ == "__main__":
    main()
