"""The study from one command: ``python -m patches`` in ``python/``; ``--help`` lists settings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dspcore import patches, report, train
from dspcore.files import write_text
from dspcore.patches import Budget, Estimator, Examples, ParamSpace, Player, Targets
from patches.steps import STEPS, Step, draw_steps, scatter


@dataclass
class Study:
    """What is done.

    Attributes:
        out: Folder for data, the page and the tables.
        data: Folder with data sets train and test, as bench.faust24 leaves them; their first rows
            are taken. Rendered into `out` when left out.
        clips: To learn from.
        test: Patches whose parameters are scored.
        targets: Sounds that are matched.
        renders: For each of them, where candidates are ranked.
        steps: Of gradient descent, of every network.
        seed: Of everything.
    """

    out: str = "../build/patches"
    data: str = ""
    clips: int = 7_000
    test: int = 500
    targets: int = 16
    renders: int = 64
    steps: int = 700
    seed: int = 0


def main() -> None:
    """Every step, its table row and its figure."""
    study = train.read_config(Study, program="python -m patches")
    torch.set_num_threads(1)
    out = Path(study.out)
    if study.data:
        out.mkdir(parents=True, exist_ok=True)
        data, testing = (patches.Dataset(Path(study.data) / name) for name in ("train", "test"))
    else:
        data = made(out / "train", study.clips + 500, "train")
        testing = made(out / "test", study.test, "test")
    known = patches.examples_of(data, rows=slice(0, study.clips))
    held = patches.examples_of(data, rows=slice(study.clips, study.clips + 500))
    rows: list[list[str]] = []
    parts, spreads = [], []
    trained: dict[str, tuple[Estimator, int]] = {}
    with patches.open_renderer("faust24", workers=1) as renderer:
        player = Player(renderer)
        held_out = patches.targets_of(testing, player, study.test)
        rows.append(oracle(study, held_out, player))
        for step in STEPS:
            key = f"{step.estimator} {step.options}"
            if key not in trained:
                trained[key] = learnt(step, study, known, held, data.space)
            row, figure, r2 = taken(step, *trained[key], study, known, held_out, player)
            rows.append(row)
            parts.append(figure)
            spreads.append((step.name, r2))
            print(" | ".join(row), flush=True)
    head = ["step", "mean R2", "spread", "accuracy", "distance dB", "renders", "steps"]
    lines = [f"| {' | '.join(r)} |" for r in (head, ["---"] * len(head), *rows)]
    told = f"{study.clips} clips, {study.test} test patches, {study.targets} targets"
    told += f", seed {study.seed}"
    text = "\n".join(
        ["# From 0.50 to a patch", "", f"`python -m patches`: {told}.", "", *lines, ""]
    )
    write_text(out / "RESULTS.md", text)
    write_text(out / "report.html", report.page("From 0.50 to a patch", parts, [told]))
    png = report.drawn(lambda canvas: draw_steps(canvas, spreads, testing.space.names), 4.6)
    (out / "steps.png").write_bytes(png)
    print(f"{out / 'report.html'}, RESULTS.md and steps.png beside it")


def oracle(study: Study, test: Targets, player: Player) -> list[str]:
    """The row of the truth rendered again."""
    u, sounds = test.u[: study.targets], test.audio[: study.targets]
    away = patches.METRICS["logmel"](player(u), sounds, player.renderer.sample_rate)
    return ["the truth", "1.000", "1.000", "1.000", f"{float(away.mean()):.2f}", "1", "0"]


def learnt(
    step: Step, study: Study, known: Examples, held: Examples, space: ParamSpace
) -> tuple[Estimator, int]:
    """A trained estimator and its steps; an interrupted study goes on where it ended."""
    steps = round(study.steps * step.share)
    told = f"{step.estimator} {step.options} {len(known)} {steps} {study.seed}"
    path = Path(study.out) / f"{hashlib.sha256(told.encode()).hexdigest()[:12]}.safetensors"
    if not path.exists():
        made = patches.make_estimator(step.estimator, **step.options)
        made.fit(known, held, Budget(steps, seed=study.seed, folder=path.with_suffix("")))
        patches.save_estimator(made, path, space=space.to_dict(), fingerprint=space.fingerprint)
    found, _ = patches.load_estimator(path)
    return found, 0 if step.estimator in ("mean", "random", "nearest") else steps


def taken(
    step: Step,
    estimator: Estimator,
    steps: int,
    study: Study,
    known: Examples,
    test: Targets,
    player: Player,
) -> tuple[list[str], str, list[float]]:
    """A row, a figure in HTML, and the R2 of each parameter."""
    heard = Examples(test.u, estimator.hear(test.audio), known.layout, known.frontend)
    mean, mode = patches.means_of(estimator, heard), patches.modes_of(estimator, heard)
    found = patches.scores(mean, mode, test.u, known.u, known.layout, names=test.names)
    away = []
    for i, sound in enumerate(test.audio[: study.targets]):
        renders = study.renders if step.ranked else 1
        one = patches.match(sound, player, estimator, renders=renders, refiner=step.refiner, seed=i)
        away.append(one.distance)
    distance = sum(away) / len(away)
    row = [
        step.name,
        f"{found.r2:.3f}",
        f"{found.spread:.3f}",
        f"{found.accuracy:.3f}",
        f"{distance:.2f}",
        str(study.renders if step.ranked else 1),
        str(steps),
    ]
    png = report.drawn(lambda canvas: scatter(canvas, mean, test.u, test.names), 2.0)
    said = f"mean R2 {found.r2:.2f}, {distance:.1f} dB. {step.why}"
    said += "".join(f" Alarm: {warning}." for warning in estimator.warnings[:1])
    return (
        row,
        f"<h2>{step.name}</h2>{report.figure(png, step.name, said)}",
        [s.r2 for s in found.each],
    )


def made(folder: Path, count: int, split: str) -> Any:
    """A data set of the benchmark; what is there already is not rendered again."""
    with patches.open_renderer("faust24", workers=1) as renderer:
        gates = patches.Gates(None, None)
        patches.generate(renderer, folder, count, seed=7, split=split, gates=gates)
    return patches.Dataset(folder)


if __name__ == "__main__":
    main()
