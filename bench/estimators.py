"""``python -m bench.estimators`` writes bench/ESTIMATORS.md: every estimator beside the floors.

One voice of dspcore, so that the refiner `gradient` has its row too; every network gets the same
clips and the same steps, and is trained once for each seed. A checkpoint of a run that was killed
is found again.
"""

from __future__ import annotations

import argparse
import pickle
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bench.faust24 import Clock, markdown
from dspcore import patches
from dspcore.notes import Note
from dspcore.patches import Budget, Estimator, Evaluation, Examples, Targets

PAGE = Path(__file__).parent / "ESTIMATORS.md"
VOICE = "subtractive"
FREE = [
    "cutoff_hz", "resonance", "filter_octaves", "filter_decay_ms", "attack_ms", "decay_ms",
    "sustain", "balance", "detune_cents", "noise", "wave_1", "filter",
]  # fmt: skip

_SMALL: dict[str, Any] = {"size": "small", "batch": 64}
_PLAIN: dict[str, Any] = {**_SMALL, "kind": "plain"}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "cnn plain, regression": ("cnn", {**_PLAIN, "head": "regression"}),
    "cnn plain, onehot": ("cnn", {**_PLAIN, "head": "onehot"}),
    "cnn plain, bins": ("cnn", {**_PLAIN, "head": "bins"}),
    "cnn plain, mixture": ("cnn", {**_PLAIN, "head": "mixture"}),
    "cnn plain, joint": ("cnn", _PLAIN),
    "cnn residual, joint": ("cnn", _SMALL),
    "autoencoder, bins": ("autoencoder", _SMALL),
    "ast, bins": ("ast", {**_SMALL, "head": "bins"}),
    "flow": ("flow", {**_PLAIN, "steps": 8}),
}
#: What searches are begun from: it has a stand-in of the voice, which `proxy` wants.
BEGUN = "cnn plain, joint, stand-in"
SEARCHED: tuple[str, dict[str, Any]] = ("cnn", {**_PLAIN, "proxy": True})
REFINERS = ("cma", "evolution", "gradient", "proxy")
METRICS = ("logmel", "lsd", "mss_mel", "mfccd", "sot", "rms_cos")


def made(folder: Path, renderer: patches.Renderer, count: int, split: str) -> patches.Dataset:
    """A data set of the voice; one that is there is taken."""
    gates = patches.Gates(None, None)
    patches.generate(renderer, folder, count, seed=11, split=split, gates=gates)
    return patches.Dataset(folder)


def learnt(
    name: str, options: dict[str, Any], seed: int, folder: Path, steps: int,
    known: Examples, held: Examples,
) -> tuple[Estimator, float]:  # fmt: skip
    """A trained estimator and its CPU seconds."""
    told = "-".join(f"{k}={v}" for k, v in options.items())
    path = folder / f"{name}-{told}-{len(known)}-{steps}-{seed}.safetensors"
    if not path.exists():
        clock = Clock(path.with_suffix(".txt"))
        budget = Budget(steps, seed=seed, folder=path.with_suffix(""))
        new = patches.make_estimator(name, **options).fit(known, held, budget)
        facts = {"cpu_seconds": clock.stop()}
        patches.save_estimator(new, path, space={}, fingerprint="0" * 64, facts=facts)
    found, state = patches.load_estimator(path)
    return found, float(state["facts"]["cpu_seconds"])


def main() -> None:
    """Data, networks, tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default="build/estimators", help="For data and checkpoints.")
    parser.add_argument("--clips", type=int, default=2_000, help="To learn from.")
    parser.add_argument("--held", type=int, default=200, help="Test patches for parameters.")
    parser.add_argument("--targets", type=int, default=8, help="Sounds that are matched.")
    parser.add_argument("--renders", type=int, default=24)
    parser.add_argument("--steps", type=int, default=200, help="Of every network.")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(args.folder)
    with patches.open_renderer(
        VOICE, sample_rate=16_000, seconds=0.6, note=Note(0.0, 0.4, 45), workers=1, only=FREE,
        isolation="none",
    ) as renderer:  # fmt: skip
        data = made(folder / "train", renderer, args.clips + 300, "train")
        test = made(folder / "test", renderer, args.held, "test")
        player = patches.player_of(renderer, "gradient")
        known = patches.examples_of(data, rows=slice(0, args.clips))
        held = patches.examples_of(data, rows=slice(args.clips, None))
        targets = patches.targets_of(test, player)
    found: dict[str, list[Estimator]] = {}
    seconds: dict[str, float] = {}
    for title, (name, options) in {**NETWORKS, BEGUN: SEARCHED}.items():
        each = [
            learnt(name, options, seed, folder, args.steps, known, held)
            for seed in range(args.seeds)
        ]
        found[title] = [estimator for estimator, _ in each]
        seconds[title] = sum(s for _, s in each) / len(each)
        print(f"{title}: {seconds[title]:.0f} CPU s", flush=True)
    floors = {
        name: patches.make_estimator(name).fit(known, held)
        for name in ("mean", "random", "nearest")
    }
    parts: list[tuple[dict[str, list[Estimator]], Sequence[str]]] = [
        *(({title: found[title]}, ()) for title in NETWORKS),
        ({"nearest": [floors["nearest"]]}, [r for r in REFINERS if r != "proxy"]),
        ({BEGUN: found[BEGUN]}, REFINERS),
    ]
    tables = []
    for number, (some, refiners) in enumerate(parts):
        path = folder / f"table-{number}-{args.targets}-{args.renders}-{args.seeds}.pickle"
        if not path.exists():  # else of a run that was killed
            table = patches.evaluate(
                some, floors, targets, known, player, count=args.targets, renders=args.renders,
                metrics=METRICS, refiner=refiners, done=print,
            )  # fmt: skip
            path.write_bytes(pickle.dumps(table))
        tables.append(pickle.loads(path.read_bytes()))
    write(args, joined(tables), seconds, targets)


def joined(tables: Sequence[Evaluation]) -> Evaluation:
    """Rows of several evaluations of the same targets, each once."""
    rows = {row.name: row for table in tables for row in table.rows}
    params = {name: scored for table in tables for name, scored in table.params.items()}
    return replace(tables[0], rows=list(rows.values()), params=params)


def write(
    args: argparse.Namespace,
    whole: Evaluation,
    seconds: Mapping[str, float],
    targets: Targets,
) -> None:
    """The page."""
    told = " ".join(f"--{k} {v}" for k, v in vars(args).items() if k != "folder")
    head, params = whole.param_cells()
    for row in params:
        row.append(f"{seconds[row[0]]:.0f}" if row[0] in seconds else "-")
    lines = [
        "# Estimators of patches",
        "",
        f"`python -m bench.estimators {told}`, one core of {platform.machine()}, PyTorch "
        f"{torch.__version__}.",
        "",
        f"The voice `{VOICE}`, {len(targets.names)} parameters free ({', '.join(targets.names)}), "
        f"MIDI note 45, 0.6 s at 16 kHz. {args.clips} clips, {args.steps} steps of 64 for every "
        f"network, {args.seeds} seeds each. A small budget: it compares, it does not show what "
        "each can reach. Distances: mean over targets, 95 % bootstrap interval over targets, "
        "deviation between seeds (sd).",
        "",
        "## Sounds",
        "",
        *markdown(*whole.audio_cells()),
        "",
        "## Parameters",
        "",
        f"{whole.targets[1]} test patches; mean over seeds ± deviation. Accuracy and majority are "
        "of the parameters with values.",
        "",
        *markdown([*head, "CPU s to train"], params),
    ]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{PAGE} written")


if __name__ == "__main__":
    main()
