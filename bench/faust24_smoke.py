"""``python -m bench.faust24_smoke`` writes bench/FAUST24_SMOKE.md: check A9, asked beside reached.

8,000 clips of Faust-24, a network with the default head and one by square error, 16 renders for
each target, all of it on one thread. A folder of ``bench.faust24`` with more clips serves as well:
its first ones are the same, and its CPU seconds are counted in proportion. A run that was killed
goes on.
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

import torch

from bench.estimators import learnt
from bench.faust24 import made, markdown
from dspcore import patches
from dspcore.patches import Estimator, Summary, Targets

PAGE = Path(__file__).parent / "FAUST24_SMOKE.md"
HELD = 500  # clips for validation
NETWORKS = {
    "default head": {"size": "medium", "kind": "plain", "dropout": 0.2},
    "square error": {"size": "medium", "kind": "plain", "dropout": 0.2, "head": "regression"},
}


def away(estimator: Estimator, targets: Targets, player: patches.Player, renders: int) -> Summary:
    """Log-mel distance of the best of so many renders."""
    found = [
        patches.match(sound, player, estimator, renders=renders, seed=i).distance
        for i, sound in enumerate(targets.audio)
    ]
    return patches.summary(torch.tensor(found))


def main() -> None:
    """Data, two networks, the sentence of A9."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default="build/faust24_smoke", help="For data and checkpoints.")
    parser.add_argument("--clips", type=int, default=8_000, help="To learn from.")
    parser.add_argument("--steps", type=int, default=500, help="Of each network.")
    parser.add_argument("--held", type=int, default=1_000, help="Test patches for parameters.")
    parser.add_argument("--targets", type=int, default=24, help="Sounds that are matched.")
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(args.folder)
    data, rendered = made(folder / "train", args.clips + HELD, "train", at_least=True)
    test, _ = made(folder / "test", args.held, "test")
    rendered *= args.clips / len(data)
    known = patches.examples_of(data, rows=slice(0, args.clips))
    asked = patches.examples_of(data, rows=slice(args.clips, args.clips + HELD))
    heard = patches.examples_of(test, rows=slice(0, args.held))
    found, seconds = {}, {}
    runs = folder / "smoke"
    runs.mkdir(parents=True, exist_ok=True)
    for title, options in NETWORKS.items():
        found[title], seconds[title] = learnt("cnn", options, 0, runs, args.steps, known, asked)
    scored = {
        title: patches.scores(
            patches.means_of(each, heard), patches.modes_of(each, heard), heard.u, known.u,
            known.layout, names=test.space.names,
        )
        for title, each in found.items()
    }  # fmt: skip
    with patches.open_renderer("faust24", workers=1) as renderer:
        player = patches.Player(renderer)
        targets = patches.targets_of(test, player, args.targets)
        ranked = {title: away(each, targets, player, 16) for title, each in found.items()}
        single = away(found["square error"], targets, player, 1)
    best, own = ranked["default head"], scored["default head"]
    minutes = (rendered + seconds["default head"]) / 60
    rows = [
        ["mean R2", "at least 0.25", f"{own.r2:.3f}", own.r2 >= 0.25],
        ["accuracy of categories", "at least 0.50", f"{own.accuracy:.3f}", own.accuracy >= 0.5],
        ["best of 16 renders", "at most 10 dB", _said(best), best.mean <= 10],
        [
            "of what the network by square error says",
            "at most 0.7",
            f"{best.mean / single.mean:.2f}",
            best.mean <= 0.7 * single.mean,
        ],
        ["CPU minutes, rendering and training", "at most 5", f"{minutes:.1f}", minutes <= 5],
    ]
    told = " ".join(f"--{k} {v}" for k, v in vars(args).items() if k != "folder")
    head = ["network", "mean R2", "accuracy", "majority", "best of 16", "CPU s to train"]
    lines = [
        "# Faust-24 in small: check A9",
        "",
        f"`python -m bench.faust24_smoke {told}`, one core of {platform.machine()}, PyTorch "
        f"{torch.__version__}. Intervals: 95 %, bootstrap over {args.targets} targets. One seed.",
        "",
        *markdown(
            ["", "asked", "reached", ""],
            [[*map(str, row[:3]), "met" if row[3] else "missed"] for row in rows],
        ),
        "",
        f"{rendered:.0f} CPU seconds are of rendering and spectra. One answer of the network by "
        f"square error is {_said(single)} off.",
        "",
        *markdown(
            head,
            [
                [
                    title, f"{s.r2:.3f}", f"{s.accuracy:.3f}", f"{s.majority:.3f}",
                    _said(ranked[title]), f"{seconds[title]:.0f}",
                ]
                for title, s in scored.items()
            ],
        ),
    ]  # fmt: skip
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _said(distance: Summary) -> str:
    return f"{distance.mean:.2f} dB ({distance.low:.2f} to {distance.high:.2f})"


if __name__ == "__main__":
    main()
