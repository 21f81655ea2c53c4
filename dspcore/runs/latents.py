"""Pictures of a latent: bits over time and sorted, what the decoder uses, a map of the items."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dspcore.errors import UserError
from dspcore.runs.curves import COLOURS
from dspcore.train import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_heat(figure: Figure, run: Run) -> None:
    """Bits of every dimension (those that say most above) over the steps."""
    series = run.arrays["latent/bits"]
    bits = np.array([row for row in series.values if len(row) == len(series.last)])
    order = np.argsort(-bits[-1])
    axes = figure.subplots()
    shown = axes.imshow(
        bits[:, order].T, aspect="auto", cmap="magma", interpolation="nearest",
        extent=(series.steps[0], series.steps[-1] or 1, len(order) + 0.5, 0.5),
    )  # fmt: skip
    axes.grid(False)
    axes.set(xlabel="step", ylabel="dimension by bits at the end")
    figure.colorbar(shown, ax=axes, label="bits a frame")


def draw_bits(figure: Figure, run: Run) -> None:
    """Bits of every dimension at the end, sorted, with the free-bits limit."""
    bits = sorted(run.arrays["latent/bits"].last, reverse=True)
    axes = figure.subplots()
    axes.bar(range(1, len(bits) + 1), bits, color=COLOURS[0])
    limit = float(run.config.get("free_bits", {}).get("limit", 0.0))
    value = limit or 0.5
    axes.axhline(value, color=COLOURS[1], linestyle="--", linewidth=1)
    kind = "free bits" if limit else "half a bit"
    axes.annotate(kind, (1, value), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                  fontsize=8, color=COLOURS[1])  # fmt: skip
    axes.set(xlabel="dimension, sorted", ylabel="bits a frame")


def draw_use(figure: Figure, run: Run) -> None:
    """Sobol indices, sorted, and the loss with the best dimensions kept."""
    index, prune = run.arrays.get("latent/sobol"), run.arrays.get("latent/prune")
    panels = iter(figure.subplots(1, int(bool(index)) + int(bool(prune)), squeeze=False)[0])
    if index:
        axes = next(panels)
        values = sorted(index.last, reverse=True)
        axes.bar(range(1, len(values) + 1), values, color=COLOURS[2])
        axes.axhline(0.01, color="#111827", linestyle="--", linewidth=0.8)
        axes.set(xlabel="dimension, sorted", ylabel="Sobol total index")
    if prune:
        axes = next(panels)
        axes.plot(*prune.last, color=COLOURS[1], marker="." if len(prune.last[0]) < 40 else None)
        axes.set(xlabel="dimensions kept", ylabel="loss")


def draw_correlation(figure: Figure, run: Run) -> None:
    """Rank correlation of every dimension with what is heard."""
    found = run.arrays["latent/correlation"].last
    order = np.argsort(-np.array(run.arrays["latent/bits"].last))
    axes = figure.subplots()
    values = np.array(list(found.values()))[:, order]
    shown = axes.imshow(values, aspect="auto", cmap="RdBu", vmin=-1, vmax=1)
    axes.grid(False)
    axes.set_yticks(range(len(found)), list(found))
    axes.set_xlabel("dimension by bits")
    figure.colorbar(shown, ax=axes)


def flat_map(means: NDArray[np.float64], method: str, seed: int) -> NDArray[np.float64]:
    """Two coordinates for each item, (n, d) to (n, 2): principal components, or UMAP.

    Raises:
        UserError: As `check_layout`.
    """
    check_layout(method)
    x = means - means.mean(0)
    if method == "pca":
        return np.asarray(x @ np.linalg.svd(x, full_matrices=False)[2][:2].T)
    import umap

    return np.asarray(umap.UMAP(random_state=seed, n_jobs=1).fit_transform(x), np.float64)


def check_layout(method: str) -> None:
    """Raise `UserError` if the method is neither pca nor umap, or UMAP is not installed."""
    if method not in ("pca", "umap"):
        raise UserError(f"report: a map is made by pca or umap, got {method!r}")
    if method == "umap" and find_spec("umap") is None:
        raise UserError(
            "report: UMAP is not installed; run: pip install 'dspcore[umap]', or use the map by pca"
        )


def draw_map(figure: Figure, note: dict[str, Any], method: str = "pca", seed: int = 0) -> None:
    """Where items lie, coloured by tag and by what is heard; crosses were held out.

    Args:
        figure: To draw on.
        note: Of latent.json: means (n, d), and of each item tag, seen, and features by name.
        method: pca or umap.
        seed: Of UMAP.
    """
    flat = flat_map(np.asarray(note["means"], float), method, seed)
    tags = note.get("tags", [""] * len(flat))
    seen = np.array(note.get("seen", [True] * len(flat)))
    features: dict[str, Any] = note.get("features", {})
    panels = figure.subplots(1, 1 + len(features), squeeze=False)[0]
    usual = [name for name, _ in _counts(tags)][: len(COLOURS)]
    for mark, rows in (("o", seen), ("x", ~seen)):
        for k, tag in enumerate([*usual, None]):
            inside = rows & np.array(
                [t == tag if tag is not None else t not in usual for t in tags]
            )
            colour = COLOURS[k] if tag is not None else "#d1d5db"
            label = tag if mark == ("o" if seen.any() else "x") and tag else None
            panels[0].scatter(*flat[inside].T, s=8, marker=mark, linewidths=0.7, color=colour,
                              label=label)  # fmt: skip
        for axes, (name, values) in zip(panels[1:], features.items(), strict=True):
            shades = np.array([np.nan if v is None else v for v in values], float)
            good = rows & np.isfinite(shades)
            shown = axes.scatter(
                *flat[good].T, s=8, marker=mark, linewidths=0.7, c=shades[good], cmap="viridis",
                vmin=np.nanquantile(shades, 0.02), vmax=np.nanquantile(shades, 0.98),
            )  # fmt: skip
            if mark == "o":
                figure.colorbar(shown, ax=axes, orientation="horizontal", pad=0.03)
            axes.set_title(name, fontsize=9)
    for axes in panels:
        axes.set(xticks=[], yticks=[])
    panels[0].set_title("tag", fontsize=9)
    if any(usual):
        panels[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), fontsize=6, ncols=2)


def _counts(tags: list[str]) -> list[tuple[str, int]]:
    counts = {tag: tags.count(tag) for tag in dict.fromkeys(tags)}
    return sorted(counts.items(), key=lambda kv: -kv[1])
