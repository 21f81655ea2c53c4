"""``python -m bench.faust24`` writes bench/FAUST24.md: the benchmark Faust-24 within a budget.

Every CPU second that goes into an estimator is counted: rendering its clips, spectra, training. A
run that was killed goes on where it ended, with the same command. Hold it on one core: ``taskset -c
0``; the rate of clips by the clock is then that of one core.
"""

from __future__ import annotations

import argparse
import os
import platform
import threading
import time
from contextlib import suppress
from pathlib import Path

import torch

from dspcore import patches
from dspcore.errors import UserError
from dspcore.patches import Budget, Estimator, Examples
from dspcore.patches.recipe import read_recipe

PAGE = Path(__file__).parent / "FAUST24.md"
SEED = 7


def cpu_seconds() -> float:
    """Of this process and of its children."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system + _living()


def _living() -> float:
    """Of the children that have not ended; the parent is told of the others' alone."""
    spent = 0.0
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread or a child that has just ended
            for child in (task / "children").read_text().split():
                facts = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                spent += sum(map(int, facts[11:15])) / os.sysconf("SC_CLK_TCK")
    return spent


class Clock:
    """CPU seconds of a piece of work, those of runs of it that were killed among them.

    Args:
        note: File that they are written to every few seconds.
    """

    def __init__(self, note: Path) -> None:
        self.note, self.begin = note, cpu_seconds()
        self.before = float(note.read_text()) if note.exists() else 0.0
        self.ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> float:
        """All of them; written for the last time."""
        self.ended.set()
        return self._write()

    def _watch(self) -> None:
        while not self.ended.wait(5.0):
            self._write()

    def _write(self) -> float:
        spent = self.before + cpu_seconds() - self.begin
        self.note.parent.mkdir(parents=True, exist_ok=True)
        self.note.write_text(f"{spent:.1f}")
        return spent


def made(
    folder: Path, count: int, split: str, *, at_least: bool = False
) -> tuple[patches.Dataset, float]:
    """A data set of the benchmark, and the CPU seconds that it took; none are redrawn.

    Args:
        folder: That it lies in; one that is complete is taken as it is.
        count: Of clips.
        split: Name of it.
        at_least: Whether one with more clips will do.
    """
    note = folder / "cpu_seconds.txt"
    if note.exists():
        known = len(patches.Dataset(folder))
        if known != count and not (at_least and known > count):
            raise UserError(f"{folder}: has {known} clips, wanted {count}; take another --folder")
        return patches.Dataset(folder), float(note.read_text())
    clock, begun = Clock(folder.parent / f"{folder.name}_seconds.txt"), time.perf_counter()
    with patches.open_renderer("faust24", workers=1) as renderer:
        gates = patches.Gates(None, None)
        patches.generate(renderer, folder, count, seed=SEED, split=split, gates=gates)
    rate = count / (time.perf_counter() - begun)
    print(f"{split}: {count} clips, {rate:.0f} a second by the clock", flush=True)
    dataset = patches.Dataset(folder)
    dataset.features()
    seconds = clock.stop()
    note.write_text(f"{seconds:.1f}")
    return dataset, seconds


def fitted(
    name: str, known: Examples, held: Examples, budget: Budget, **options: object
) -> tuple[Estimator, float]:
    """A trained estimator and its CPU seconds."""
    before = cpu_seconds()
    made = patches.make_estimator(name, **options).fit(known, held, budget)
    return made, cpu_seconds() - before


def steps_within(
    minutes: float, folder: Path, known: Examples, held: Examples, options: dict[str, object]
) -> int:
    """Steps of training that take so many CPU minutes here, told from two short runs."""
    note = folder / "steps.txt"
    if not note.exists():
        _, few, more = (
            fitted("cnn", known, held, Budget(steps), **options)[1] for steps in (8, 8, 40)
        )
        note.write_text(f"{round(minutes * 60 * 32 / (more - few))}")
    return int(note.read_text())


def main() -> None:
    """Data, estimators, tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default="build/faust24", help="For data and checkpoints.")
    parser.add_argument("--clips", type=int, default=24_000, help="To learn from.")
    parser.add_argument("--steps", type=int, default=0, help="0: as --minutes allow, measured.")
    parser.add_argument("--size", default="medium")
    parser.add_argument("--kind", default="plain")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--minutes", type=float, default=12.0, help="CPU, of training.")
    parser.add_argument("--targets", type=int, default=32)
    parser.add_argument("--held", type=int, default=500, help="Test patches for parameters.")
    parser.add_argument("--renders", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--many", type=int, default=0, help="Renders of a last, longer search.")
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(args.folder)
    data, render_s = made(folder / "train", args.clips + 500, "train")
    test, _ = made(folder / "test", args.held, "test")
    known = patches.examples_of(data, rows=slice(0, args.clips))
    held = patches.examples_of(data, rows=slice(args.clips, None))
    estimators: dict[str, list[Estimator]] = {"cnn": []}
    train_s = []
    options = {
        "proxy": True,
        "size": args.size,
        "kind": args.kind,
        "batch": args.batch,
        "dropout": args.dropout,
    }
    args.steps = args.steps or steps_within(args.minutes, folder, known, held, options)
    print(f"{args.steps} steps", flush=True)
    for seed in range(args.seeds):
        path = folder / f"cnn{seed}.safetensors"
        if path.exists():  # of a run that was interrupted
            found, state = patches.load_estimator(path, fingerprint=data.space.fingerprint)
            estimators["cnn"].append(found)
            train_s.append(state["facts"]["cpu_seconds"])
            continue
        budget = Budget(args.steps, None, seed, folder / f"run{seed}", progress=True)
        clock = Clock(folder / f"seconds{seed}.txt")
        found, _ = fitted("cnn", known, held, budget, **options)
        seconds = clock.stop()
        estimators["cnn"].append(found)
        train_s.append(seconds)
        patches.save_estimator(
            found,
            path,
            space=data.space.to_dict(),
            fingerprint=data.space.fingerprint,
            facts={
                "recipe": read_recipe(folder / "train").to_dict(),
                "lufs": float(data.lufs[data.lufs > -70].mean()),
                "cpu_seconds": seconds,
            },
        )
    floors = {
        name: fitted(name, known, held, Budget())[0] for name in ("mean", "random", "nearest")
    }
    with patches.open_renderer("faust24", workers=1) as renderer:
        begun, player = time.process_time(), patches.Player(renderer)
        table = patches.evaluate(
            estimators, floors, patches.targets_of(test, player, args.held), known, player,
            count=args.targets, renders=args.renders, refiner="proxy", done=print,
        )  # fmt: skip
        print(f"evaluation: {time.process_time() - begun:.0f} CPU s here", flush=True)
        few, learnt = range(0, args.targets if args.many else 0, 2), estimators["cnn"][0]
        sounds = patches.targets_of(test, player, args.targets).audio
        away = [
            patches.match(
                sounds[i], player, learnt, renders=args.many, refiner="proxy", seed=i
            ).distance
            for i in few
        ]  # fmt: skip
    write(args, table, render_s, train_s, patches.summary(torch.tensor(away)))


def write(
    args: argparse.Namespace,
    table: patches.Evaluation,
    render_s: float,
    train_s: list[float],
    many: patches.Summary,
) -> None:
    """The page."""
    near, scored = table.main("cnn + proxy"), table.params["cnn"][0]
    r2 = scored.r2
    longer = [
        f"| distance after {args.many} renders, every other target | 5.0 dB | {many.mean:.2f} dB "
        f"({many.low:.2f} to {many.high:.2f}) |"
    ]
    longer = longer if args.many else []
    least = min(
        each.skill
        for name, each in zip(table.names, scored.each, strict=True)
        if name.startswith("lfo")
    )
    told = " ".join(f"--{k} {v}" for k, v in vars(args).items() if k != "folder")
    mean = sum(train_s) / len(train_s)
    lines = [
        "# Faust-24",
        "",
        f"`python -m bench.faust24 {told}`, one core of {platform.machine()}, PyTorch "
        f"{torch.__version__}.",
        "",
        f"{args.clips} clips rendered and turned into spectra in {render_s / 60:.1f} CPU minutes, "
        f"trained in {mean / 60:.1f} (network and stand-in): {(render_s + mean) / 60:.1f} in all. "
        f"{table.targets[0]} targets matched, {table.targets[1]} test patches scored. Intervals: "
        "95 %, bootstrap over targets.",
        "",
        "| target of the specification | wanted | here |",
        "|---|---|---|",
        f"| distance after {args.renders} renders | 6.0 dB | {near:.2f} dB |",
        *longer,
        f"| mean R2 | 0.45 | {r2:.3f} |",
        f"| skill over a constant, the least of the LFO's parameters | 0.05 | {least:.2f} |",
        f"| CPU minutes | 20 | {(render_s + mean) / 60:.1f} |",
        "",
        *markdown(*table.audio_cells()),
        "",
        *markdown(*table.param_cells()),
        "",
        *markdown(*table.each_cells("cnn")),
    ]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{PAGE} written")


def markdown(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a table."""
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


if __name__ == "__main__":
    main()
