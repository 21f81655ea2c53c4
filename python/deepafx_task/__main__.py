"""Controllers side by side on equaliser and compressor; ``--help`` lists settings."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from dspcore import style, train
from dspcore.style import Budget, Clips, PairSource

#: MRSTFT of the published table, 1000 examples of LibriTTS: the input's, and what is left of it.
PUBLISHED = {"rule": 0.943 / 1.187, "SPSA": 0.635 / 1.187, "autodiff": 0.388 / 1.187}


@dataclass
class Task:
    """What is done.

    Attributes:
        data: Folder with speech.
        out: Folder for results.
        group: What in a file's name is its speaker.
        effect: The chain.
        sample_rate: In Hz.
        seconds: Of a clip.
        pairs: To train on.
        validation: Pairs.
        test: Pairs, of a speaker that no controller has heard.
        steps: Of regression.
        tuned: Steps of SPSA and of autodiff through the effects.
        level: What is made equal while SPSA and autodiff learn: rms, or none.
        hidden: Width of the heads' first layer.
        lr: Learning rate of SPSA and autodiff; 0 leaves each its own.
        controllers: Which are asked, beside the yardsticks.
        seed: Of everything.
    """

    data: str = "../../shared/data/fsdd"
    out: str = "../build/deepafx_task"
    group: str = "_[a-z]+_"
    effect: str = "parametric_eq+compressor"
    sample_rate: int = 24_000
    seconds: float = 2.7
    pairs: int = 1000
    validation: int = 32
    test: int = 40
    steps: int = 1500
    tuned: int = 250
    level: str = "none"
    hidden: int = 128
    lr: float = 0.0
    controllers: list[str] = field(
        default_factory=lambda: ["rule", "nearest", "regress", "spsa", "regress+spsa", "autodiff"]
    )
    seed: int = 0


def main() -> None:
    """Trains, measures, writes RESULTS.md and results.json."""
    task = train.read_config(Task, program="python -m deepafx_task")
    torch.set_num_threads(1)
    out = Path(task.out)
    out.mkdir(parents=True, exist_ok=True)
    clips = style.read_clips(
        task.data, task.sample_rate, task.seconds, group=task.group, limit=360, seed=task.seed
    )
    speakers = sorted(set(clips.groups))
    parts = [
        [i for i, g in enumerate(clips.groups) if (g == speakers[-1]) == held] for held in (0, 1)
    ]
    training, held, tested = (
        Clips(clips.audio[rows], clips.sample_rate)
        for rows in (parts[0][:-30], parts[0][-30:], parts[1][: task.test])
    )
    effect = style.effect_named(task.effect, task.sample_rate)
    known = PairSource(effect, training, seed=task.seed + 1, count=task.pairs)
    asked = PairSource(effect, held, seed=task.seed + 2, count=task.validation)
    ears = style.make_encoder("statistics", task.sample_rate).freeze()
    taught = {"hidden": task.hidden}
    tuned = {**taught, "steps": task.tuned, "level": task.level}
    tuned |= {"lr": task.lr} if task.lr else {}
    options = {"regress": taught, "spsa": tuned, "regress+spsa": tuned, "autodiff": tuned}
    wanted = {name: options.get(name, {}) for name in (*style.YARDSTICKS, *task.controllers)}
    chosen, seconds = {}, {}
    for name, options in wanted.items():
        begin = time.process_time()
        made = style.make_controller(name, **options)
        budget = Budget(steps=task.steps, seed=task.seed)
        chosen[name] = made.prepare(effect, known, asked, encoder=ears, budget=budget)
        seconds[name] = time.process_time() - begin
        print(f"{name}: {seconds[name]:.1f} CPU s", file=sys.stderr, flush=True)
    test = PairSource(effect, tested, seed=task.seed + 3, count=task.test)
    found = style.evaluate(chosen, test.all())
    facts = {"task": asdict(task), **found.facts(), "training_cpu_seconds": seconds}
    (out / "results.json").write_text(json.dumps(facts, indent=1) + "\n")
    lines = [
        "# Results of deepafx_task",
        "",
        f"{task.effect} ({effect.num_params} parameters), {task.pairs} pairs to learn from, "
        f"{len(test)} to be asked; CPU seconds are of training, the pairs (made and heard by the "
        "first that needs them) included. SPSA and autodiff learnt with level: " + task.level + ".",
        "",
    ]
    head, cells = found.cells()
    head = [*head[:-1], "CPU s"]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in cells:
        lines.append("| " + " | ".join([*row[:-1], f"{seconds[row[0]]:.1f}"]) + " |")
    published = ", ".join(f"{name} {share:.2f}" for name, share in PUBLISHED.items())
    lines += ["", f"Published shares of the input's MRSTFT (raw) that are left: {published}."]
    (out / "RESULTS.md").write_text("\n".join(lines) + "\n")
    print((out / "RESULTS.md").read_text())


if __name__ == "__main__":
    main()
