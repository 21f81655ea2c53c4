"""The map of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dspcore import report
from dspcore.runs.latents import flat_map

SHADES = ("#1d4ed8", "#c2410c", "#15803d", "#7e22ce")


def draw_map(
    spots: dict[str, Any], unseen: list[str], path: Path, method: str, seed: int
) -> dict[str, Any]:
    """Two dimensions by `method`, pca or umap, as PNG."""
    x = spots["embedding"]
    x = (x - x.mean(0)) / x.std(0).clamp(min=1e-4)
    flat = torch.from_numpy(flat_map(x.numpy(), method, seed))
    spots["method"] = {"umap": "UMAP", "pca": "principal components"}[method]
    spots["trustworthiness"] = _trust(x, flat)
    names = list(dict.fromkeys(spots["names"]))

    def draw(figure: Any) -> None:
        for axes, key in zip(figure.subplots(1, 3), ("effect", "brightness", "depth"), strict=True):
            for k, name in enumerate(names):
                rows = torch.tensor([n == name for n in spots["names"]])
                mark = "x" if name in unseen else "o"
                colour = SHADES[k] if key == "effect" else spots[key][rows]
                ends = {} if key == "effect" else {
                    "vmin": float(spots[key].nanquantile(0.02)),
                    "vmax": float(spots[key].nanquantile(0.98)),
                }  # fmt: skip
                shown = axes.scatter(
                    *flat[rows].T, s=5, c=colour, marker=mark, linewidths=0.6, **ends,
                    label=name.partition(":")[2] + (" (unseen)" if name in unseen else ""),
                )  # fmt: skip
            axes.set(title=key, xticks=[], yticks=[])
            if key == "effect":
                axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), fontsize=7)
            else:
                figure.colorbar(shown, ax=axes, orientation="horizontal", pad=0.03)

    path.write_bytes(report.drawn(draw, 3.4))
    return spots


def _trust(x: Tensor, flat: Tensor, k: int = 12) -> float:
    """Trustworthiness: whether neighbours on the map are neighbours in truth."""
    x, flat = x[::3], flat[::3]
    n = len(x)
    ranks = torch.cdist(x, x).argsort(1).argsort(1)
    near = torch.cdist(flat, flat).argsort(1)[:, 1 : k + 1]
    excess = (ranks.gather(1, near) - k).clamp(min=0).sum()
    return float(1 - 2 / (n * k * (2 * n - 3 * k - 1)) * excess)
