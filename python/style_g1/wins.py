"""Better than nothing on every effect? ``python -m style_g1.wins``: a minute of CPU for each."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from dspcore import style, train
from dspcore.style import Budget, Clips, PairSource


@dataclass
class Wins:
    """What is done.

    Attributes:
        data: Folder with speech.
        out: Folder for the table.
        effects: All that are asked.
        sample_rate: In Hz.
        seconds: Of a clip.
        pairs: To train on.
        test: Pairs of a speaker that was not heard.
        steps: Through the effect.
        seed: Of everything.
    """

    data: str = "../../shared/data/fsdd"
    out: str = "../build/style_g1"
    effects: list[str] = field(
        default_factory=lambda: [
            *("mda:Delay", "mda:ThruZero", "mda:Ambience", "mda:Leslie", "mda:MultiBand"),
            *("mda:Limiter", "mda:Combo", "mda:SubSynth", "mda:Overdrive"),
        ]
    )
    sample_rate: int = 24_000
    seconds: float = 2.7
    pairs: int = 400
    test: int = 32
    steps: int = 160
    seed: int = 0


def main() -> None:
    """A row for each effect."""
    asked = train.read_config(Wins, program="python -m style_g1.wins")
    torch.set_num_threads(1)
    clips = style.read_clips(
        asked.data, asked.sample_rate, asked.seconds, group="_[a-z]+_", limit=360, seed=asked.seed
    )
    last = sorted(set(clips.groups))[-1]
    parts = [[i for i, g in enumerate(clips.groups) if (g == last) == held] for held in (0, 1)]
    training, held, tested = (
        Clips(clips.audio[rows], clips.sample_rate)
        for rows in (parts[0][:-24], parts[0][-24:], parts[1][: asked.test])
    )
    ears = style.make_encoder("statistics", asked.sample_rate).freeze()
    lines = [
        "| effect | nothing | constant | regress+spsa | left | wins | training, CPU s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    facts = []
    for name in asked.effects:
        begin = time.process_time()
        effect = style.effect_named(name, asked.sample_rate)
        known = PairSource(effect, training, seed=asked.seed + 1, count=asked.pairs)
        checked = PairSource(effect, held, seed=asked.seed + 2, count=24)
        made = style.make_controller("regress+spsa", lr=1e-3, steps=asked.steps)
        budget = Budget(seed=asked.seed, steps=1000, patience=0)
        made.prepare(effect, known, checked, encoder=ears, budget=budget)
        seconds = time.process_time() - begin
        rows = [
            style.make_controller(n).prepare(effect, known, budget=budget)
            for n in ("nothing", "constant", "oracle")
        ]
        test = PairSource(effect, tested, seed=asked.seed + 3, count=asked.test)
        found = style.evaluate([*rows, made], test.all())
        row = found.row("regress+spsa")
        numbers = [found.row(n).matched["MRSTFT"] for n in ("nothing", "constant", "regress+spsa")]
        cells = [name, *(f"{n:.3f}" for n in numbers), f"{row.share[1]:.0%}", f"{row.wins:.0%}"]
        lines.append(f"| {' | '.join(cells)} | {seconds:.0f} |")
        print(lines[-1], file=sys.stderr, flush=True)
        facts.append({"effect": name, "training_cpu_seconds": seconds, **found.facts()})
        out = Path(asked.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / "wins.json").write_text(json.dumps(facts, indent=1) + "\n")
        (out / "WINS.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
