"""How many dimensions does a latent need? The adviser's count beside the true one.

``python -m bench.latent_size`` trains small VAEs on percussion spectrograms made from K factors and
counts the dimensions in use by every measure; ``--quick`` tries one seed and fewer sizes. Runs that
are in the results file are not made again, so ``--minutes`` may cut it into pieces.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Callable
from functools import partial
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
STEPS, BATCH, HIDDEN = 1_000, 128, 96
#: Variance of the likelihood, of spectra scaled to a variance of 1: what one beta is. With it 5
#: factors in 32 dimensions cost the bits that the specification's experiment has.
NOISE = 0.01

#: What the models that are trained side by side pay: beta, and free bits of a dimension.
PAYS = tuple(itertools.product((0.1, 1.0, 10.0), (0.0, 0.5)))

FULL: dict[str, list[float]] = {
    "factors": [3, 4, 5, 6, 7, 8],
    "dims": [16, 64],
}
QUICK: dict[str, list[float]] = {
    "factors": [3, 5, 8],
    "dims": [32],
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


class Stacked(nn.Module):
    """A linear layer of each of several models, (m, n, before) to (m, n, after)."""

    def __init__(self, models: int, before: int, after: int) -> None:
        super().__init__()
        reach = before**-0.5
        self.weight = nn.Parameter(torch.empty(models, before, after).uniform_(-reach, reach))
        self.bias = nn.Parameter(torch.empty(models, 1, after).uniform_(-reach, reach))

    def forward(self, x: Tensor) -> Tensor:
        """All models at once."""
        return torch.baddbmm(self.bias, x, self.weight)


class Vaes(nn.Module):
    """Several VAEs trained side by side: two layers to the moments of a latent, and two back."""

    def __init__(self, models: int, dims: int) -> None:
        super().__init__()
        self.encoder = _three(models, BANDS * FRAMES, 2 * dims)
        self.decoder = _three(models, dims, BANDS * FRAMES)

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, (m, n, d) each, of (m, n, bands f)."""
        mean, s = self.encoder(x).chunk(2, 2)
        return mean, nn.functional.softplus(s) + 1e-4

    def decode(self, model: int, z: Tensor) -> Tensor:
        """What one of them says, (n, d) to (n, bands f)."""
        for layer in self.decoder:
            z = (
                z @ layer.weight[model] + layer.bias[model]
                if isinstance(layer, Stacked)
                else layer(z)
            )
        return z


def _three(models: int, before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        Stacked(models, before, HIDDEN), nn.SiLU(), Stacked(models, HIDDEN, HIDDEN), nn.SiLU(),
        Stacked(models, HIDDEN, after),
    )  # fmt: skip


def run(seed: int, factors: int, dims: int) -> dict[str, float]:
    """Train a model for each of `PAYS` on the same hits and count; "beta/free bits/count"."""
    began = time.process_time()
    torch.manual_seed(seed)
    x = percussion(ITEMS + HELD, factors, seed)
    x = (x - x.mean(0)) / x.std()
    kept, held = x[:ITEMS], x[ITEMS:]
    models = Vaes(len(PAYS), dims)
    optimizer = torch.optim.Adam(models.parameters(), lr=2e-3, fused=True)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS)
    for _ in range(STEPS):
        batch = kept[torch.randint(ITEMS, (BATCH,))].expand(len(PAYS), -1, -1)
        mean, std = models.moments(batch)
        rebuilt = models.decoder(mean + std * torch.randn_like(mean))
        loss = (rebuilt - batch).square().sum(2).mean(1).sum() / (2 * NOISE)
        for m, (beta, free) in enumerate(PAYS):
            loss = loss + beta * paid(mean[m], std[m], free)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
    found: dict[str, float] = {}
    with torch.no_grad():
        means, stds = models.moments(held.expand(len(PAYS), -1, -1))
        for m, (beta, free) in enumerate(PAYS):
            counts = counted(partial(models.decode, m), means[m], stds[m], held)
            found |= {f"{beta:g}/{free:g}/{name}": value for name, value in counts.items()}
    return {**found, "cpu s": time.process_time() - began}


def counted(
    decode: Callable[[Tensor], Tensor], mean: Tensor, std: Tensor, held: Tensor
) -> dict[str, float]:
    """The dimensions in use by every measure."""
    bits = kl_bits(mean, std).mean(0)
    axes = principal_sobol(decode, mean[:256], batch=256)
    index = sobol(decode, mean[:256], batch=256)
    curve = prune_curve(lambda z: (decode(z) - held).square().mean(), mean, bits)
    return {
        "adviser": dims_used(axes),
        "axes above 0.5 %": dims_used(axes, 0.005),
        "sobol": dims_used(index),
        "under half a bit": len(bits) - dims_under(bits)[0],
        "active units": active_units(mean),
        "pca 99 %": pca_fidelity(mean)[0.99],
        "pruned + 5 %": curve.needed(),
        "error": curve.loss[-1],
        "bits of the best five": float(bits.sort().values[-5:].sum()),
    }


def paid(mean: Tensor, std: Tensor, limit: float) -> Tensor:
    """The divergence with free bits."""
    nats = kl_nats(mean, std)[..., None]
    return free_bits(nats, limit) if limit else frame_mean(nats).sum()


def each(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each model: its seed, choices and counts, and how far the adviser is off."""
    found = []
    for row, (beta, free) in itertools.product(rows, PAYS):
        before = f"{beta:g}/{free:g}/"
        model = {k.removeprefix(before): v for k, v in row["found"].items() if k.startswith(before)}
        model |= {**row["choices"], "beta": beta, "free bits": free, "seed": row["seed"]}
        found.append(model)
    return found


def summary(models: list[dict[str, Any]]) -> str:
    """Markdown: of each measure the share of models that were right, by one off, by two."""
    measures = [
        "adviser",
        "axes above 0.5 %",
        "sobol",
        "under half a bit",
        "active units",
        "pca 99 %",
        "pruned + 5 %",
    ]
    lines = [
        "| measure | right | within 1 | within 2 | mean count - factors |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in measures:
        off = [model[name] - model["factors"] for model in models]
        shares = [sum(abs(o) <= k for o in off) / len(off) for k in (0, 1, 2)]
        cells = " | ".join(f"{100 * share:.0f} %" for share in shares)
        lines.append(f"| {name} | {cells} | {mean(off):+.1f} |")
    lines.append("")
    for name in ("factors", "dims", "beta", "free bits", "seed"):
        near: dict[float, list[bool]] = {}
        for model in models:
            close = abs(model["adviser"] - model["factors"]) <= 1
            near.setdefault(model[name], []).append(close)
        cells = ", ".join(f"{k:g}: {sum(v)} of {len(v)}" for k, v in sorted(near.items()))
        lines.append(f"- the adviser within 1 by {name}: {cells}")
    for beta in sorted({model["beta"] for model in models}):
        five = [model for model in models if (model["beta"], model["factors"]) == (beta, 5)]
        if five:
            bits = mean(model["bits of the best five"] for model in five)
            lines.append(f"- 5 factors, beta {beta:g}: {bits:.1f} bits in the best five dimensions")
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
    wanted = len(PAYS) * len(seeds) * math.prod(map(len, grid.values()))
    models, seconds = each(rows), sum(row["found"]["cpu s"] for row in rows)
    head = f"{len(models)} of {wanted} models, {seconds / 60:.1f} CPU minutes"
    text = f"{head}\n\n{summary(models)}\n"
    (out / "summary.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
