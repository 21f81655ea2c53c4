"""Q6: are gradient scales the reason that training stalls, and which types."""

from __future__ import annotations

import math
from copy import deepcopy

import torch
from answer import Answer
from descent import speech, trained
from torch import Tensor

from dspcore import nn, train

T, STEPS = 2_048, 250
KINDS = ("amplitude", "frequency", "phase")


def sizes(model: nn.SineChain, times: Tensor, clip: Tensor) -> dict[str, list[float]]:
    """Root mean square of the gradient by type, the hidden layer's and the outer one's."""
    model.zero_grad()
    (model(times) - clip.float()).square().mean().backward()
    hidden = model.shapes[0][2]
    found = {}
    for kind in KINDS:
        gradient = getattr(model, kind).grad
        parts = (gradient[:hidden], gradient[hidden:])
        found[kind] = [float(p.square().mean().sqrt()) for p in parts]
    model.zero_grad()
    return found


def main() -> None:
    """Gradients of a chain by type and layer, then descent with rates that make up for them."""
    clip = speech(0.6)[4_000 : 4_000 + T]
    clip = clip / clip.abs().max()
    times = torch.arange(T, dtype=torch.float32)
    rows, bars = [], {}

    def chain(start: str, parametrize: str) -> nn.SineChain:
        generator = torch.Generator().manual_seed(0)
        options = {"layers": 2, "waves": [3, 24], "frequency": math.pi, "generator": generator}
        return nn.for_clip(nn.SineChain, clip, start=start, parametrize=parametrize, **options)

    for start in ("random", "analysis"):
        for parametrize in ("amplitude", "index"):
            model = chain(start, parametrize)
            begun = deepcopy(model)
            found = sizes(model, times, clip)
            every = [v for pair in found.values() for v in pair]
            spread = max(every) / max(min(every), 1e-30)
            # Rates that make the first step of plain descent as long for every type and layer.
            balance = {kind: max(every) / max(max(pair), 1e-30) for kind, pair in found.items()}
            balance["frequency"] *= 0.01  # in units of the others: a bin is 1e-3 of the range
            reached = [
                max(trained(deepcopy(begun), times, clip, rule, steps=STEPS) for rule in rules)
                for rules in (
                    [train.OptimizerConfig("sgd", lr) for lr in (1e-3, 1e-2)],
                    [train.OptimizerConfig("sgd", lr, balance) for lr in (1e-3, 1e-2)],
                    [train.OptimizerConfig("adam", lr) for lr in (1e-4, 1e-3)],
                    [train.OptimizerConfig("adam", lr, {"frequency": 0.01}) for lr in (1e-3, 3e-3)],
                )
            ]
            name = f"{start}, {parametrize}"
            bars[name] = found
            first = [f"{pair[0]:.0e} / {pair[1]:.0e}" for pair in found.values()]
            rows.append([name, *first, f"{spread:.0e}", *(f"{v:.1f}" for v in reached)])

    def draw(figure):
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, start in ((left, "random"), (right, "analysis")):
            for shift, parametrize in ((-0.2, "amplitude"), (0.2, "index")):
                found = bars[f"{start}, {parametrize}"]
                for n, layer in enumerate(("hidden", "outer")):
                    places = [p + shift + 0.15 * n for p in range(3)]
                    values = [found[kind][n] for kind in KINDS]
                    axes.bar(places, values, 0.14, label=f"{parametrize}, {layer}")
            axes.set_xticks(range(3), KINDS)
            axes.set_yscale("log")
            axes.set_title(f"{start} start")
        left.set_ylabel("gradient, rms")
        right.legend(fontsize=7, loc="upper right")

    analysis = rows[3]
    best = max(float(v) for r in rows[:2] for v in r[5:])
    Answer(
        6,
        "Are gradient scales the reason that training stalls? Of which types?",
        f"They are real and not the reason: at a random start gradients differ by {rows[1][4]} between types and layers, "
        f"frequencies of the outer layer the largest, phases the smallest, but the best of all rates and rules reaches "
        f"{best:.1f} dB. From an analysis Adam keeps {analysis[7]} dB, with slower frequencies {analysis[8]}, and plain "
        f"descent loses what it had ({analysis[5]} dB, by type {analysis[6]}).",
        "A chain of 3 hidden and 24 outer waves on 0.13 s of speech, times in samples; each entry the best of two "
        f"rates after {STEPS} steps. The analysis leaves hidden amplitudes at 0 here, where steady partials said more than "
        "bent ones, so hidden frequencies and phases have no gradient at all, and outer amplitudes hardly any, because "
        "they are solved for: only frequencies are pulled. Any single rate of plain descent is too large for them or too "
        "small for the rest, and rates taken from the first gradients (by type) are worse, since those vanish at a "
        "solution. Adam takes scales out by itself; what remains is that a frequency wants a smaller *step*, because "
        "its hollow is a bin wide. No rate makes it cross from one hollow to the next (see Q1).",
        [
            "start, hidden amplitude as",
            *(f"{k}, hidden / outer" for k in KINDS),
            "largest over smallest",
            "SGD",
            "SGD by type",
            "Adam",
            "Adam, slow frequencies",
        ],
        rows,
        "Gradients at the start, by type, layer, start and how hidden amplitudes are stored.",
    ).publish(draw, script=__file__)


if __name__ == "__main__":
    main()
