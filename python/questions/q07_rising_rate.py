"""Q7: why a rising rate helps."""

from __future__ import annotations

import statistics

import torch
from answer import Answer
from descent import speech, trained

from dspcore import nn, train

T, STEPS, SEEDS = 512, 150, 2
RATES = (1e-3, 5e-3, 2e-2, 5e-2)


def main() -> None:
    """Schedules that rise and fall, at first rates from too small to too large."""
    clip = speech(0.6)[4_000 : 4_000 + T]
    clip = clip / clip.abs().max()
    times = nn.time_axis(T, "unit")[:, None]
    plans = {
        "level": train.Schedule(),
        "falls to 1 %": train.Schedule([(0, 1.0), (STEPS, 0.01)], "cosine"),
        "rises tenfold": train.Schedule([(0, 1.0), (STEPS, 10.0)], "exponential"),
        "rises tenfold, then falls": train.Schedule(
            [(0, 1.0), (STEPS // 2, 10.0), (STEPS, 0.1)], "exponential"
        ),
        "warm-up, then level": train.Schedule(warmup=STEPS // 6),
    }
    rows, curves = [], {}
    for name, schedule in plans.items():
        line, texts = [], []
        for lr in RATES:
            reached = []
            for seed in range(SEEDS):
                generator = torch.Generator().manual_seed(seed)
                model = nn.SineWaveNetwork(3, 24, first_frequency=150.0, generator=generator)
                rule = train.OptimizerConfig(lr=lr, schedule=schedule)
                reached.append(trained(model, times, clip, rule, steps=STEPS))
            line.append(statistics.mean(reached))
            texts.append(f"{line[-1]:.1f} +/- {statistics.stdev(reached):.1f}")
        curves[name] = line
        rows.append([name, *texts, f"{max(line):.1f}"])

    def draw(figure):
        axes = figure.subplots()
        for name, line in curves.items():
            axes.plot(RATES, line, ".-", label=name)
        axes.set_xscale("log")
        axes.set_xlabel("first rate")
        axes.set_ylabel("SNR, dB")
        axes.legend()

    level, fall, rise, both, warm = curves.values()
    best = max(curves, key=lambda name: max(curves[name]))
    Answer(
        7,
        "Why does a rising rate help?",
        f"Because the first rate was too small: at {RATES[0]:g} a rise to ten times takes {level[0]:.1f} to "
        f"{rise[0]:.1f} dB, but at the best first rate of each plan level reaches {max(level):.1f}, rising "
        f"{max(rise):.1f}, rising then falling {max(both):.1f}, falling {max(fall):.1f} dB; best was *{best}*.",
        f"A sine network of 3 layers (972 numbers for {T} samples of speech), random start, {STEPS} steps of Adam, means "
        f"and standard deviations of {SEEDS} seeds. A rise finds a usable rate by itself, which a sweep does as well; at "
        "a first rate that is large already it overshoots in some seeds. A fall from the start only takes steps away "
        f"where so few are given, and so does warm-up ({max(warm):.1f} dB at best), a rise over {STEPS // 6} steps.",
        ["schedule", *(f"first rate {lr:g}" for lr in RATES), "best"],
        rows,
        "SNR over the first rate, a line for each schedule.",
    ).publish(draw, script=__file__)


if __name__ == "__main__":
    main()
