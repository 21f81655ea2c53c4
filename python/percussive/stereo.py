"""Left and right, middle and side, or each channel alone, at the same bits for a frame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from scipy import stats
from torch import Tensor

from dspcore import latent, train

#: Vectors of a stage have 6 bits; eight stages, or four for each channel of dual.
KINDS = {"lr": 8, "ms": 8, "dual": 4}


def compare(
    manifest: Path, out: Path, steps: int, seeds: int = 1, kinds: Sequence[str] = tuple(KINDS)
) -> dict[str, dict[str, Any]]:
    """Small models on the same stereo hits, with 48 bits for every frame of 256 samples.

    Each seed has other weights, another order, and holds out other hits.

    Returns:
        Of each kind the bits of a frame and, seed by seed and hit by hit, distance and error of the
        width.
    """
    found: dict[str, dict[str, Any]] = {}
    for seed, kind in product(range(seeds), kinds):
        config = latent.LatentConfig(
            data=latent.DataConfig(str(manifest), valid=0.2, seconds=0.25, batch_size=6, seed=seed),
            options={
                "channels": kind,
                "size": "nano",
                "dims": 16,
                "ratios": [4, 4],
                "bottleneck": "rvq",
                "bottleneck_options": {"stages": KINDS[kind], "size": 64, "decay": 0.95},
            },
            distance=latent.DistanceConfig([1024, 256], [32]),
            fit=train.FitConfig(
                folder=str(out / f"stereo-{kind}-{seed}"),
                resume=True,
                seed=seed,
                steps=steps,
                validate_every=50,
                trackers=[],
                accelerator="cpu",
                optimizer=train.OptimizerConfig(
                    lr=2e-3,
                    clip_percentile=0.9,
                    schedule=train.Schedule([(steps // 2, 1.0), (steps, 0.05)], shape="cosine"),
                ),
                tolerate=5,
            ),
        )
        run = latent.fit_latent(config).run
        model = latent.load_latent(config.fit.folder or "")
        bits = model.bottleneck.bits() or 0.0
        row = found.setdefault(kind, {"bits": bits * (2 if kind == "dual" else 1)})
        for name, values in judged(run, model).items():
            row.setdefault(name, []).extend(values)
    return found


@torch.no_grad()
def judged(run: latent.LatentRun, model: latent.Autoencoder) -> dict[str, list[float]]:
    """Distance and error of the width on the hits that were held out."""
    distances, widths = [], []
    for batch in run.batches(run.data.validation):
        made = model(batch["audio"], batch["length"])[0]
        distances.append(run.distance(made, batch["audio"], batch["length"]))
        inside = torch.arange(made.shape[-1]) < batch["length"][:, None, None]
        widths.append((width_db(made * inside) - width_db(batch["audio"])).abs())
    return {
        "distance": torch.cat(distances).tolist(),
        "width_error_db": torch.cat(widths).tolist(),
    }


def width_db(sounds: Tensor) -> Tensor:
    """Power of the side against the middle, in dB, no less than -40, (b, 2, t) to (b,)."""
    middle, side = (sounds[:, 0] + sounds[:, 1]), (sounds[:, 0] - sounds[:, 1])
    power = [x.square().sum(-1) + 1e-9 for x in (side, middle)]
    return 10 * torch.log10(power[0] / power[1] + 1e-4)


def table(found: dict[str, dict[str, Any]]) -> str:
    """As Markdown; behind each number how it differs from the first's, hit by hit.

    The differences are with their 95 % interval, of Student's t over hits and seeds.
    """
    first = next(iter(found))
    lines = ["| channels | bits of a frame | distance | width error, dB |", "|---|---|---|---|"]
    for kind, row in found.items():
        cells = []
        for name in ("distance", "width_error_db"):
            mean = torch.tensor(row[name]).mean()
            apart = torch.tensor(row[name]) - torch.tensor(found[first][name])
            error = float(stats.t.ppf(0.975, len(apart) - 1)) * apart.std() / len(apart) ** 0.5
            beside = "" if kind == first else f" ({apart.mean():+.2f} ± {error:.2f})"
            cells.append(f"{mean:.2f}{beside}")
        lines.append(f"| {kind} | {row['bits']:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)
