"""`python -m bench.patches`: labelled clips a second, and which synths play alike in any order.

Writes bench/PATCHES.md. The rate is that of `dspcore synth generate` as a user runs it: drawing,
rendering, loudness, FLAC and Parquet. Hold it on one core (``taskset -c 1``): then one worker and
the process that writes share it, and two cores do twice as much, as shards are independent. CPU
seconds count the workers too, as the machine may be shared.
"""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click

from dspcore.bench.ledger import machine
from dspcore.patches import (
    FAUST24,
    Audit,
    Level,
    NoteRange,
    Recipe,
    Renderer,
    Sampler,
    audit,
    open_renderer,
)
from dspcore.patches.generating import begin, finish, make_shards

HERE = Path(__file__).parent
VITAL = """osc_1_level osc_1_wave_frame osc_1_unison_voices osc_1_random_phase osc_2_on osc_2_level
osc_2_transpose filter_1_on filter_1_cutoff filter_1_resonance env_1_attack env_1_decay
env_1_sustain env_1_release reverb_on reverb_dry_wet chorus_on delay_on"""
#: How many patches prove the choice, at ``--share 1``.
SYNTHS: dict[str, int] = {
    FAUST24: 2_000,
    "subtractive": 300,
    "vst2:amsynth": 500,
    "vst2:ZynAddSubFX": 1_000,
    "mda:JX10": 500,
    "mda:DX10": 500,
    "vital": 100,
}


@dataclass(frozen=True)
class Rate:
    wall: float  # seconds a clip
    parent: float  # CPU seconds a clip, drawing to Parquet
    workers: float  # CPU seconds a clip, rendering


def rate(clips: int, rounds: int) -> list[Rate]:
    found = []
    with tempfile.TemporaryDirectory() as folder, open_renderer(FAUST24) as renderer:
        sampler = Sampler(renderer.space, 1, notes=NoteRange.of(renderer.note))
        for number in range(rounds):
            renderer.batch(sampler.patches(0, 8))  # every worker has it loaded
            before = worker_seconds(renderer)
            told = {"seed": 7, "first": number * clips, "count": clips}
            recipe, home = Recipe.of(renderer, **told), Path(folder) / str(number)
            numbers = begin(recipe, home)
            own, wall = time.process_time(), time.perf_counter()
            make_shards(recipe, renderer, home, numbers)
            finish(recipe, home)
            wall, own = time.perf_counter() - wall, time.process_time() - own
            used = worker_seconds(renderer) - before
            found.append(Rate(wall / clips, own / clips, used / clips))
    return found


def worker_seconds(renderer: Renderer) -> float:
    """CPU seconds of the workers so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for pid in renderer.pool.pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:13])) / ticks
    return total


def audited(patches: int, share: float, folder: Path) -> list[Audit | str]:
    """Audits of all synths; those that an interrupted run has left in `folder` are found again."""
    found: list[Audit | str] = []
    for name, more in SYNTHS.items():
        note, begin = folder / f"{name.replace(':', '-')}.json", time.perf_counter()
        if note.exists():
            known = json.loads(note.read_text())
            levels = tuple(Level(**level) for level in known.pop("levels"))
            found.append(Audit(levels=levels, **known))
            continue
        only = VITAL.split() if name == "vital" else None
        try:
            with open_renderer(name, workers=1, isolation="none", only=only) as renderer:
                found.append(audit(renderer, patches, more=round(share * more)))
        except (ValueError, RuntimeError) as error:
            found.append(f"{name}: {error}")
        click.echo(f"{found[-1]}, {time.perf_counter() - begin:.0f} s")
        if isinstance(found[-1], Audit):
            note.write_text(json.dumps(found[-1].to_dict()))
    return found


def text(rates: list[Rate], audits: list[Audit | str], clips: int, load: float) -> str:
    wall = median(each.wall for each in rates)
    parent, workers = (median(getattr(each, n) for each in rates) for n in ("parent", "workers"))
    cpu, cores = parent + workers, len(os.sched_getaffinity(0))
    facts = machine()
    where = f"{facts['processor']}, {cores} of {os.cpu_count()} cores, Python {facts['python']}"
    lines = [
        "# Patches: rates and isolation",
        "",
        f"`python -m bench.patches`, {where}, load {load:.1f} when it began.",
        "",
        "## A million labelled clips",
        "",
        f"Faust-24, 1.5 s at 22.05 kHz, workers: {cores}; medians of {len(rates)} rounds of "
        f"{clips}.",
        "",
        "| | |",
        "| --- | --- |",
        f"| clips a second, by the clock, {cores} of 2 cores | {1 / wall:.0f} |",
        f"| CPU a clip, drawing to Parquet | {1e3 * parent:.2f} ms |",
        f"| CPU a clip, rendering | {1e3 * workers:.2f} ms |",
        f"| clips a second that two free cores can make (2 / CPU) | {2 / cpu:.0f} |",
        f"| a million on two cores, by this clock | {1e6 * wall * cores / 2 / 3600:.1f} h |",
        f"| a million on two free cores | {1e6 * cpu / 2 / 3600:.1f} h |",
        "",
        "## Which synths play alike in any order",
        "",
        "Patches whose bits were equal forwards, backwards and alone in a new process; renders a",
        "second of one worker, 1.5 s each. Levels that were clean rendered more of them, forwards",
        "and backwards.",
        "",
        "| synth | isolation | equal | off by, dB | renders/s | | more equal |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for found in audits:
        if isinstance(found, str):
            lines.append(f"| {found} | | | | | | |")
            continue
        for level in found.levels:
            if level.problem:
                continue
            off = f"{level.distance_db:.1f}" if level.distance_db else ""
            use = "used" if level.isolation == found.chosen else ""
            use += f" | {level.more_equal}/{level.more}" if level.more else " |"
            lines.append(
                f"| {found.source} | {level.isolation} | {level.equal_fresh}/{level.patches} | "
                f"{off} | {1 / max(level.seconds, 1e-9):.1f} | {use} |"
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    lines += ["", f"Greatest memory of the process that writes: {peak:.0f} MiB."]
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--clips", default=512, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--patches", default=8, show_default=True, help="Of each audit.")
@click.option("--share", default=1.0, show_default=True, help="Of the patches that prove a level.")
@click.option("--folder", default="build/bench_patches", show_default=True, help="Of audits done.")
def main(clips: int, rounds: int, patches: int, share: float, folder: str) -> None:
    """Measure and write PATCHES.md."""
    load = os.getloadavg()[0]
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    audits = audited(patches, share, home)
    rates = rate(clips, rounds)
    click.echo(f"{rates}")
    found = text(rates, audits, clips, load)
    (HERE / "PATCHES.md").write_text(found, encoding="utf-8")


if __name__ == "__main__":
    main()
