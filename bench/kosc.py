"""``python -m bench.kosc`` writes bench/KOSC.md: k sines that may change places, k = 2, 4, 8.

A synth that is nothing but symmetry (B. Hayes et al., ISMIR 2025): frequency and level of each. All
networks get the same examples, drawn from keys that no arithmetic can make meet, and the same CPU
time; the equivariant flow is their method.
"""

from __future__ import annotations

import argparse
import math
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.faust24 import fitted, markdown
from dspcore import patches
from dspcore.patches import Budget, Estimator, Examples, Layout, LogMel, Targets
from dspcore.patches.philox import uniform

PAGE = Path(__file__).parent / "KOSC.md"
RATE, SAMPLES = 8_000, 4_096
FRONTEND = LogMel(RATE, size=1024, hop=1024, bands=80, low_hz=60.0, floor=1e-3)
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "square error": ("cnn", {"head": "regression"}),
    "bins": ("cnn", {"head": "bins"}),
    "joint": ("cnn", {}),
    "equivariant flow": ("flow", {}),
}


def layout(k: int) -> Layout:
    """Two numbers for each of k members of one group."""
    return Layout((0,) * (2 * k), (tuple((2 * i, 2 * i + 1) for i in range(k)),))


def render(u: Tensor) -> Tensor:
    """Settings (n, 2 k) to sounds (n, 1, t): 100 Hz to 3 kHz, -30 to 0 dB, each 1/k."""
    pairs = u.double().unflatten(1, (-1, 2))
    frequency = 100 * 30 ** pairs[..., 0]
    level = 10 ** ((pairs[..., 1] - 1) * 30 / 20) / pairs.shape[1]
    time = torch.arange(SAMPLES, dtype=torch.float64) / RATE
    waves = (2 * math.pi * frequency[..., None] * time).sin() * level[..., None]
    return waves.sum(1, keepdim=True).float()


def examples(count: int, split: str, k: int) -> Examples:
    """Random patches and their spectra."""
    key = patches.split_key(k, split)
    u = torch.from_numpy(uniform(key, range(count), 2 * k)).float()
    sounds = torch.cat([render(part) for part in u.split(256)])
    return Examples(u, patches.log_mel(FRONTEND, sounds[:, 0]).half(), layout(k), FRONTEND)


def within(seconds: float, name: str, options: dict[str, Any], known: Examples) -> int:
    """Steps that take so many CPU seconds."""
    _, few, more = (fitted(name, known, known, Budget(n), **options)[1] for n in (4, 4, 24))
    return max(1, round(20 * seconds / (more - few)))


def main() -> None:
    """For every k: networks, floors, the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=3_000)
    parser.add_argument("--seconds", type=float, default=4.0, help="CPU, of each network.")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--targets", type=int, default=32)
    parser.add_argument("--renders", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(1)
    told = " ".join(f"--{name} {value}" for name, value in vars(args).items())
    lines = [
        "# k sines that may change places",
        "",
        f"`python -m bench.kosc {told}`, one core of {platform.machine()}, PyTorch "
        f"{torch.__version__}. Every network had the same CPU time. Intervals: 95 %, bootstrap "
        "over targets; sd: between seeds.",
    ]
    for k in (2, 4, 8):
        known, held = examples(args.clips, "train", k), examples(500, "validation", k)
        asked = examples(args.targets, "test", k).u
        patches.check_disjoint(known.u.numpy(), asked.numpy(), "test")
        targets = Targets(asked, render(asked), [f"p{i}" for i in range(2 * k)])
        found: dict[str, list[Estimator]] = {}
        for way, (name, options) in WAYS.items():
            options = {"size": "small", "kind": "plain", "batch": 64, **options}
            steps = within(args.seconds, name, options, known.rows(slice(0, 128)))
            found[f"{way} ({steps} steps)"] = [
                fitted(name, known, held, Budget(steps, None, seed), **options)[0]
                for seed in range(args.seeds)
            ]
            print(k, way, steps, flush=True)
        floors = {
            name: fitted(name, known, held, Budget())[0] for name in ("mean", "random", "nearest")
        }
        table = patches.evaluate(
            found, floors, targets, known, render,
            count=args.targets, renders=args.renders, metrics=("logmel", "lsd"),
        )  # fmt: skip
        lines += ["", f"## k = {k}", "", *markdown(*table.audio_cells())]
        lines += ["", *markdown(*table.param_cells())]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{PAGE} written")


if __name__ == "__main__":
    main()
