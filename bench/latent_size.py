"""How many dimensions does a latent need? The adviser's count beside the true one.

``python -m bench.latent_size`` trains small VAEs on percussion spectrograms made from K factors and
counts the dimensions in use by every measure; ``--quick`` tries one seed and fewer sizes. Runs that
are in the results file are not made again, so ``--minutes`` may cut it into pieces.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor, nn

from dspcore.latent.diagnostics import (
    active_units,
    dims_under,
    dims_used,
    pca_fidelity,
    principal_sobol,
    prune_curve,
    sobol,
)
from dspcore.latent.divergence import frame_mean, free_bits, kl_bits, kl_nats
from dspcore.train import Ablation

BANDS, FRAMES = 24, 12
ITEMS, HELD = 4096, 512
STEPS, BATCH, HIDDEN = 700, 128, 96
NOISE = 0.1  # variance of the likelihood, of spectra scaled to a variance of 1

FULL: dict[str, list[float]] = {
    "factors": [3, 4, 5, 6, 7, 8],
    "dims": [16, 64],
    "beta": [0.1, 1.0, 10.0],
    "free_bits": [0.0, 0.5],
}
QUICK: dict[str, list[float]] = {
    "factors": [3, 5, 8],
    "dims": [32],
    "beta": [0.1, 1.0, 10.0],
    "free_bits": [0.0, 0.5],
}


def percussion(count: int, factors: int, seed: int) -> Tensor:
    """Log spectrograms of hits that differ in the first `factors` of eight things, (n, bands f).

    Pitch and decay of a tone, level and decay of a noise, its slope, a fall of the pitch, a second
    partial, and a late onset; what does not vary is in the middle of its range.
    """
    draw = torch.Generator().manual_seed(seed)
    u = torch.full((count, 8), 0.5)
    u[:, :factors] = torch.rand(count, factors, generator=draw)
    return render(u)


def render(u: Tensor) -> Tensor:
    """The hits of factors in [0, 1], (n, 8) to (n, bands f)."""
    pitch, decay, noise, slope, fade, bend, second, late = (v[:, None, None] for v in u.unbind(1))
    band = torch.arange(BANDS)[None, :, None] / BANDS
    t = torch.arange(FRAMES)[None, None] / FRAMES - 0.2 * late
    on = torch.sigmoid(40 * t)
    t = t.clamp(min=0)
    place = 0.1 + 0.4 * pitch + 0.6 * bend * torch.exp(-6 * t)
    tone = torch.exp(-t * 12 * (1 - 0.9 * decay))
    tone = tone * (_bump(band, place) + 6 * second * _bump(band, place + 0.25))
    hiss = (
        2 * noise * torch.exp(-t * 12 * (1 - 0.9 * fade)) * torch.exp(-2 * (2 * slope - 1) * band)
    )
    return (on * (tone + hiss) + 1e-2).log().flatten(1)


def _bump(band: Tensor, place: Tensor) -> Tensor:
    return torch.exp(-((band - place) ** 2) / (2 * 0.09**2))


class Vae(nn.Module):
    """Two layers to the moments of a latent, and two back."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        size = BANDS * FRAMES
        self.encoder = nn.Sequential(
            nn.Linear(size, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(),
            nn.Linear(HIDDEN, 2 * dims),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(dims, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(),
            nn.Linear(HIDDEN, size),
        )  # fmt: skip

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, (n, d) each."""
        mean, s = self.encoder(x).chunk(2, 1)
        return mean, nn.functional.softplus(s) + 1e-4


def run(seed: int, factors: int, dims: int, beta: float, free_bits: float) -> dict[str, float]:
    """Train one model and count."""
    began = time.process_time()
    torch.manual_seed(seed)
    x = percussion(ITEMS + HELD, factors, seed)
    x = (x - x.mean(0)) / x.std()
    kept, held = x[:ITEMS], x[ITEMS:]
    model = Vae(dims)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS)
    for _ in range(STEPS):
        batch = kept[torch.randint(ITEMS, (BATCH,))]
        mean, std = model.moments(batch)
        rebuilt = model.decoder(mean + std * torch.randn_like(mean))
        distance = (rebuilt - batch).square().sum(1).mean() / (2 * NOISE)
        loss = distance + beta * paid(mean, std, free_bits)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
    with torch.no_grad():
        mean, std = model.moments(held)
        bits = kl_bits(mean, std).mean(0)
        index = sobol(model.decoder, mean[:256], batch=256)
        curve = prune_curve(lambda z: (model.decoder(z) - held).square().mean(), mean, bits)
        return {
            "adviser": dims_used(principal_sobol(model.decoder, mean[:256], batch=256)),
            "sobol": dims_used(index),
            "under half a bit": dims - dims_under(bits)[0],
            "active units": active_units(mean),
            "pca 99 %": pca_fidelity(mean)[0.99],
            "pruned + 5 %": curve.needed(),
            "error": curve.loss[-1],
            "cpu s": time.process_time() - began,
        }


def paid(mean: Tensor, std: Tensor, limit: float) -> Tensor:
    """The divergence with free bits."""
    nats = kl_nats(mean, std)[..., None]
    return free_bits(nats, limit) if limit else frame_mean(nats).sum()


def summary(rows: list[dict[str, Any]]) -> str:
    """Markdown: of each measure the share of runs that were right, by one off, by two."""
    measures = ["adviser", "sobol", "under half a bit", "active units", "pca 99 %", "pruned + 5 %"]
    lines = [
        "| measure | right | within 1 | within 2 | mean count - factors |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in measures:
        off = [row["found"][name] - row["choices"]["factors"] for row in rows]
        shares = [sum(abs(o) <= k for o in off) / len(off) for k in (0, 1, 2)]
        cells = " | ".join(f"{100 * share:.0f} %" for share in shares)
        lines.append(f"| {name} | {cells} | {mean(off):+.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="One seed, three numbers of factors.")
    parser.add_argument("--minutes", type=float, help="Begin no run after so long, this time.")
    parser.add_argument("--out", default="build/latent_size", help="Folder for results.jsonl.")
    choices = parser.parse_args()
    torch.set_num_threads(1)
    out = Path(choices.out)
    grid, seeds = (QUICK, (0,)) if choices.quick else (FULL, (0, 1, 2))
    end = time.monotonic() + 60 * (choices.minutes or math.inf)
    for seed in seeds:  # a whole grid with one seed before the next
        study = Ablation(run, grid, [seed], out / "results.jsonl")
        rows = study(minutes=(end - time.monotonic()) / 60)
    wanted = len(seeds) * math.prod(map(len, grid.values()))
    seconds = sum(row["found"]["cpu s"] for row in rows)
    lines = [f"{len(rows)} of {wanted} runs, {seconds / 60:.1f} CPU minutes", "", summary(rows), ""]
    for beta in sorted({row["choices"]["beta"] for row in rows}):
        some = [row for row in rows if row["choices"]["beta"] == beta]
        off = [row["found"]["adviser"] - row["choices"]["factors"] for row in some]
        near = sum(abs(o) <= 1 for o in off) / len(off)
        lines.append(f"- beta {beta:g}: adviser within 1 in {100 * near:.0f} % of {len(off)} runs")
    text = "\n".join(lines) + "\n"
    (out / "summary.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
