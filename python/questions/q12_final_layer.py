"""Q12: is the final layer's drift common."""

from __future__ import annotations

import statistics

import torch
from answer import Answer
from descent import speech, trained

from dspcore import nn, train

T, STEPS, SEEDS, LAYERS = 512, 150, 5, 4
TYPES = ("amplitude", "frequency", "phase")


def main() -> None:
    """How far each layer goes from its start, relative to its own size, over seeds and rules."""
    clip = speech(0.6)[4_000 : 4_000 + T]
    clip = clip / clip.abs().max()
    times = nn.time_axis(T, "unit")[:, None]
    rules = {
        "Adam, random": ("random", train.OptimizerConfig(lr=2e-3)),
        "SGD, random": ("random", train.OptimizerConfig("sgd", lr=2e-2, clip_norm=1.0)),
        "Adam, analysis": (
            "analysis",
            train.OptimizerConfig(lr=2e-4, rates={"layers.0.frequency": 0.05}),
        ),
    }
    rows, lines = [], {}
    for name, (start, rule) in rules.items():
        moved: list[list[float]] = []
        last_by_type = {kind: 0 for kind in TYPES}
        snrs = []
        for seed in range(SEEDS):
            generator = torch.Generator().manual_seed(seed)
            model = nn.SineWaveNetwork(LAYERS, 24, first_frequency=150.0, generator=generator)
            heard = times
            if start == "analysis":
                piece = speech(0.6)[3_000 + 300 * seed :][:T]
                model.start(piece / piece.abs().max())
                heard, wanted = (
                    torch.arange(T, dtype=torch.float32)[:, None],
                    piece / piece.abs().max(),
                )
            else:
                wanted = clip
            before = {n: p.detach().clone() for n, p in model.named_parameters()}
            snrs.append(trained(model, heard, wanted, rule, steps=STEPS))
            change = {
                n: float((p.detach() - before[n]).norm() / before[n].norm().clamp(min=1e-9))
                for n, p in model.named_parameters()
                if float(before[n].norm()) > 0
            }
            moved.append(
                [
                    max(change.get(f"layers.{layer}.{kind}", 0.0) for kind in TYPES)
                    for layer in range(LAYERS)
                ]
            )
            for kind in TYPES:
                sizes = [change.get(f"layers.{layer}.{kind}", 0.0) for layer in range(LAYERS)]
                last_by_type[kind] += sizes.index(max(sizes)) == LAYERS - 1
        mean = [statistics.mean(column) for column in zip(*moved, strict=True)]
        most = sum(row.index(max(row)) == LAYERS - 1 for row in moved)
        lines[name] = mean
        rows.append(
            [name, *(f"{v:.3f}" for v in mean), f"{most} of {SEEDS}",
             *(f"{v} of {SEEDS}" for v in last_by_type.values()), f"{statistics.mean(snrs):.1f}"]
        )  # fmt: skip

    def draw(figure):
        axes = figure.subplots()
        for name, line in lines.items():
            axes.plot(range(1, LAYERS + 1), line, ".-", label=name)
        axes.set_xticks(range(1, LAYERS + 1))
        axes.set_xlabel("layer, the last is next to the loss")
        axes.set_ylabel("way from the start, relative")
        axes.set_yscale("log")
        axes.legend()

    Answer(
        12,
        "Is the final layer's drift common?",
        f"It depends on the rule: the last layer goes furthest in {rows[0][5]} runs of Adam from a random start, in "
        f"{rows[1][5]} of plain descent, in {rows[2][5]} of Adam from an analysis.",
        f"A network of {LAYERS} layers on 32 ms of speech, {STEPS} steps, {SEEDS} seeds (pieces of the clip, for the "
        "analysis). The way of a layer is the norm of its change over the norm of its start, of the type that went "
        "furthest; the columns by type say in how many runs the last layer's went furthest. The last layer has few, "
        "large gradients (one output), so in plain descent it is the one that moves; Adam gives every number a step "
        "of the same length, so what goes far, relatively, is what began small. Phases that begin at exactly 0, as "
        "those behind an analysis do, are left out.",
        [
            "rule and start",
            *(f"layer {n}" for n in range(1, LAYERS + 1)),
            "last goes furthest",
            *(f"by {kind}" for kind in TYPES),
            "SNR, dB",
        ],
        rows,
        "How far each layer goes from its start.",
    ).publish(draw, script=__file__)


if __name__ == "__main__":
    main()
