"""Q4: does every wave go through, or only selected ones."""

from __future__ import annotations

import math

import torch
from answer import Answer
from descent import said_db, speech, trained

from dspcore import nn, train

LEVELS, STEPS, T = 6, 400, 2_048


def main() -> None:
    """A tree that selects, a tree that weighs, and a plain bank, of as many waves or numbers."""
    clip = speech(0.6)[4_000 : 4_000 + T]
    clip = clip / clip.abs().max()
    times = torch.arange(T, dtype=torch.float32)
    waves = 2**LEVELS - 1
    tree = {"levels": LEVELS}
    bank = {"layers": 1, "frequency": math.pi}
    plans = {
        "selected: tree, hard gates": (nn.WaveTree, tree),
        "selected, only leaves sound": (nn.WaveTree, {**tree, "amplitude": "final"}),
        "all, weighed: tree, soft gates": (nn.WaveTree, {**tree, "gate": "sigmoid"}),
        "all: bank of as many waves": (nn.SineChain, {**bank, "waves": waves}),
        "all: bank of as many numbers": (nn.SineChain, {**bank, "waves": 5 * waves // 3}),
    }
    rule = train.OptimizerConfig(lr=2e-3, rates={"frequency": 0.01})
    rows, bars = [], {}
    for name, (kind, options) in plans.items():
        reached = []
        for start in ("random", "analysis"):
            torch.manual_seed(0)
            model = nn.for_clip(kind, clip, start=start, **options)  # type: ignore[type-var]
            begun = said_db(model, times, clip)
            reached += [begun, trained(model, times, clip, rule, steps=STEPS)]
        numbers = nn.num_params(model)
        open_waves = LEVELS if "selected" in name else numbers // (5 if "tree" in name else 3)
        bars[name] = reached
        rows.append([name, str(numbers), str(open_waves), *(f"{v:.1f}" for v in reached)])

    def draw(figure):
        axes = figure.subplots()
        places = range(len(bars))
        for at, label in ((1, "from random"), (2, "analysis alone"), (3, "analysis, descended")):
            lift = 0.27 * (2 - at)
            axes.barh([p + lift for p in places], [v[at] for v in bars.values()], 0.27, label=label)
        axes.set_yticks(list(places), list(bars))
        axes.set_xlabel("SNR, dB")
        axes.legend()

    hard, leaves, soft, same, numbers = (v[3] for v in bars.values())
    Answer(
        4,
        "Does every wave go through, or only selected ones?",
        f"Selecting saves work, not numbers: {waves} waves of "
        f"which {LEVELS} sound at a time reach {hard:.1f} dB ({leaves:.1f} with leaves alone), the same waves "
        f"all weighed {soft:.1f} dB, a plain bank of {waves} waves {same:.1f} dB, of as many numbers "
        f"{numbers:.1f} dB.",
        f"0.13 s of speech, {STEPS} steps of Adam, one seed. A hard path computes {LEVELS} waves a sample in "
        f"place of {waves}. Its start fits each wave to what is left where it is open, so every wave is a "
        "sinusoid cut into pieces by the gates above it; the cuts are the broad spectrum that speech also has. "
        "From a random start the trees do better than banks, because their waves begin an octave apart from low to "
        "high, where speech is, and the bank's anywhere up to half the rate; all stay below a bank from an analysis. "
        "With leaves alone the analysis is the worse start: waves that only open others were not chosen for what they "
        "open. Descent after an analysis moves the hard tree by less than 0.1 dB: the straight-through slope sees one "
        "path only, while soft gates, which see all, gain.",
        ["network", "numbers", "waves at a time", "random", "descended", "analysis", "descended"],
        rows,
        "SNR of 0.13 s of speech by how waves are chosen and where descent starts.",
    ).publish(draw, script=__file__)


if __name__ == "__main__":
    main()
