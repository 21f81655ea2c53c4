"""``python -m bench.kosc`` writes bench/KOSC.md: k identical sine oscillators, k = 2, 4, 8.

A synth that is nothing but symmetry, after Hayes et al. (ISMIR 2025). Splits are drawn from
generators with seeds of their own, and shared rows are refused. Every network gets the same clips,
steps and backbone. Hayes' baselines: square error, and a flow of which one draw is taken.
"""

from __future__ import annotations

import argparse
import math
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.estimators import learnt
from bench.faust24 import markdown
from dspcore import patches
from dspcore.patches import Evaluation, Examples, Layout, LogMel, Targets

PAGE = Path(__file__).parent / "KOSC.md"
RATE, SAMPLES = 8_000, 4_096
FRONTEND = LogMel(RATE, size=1024, hop=1024, bands=80, low_hz=60.0, floor=1e-3)
SMALL: dict[str, Any] = {"size": "small", "kind": "plain", "batch": 64}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "square error": ("cnn", {**SMALL, "head": "regression"}),
    "bins": ("cnn", {**SMALL, "head": "bins"}),
    "joint": ("cnn", SMALL),
    "flow": ("flow", {**SMALL, "steps": 8}),
}


def layout(k: int) -> Layout:
    """Frequency and level of each oscillator, which may change places."""
    return Layout((0,) * (2 * k), (tuple((2 * i, 2 * i + 1) for i in range(k)),))


def render(u: Tensor) -> Tensor:
    """Settings (n, 2 k) to sounds (n, 1, t): 100 Hz to 3 kHz, -30 to 0 dB."""
    pairs = u.double().unflatten(1, (-1, 2))
    frequency = 100 * 30 ** pairs[..., :1]
    level = 10 ** ((pairs[..., 1:] - 1) * 30 / 20)
    seconds = torch.arange(SAMPLES, dtype=torch.float64) / RATE
    return ((2 * math.pi * frequency * seconds).sin() * level).sum(1, keepdim=True).float()


def examples(k: int, count: int, seed: int) -> Examples:
    """Random patches and their spectra."""
    u = torch.rand(count, 2 * k, generator=torch.Generator().manual_seed(seed))
    mel = torch.cat([patches.log_mel(FRONTEND, render(part)[:, 0]) for part in u.split(128)])
    return Examples(u, mel.half(), layout(k), FRONTEND)


def evaluated(k: int, args: argparse.Namespace) -> tuple[Evaluation, dict[str, float]]:
    """The table for k oscillators, and CPU seconds of training."""
    known, held, test = (
        examples(k, count, 10 * k + i) for i, count in enumerate((args.clips, 200, args.targets))
    )
    patches.check_disjoint(known.u.double().numpy(), test.u.double().numpy(), "the test set")
    floors = {
        name: patches.make_estimator(name).fit(known, held)
        for name in ("mean", "random", "nearest")
    }
    found, seconds = {}, {}
    folder = Path(args.folder) / str(k)
    folder.mkdir(parents=True, exist_ok=True)
    for title, (name, options) in NETWORKS.items():
        each = [
            learnt(name, options, seed, folder, args.steps, known, held)
            for seed in range(args.seeds)
        ]
        found[title] = [estimator for estimator, _ in each]
        seconds[title] = sum(spent for _, spent in each) / len(each)
    names = [f"{what} {i + 1}" for i in range(k) for what in ("frequency", "level")]
    table = patches.evaluate(
        found, floors, Targets(test.u, render(test.u), names), known, render,
        count=args.targets, renders=args.renders, metrics=("logmel", "lsd", "mss_mel"),
    )  # fmt: skip
    return table, seconds


def main() -> None:
    """A table for each k."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default="build/kosc", help="For checkpoints.")
    parser.add_argument("--k", type=int, nargs="+", default=[2, 4, 8], help="Oscillators.")
    parser.add_argument("--page", type=Path, default=PAGE, help="To write.")
    parser.add_argument("--clips", type=int, default=2_000, help="To learn from.")
    parser.add_argument("--steps", type=int, default=160, help="Of every network.")
    parser.add_argument("--targets", type=int, default=24)
    parser.add_argument("--renders", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    plain = {key: value for key, value in vars(args).items() if key not in ("folder", "page")}
    plain["k"] = " ".join(map(str, args.k))
    told = " ".join(f"--{key} {value}" for key, value in plain.items())
    lines = [
        "# Identical oscillators",
        "",
        f"`python -m bench.kosc {told}`, one core of {platform.machine()}, PyTorch "
        f"{torch.__version__}. Distances: mean over targets, 95 % bootstrap interval, deviation "
        "between seeds (sd). `assignment` is the error with oscillators matched at their best.",
    ]
    for k in args.k:
        table, seconds = evaluated(k, args)
        head, rows = table.param_cells()
        own = [0, head.index("MAE"), head.index("assignment"), head.index("spread")]
        params = [[row[i] for i in own] + [f"{seconds.get(row[0], 0):.0f}"] for row in rows]
        lines += ["", f"## k = {k}", "", *markdown(*table.audio_cells()), ""]
        lines += markdown([head[i] for i in own] + ["CPU s to train"], params)
        print(f"k = {k}", flush=True)
    args.page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{args.page} written")


if __name__ == "__main__":
    main()
