"""Q14: consecutive points, luck or effect."""

from __future__ import annotations

import statistics
from typing import Any

import torch
from answer import Answer
from descent import said_db, speech

from dspcore import losses, nn, train

T, POINTS, STEPS, SEEDS = 2_048, 400, 250, 4
CONSECUTIVE = (1, 2, 20, 50)


def main() -> None:
    """The same number of points a step, in windows of more and more neighbours."""
    clip = speech(0.6)[4_000 : 4_000 + T]
    clip = clip / clip.abs().max()
    times = nn.time_axis(T, "unit")
    square = losses.Waveform()

    def run(seed: int, num_consec: int, slopes: bool) -> dict[str, float]:
        generator = torch.Generator().manual_seed(seed)
        model = nn.SineWaveNetwork(3, 32, first_frequency=600.0, generator=generator)
        data = train.ClipDataset(clip.float(), times=times)
        points = train.AnchorSampler(
            data, batch=POINTS // num_consec, num_consec=num_consec, seed=seed
        )
        near = losses.ProximalDifference(min(20, num_consec)) if slopes else None

        def loss(model: Any, batch: Any, step: int) -> torch.Tensor:
            found = model(batch.times[..., None])[..., 0][:, None]
            wanted = batch.values[:, None]
            value = square(found, wanted).mean()
            return value if near is None else value + near(found, wanted).mean()

        fall = train.Schedule([(0, 1.0), (STEPS, 0.05)], "cosine")
        rule = train.OptimizerConfig(lr=3e-3, schedule=fall)
        config = train.FitConfig(
            steps=STEPS, optimizer=rule, trackers=[], progress=False, seed=seed
        )
        train.fit(model, loss, points, config)
        return {"snr_db": said_db(model, times[:, None], clip)}

    rows, curves = [], {}
    for slopes in (False, True):
        counts = [c for c in CONSECUTIVE if not slopes or c > 1]
        name = "mean square and slopes" if slopes else "mean square"
        curves[name] = []
        for count in counts:
            reached = [run(seed, count, slopes)["snr_db"] for seed in range(SEEDS)]
            mean, spread = statistics.mean(reached), statistics.stdev(reached)
            curves[name].append((count, mean, spread))
            rows.append(
                [name, str(count), str(POINTS // count), f"{mean:.2f}", f"{spread:.2f}",
                 f"{min(reached):.2f} to {max(reached):.2f}"]
            )  # fmt: skip

    def draw(figure):
        axes = figure.subplots()
        for name, line in curves.items():
            x, y, e = zip(*line, strict=True)
            axes.errorbar(x, y, e, fmt=".-", capsize=3, label=name)
        axes.set_xscale("log")
        axes.set_xlabel("consecutive points in a window")
        axes.set_ylabel("SNR, dB")
        axes.legend()

    plain = curves["mean square"]
    best, single, most = max(plain, key=lambda row: row[1]), plain[0], plain[-1]
    gap, noise = best[1] - min(row[1] for row in plain), statistics.mean(row[2] for row in plain)
    Answer(
        14,
        "More consecutive points: luck or effect?",
        f"At the same {POINTS} points a step, single points reach {single[1]:.2f} dB and windows of {most[0]} "
        f"{most[1]:.2f} dB; the largest difference between window lengths is {gap:.2f} dB, while seeds of one "
        f"setting differ by {noise:.2f} dB (standard deviation): "
        + (
            "an effect, and against the journal."
            if gap > 2 * noise and best[0] < 20
            else "an effect."
            if gap > 2 * noise
            else "luck, at one run each."
        ),
        f"A sine network of 3 layers from random starts on 0.13 s of speech, {STEPS} steps of Adam, {SEEDS} seeds a "
        "row. Neighbours say nearly the same, so a step of 8 windows of 50 hears less of the clip than one of 400 points "
        "anywhere; windows are needed by losses on differences and by nothing else. A random start says little "
        "of the clip after so few steps, which is the other reason why single runs prove nothing here.",
        ["loss", "consecutive", "windows a step", "SNR, dB", "standard deviation", "from, to"],
        rows,
        f"SNR over the length of windows, mean and standard deviation of {SEEDS} seeds.",
    ).publish(draw, script=__file__)


if __name__ == "__main__":
    main()
