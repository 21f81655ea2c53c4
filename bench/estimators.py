"""``python -m bench.estimators`` writes bench/ESTIMATORS.md: every estimator on a small Faust-24.

All get the same clips and steps, and networks of the same size; several seeds each. Check A9 of the
specification is read off the same table. A run that was killed goes on with the same command.
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path
from typing import Any

import torch

from bench.faust24 import cpu_seconds, fitted, made, markdown
from dspcore import patches
from dspcore.patches import Budget, Estimator, Evaluation

PAGE = Path(__file__).parent / "ESTIMATORS.md"
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "cnn, square error": ("cnn", {"kind": "plain", "head": "regression"}),
    "cnn, bins": ("cnn", {"kind": "plain", "head": "bins"}),
    "cnn, joint": ("cnn", {"kind": "plain"}),
    "autoencoder": ("autoencoder", {}),
    "ast": ("ast", {"head": "bins"}),
    "flow": ("flow", {"kind": "plain"}),
}


def main() -> None:
    """Data, estimators, the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default="build/faust24", help="That bench.faust24 filled.")
    parser.add_argument("--rendered", type=int, default=30_000, help="The --clips of that run.")
    parser.add_argument("--clips", type=int, default=8_000, help="Of them, to learn from.")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--size", default="small")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--targets", type=int, default=16)
    parser.add_argument("--held", type=int, default=128, help="Test patches for parameters.")
    parser.add_argument("--renders", type=int, default=16)
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(args.folder)
    data, _ = made(folder / "train", args.rendered + 500, "train")
    test, _ = made(folder / "few", args.held, "test")
    known = patches.examples_of(data, rows=slice(0, args.clips))
    held = patches.examples_of(data, rows=slice(args.rendered, None))
    found: dict[str, list[Estimator]] = {}
    seconds = []
    for way, (name, options) in WAYS.items():
        found[way], spent = [], 0.0
        for seed in range(args.seeds):
            told = f"{way}-{args.clips}-{args.steps}-{args.size}-{seed}".replace(", ", "_")
            path = folder / "estimators" / f"{told}.safetensors"
            if not path.exists():
                budget = Budget(args.steps, None, seed)
                learnt, took = fitted(name, known, held, budget, size=args.size, **options)
                patches.save_estimator(
                    learnt,
                    path,
                    space=data.space.to_dict(),
                    fingerprint=data.space.fingerprint,
                    facts={"cpu_seconds": took},
                )
            kept, state = patches.load_estimator(path)
            found[way].append(kept)
            spent += state["facts"]["cpu_seconds"] / args.seeds
        alarm = "; ".join(found[way][0].warnings) or "-"
        seconds.append([way, f"{spent:.0f}", alarm])
        print(way, f"{spent:.0f} CPU s", flush=True)
    floors = {
        name: fitted(name, known, held, Budget())[0] for name in ("mean", "random", "nearest")
    }
    begun = cpu_seconds()
    with patches.open_renderer("faust24", workers=1) as renderer:
        player = patches.Player(renderer)
        table = patches.evaluate(
            found, floors, patches.targets_of(test, player), known, player,
            count=args.targets, renders=args.renders, done=print,
        )  # fmt: skip
    print(f"evaluation: {cpu_seconds() - begun:.0f} CPU s")
    write(args, table, seconds)


def write(args: argparse.Namespace, table: Evaluation, seconds: list[list[str]]) -> None:
    """The page."""
    told = " ".join(f"--{k} {v}" for k, v in vars(args).items() if k != "folder")
    square = table.main("cnn, square error, mode")
    joint = table.main(f"cnn, joint, best of {args.renders}")
    scored = table.params["cnn, joint"]
    r2, accuracy = (sum(getattr(s, n) for s in scored) / len(scored) for n in ("r2", "accuracy"))
    lines = [
        "# Estimators on a small Faust-24",
        "",
        f"`python -m bench.estimators {told}`, one core of {platform.machine()}, PyTorch "
        f"{torch.__version__}. {table.targets[0]} targets matched, {table.targets[1]} test patches "
        "scored. Intervals: 95 %, bootstrap over targets; sd and ±: between seeds.",
        "",
        *markdown(*table.audio_cells()),
        "",
        *markdown(*table.param_cells()),
        "",
        *markdown(["estimator", "CPU s to train", "what the collapse alarm says"], seconds),
        "",
        f"Check A9 on this table: mean R2 {r2:.2f} (wanted .25), accuracy {accuracy:.2f} (.50), "
        f"best of {args.renders} {joint:.1f} dB (10), {joint / square:.2f} of the network with "
        "square error (0.7).",
    ]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{PAGE} written")


if __name__ == "__main__":
    main()
