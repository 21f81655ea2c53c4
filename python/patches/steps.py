"""The steps of the journal, and their figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One change.

    Attributes:
        name: Of the step.
        why: What it shows.
        estimator: By name.
        options: Of the estimator.
        ranked: Whether candidates are rendered and ranked.
        refiner: That asks for later ones.
        share: Of the study's steps.
    """

    name: str
    why: str
    estimator: str = "cnn"
    options: dict[str, Any] = field(default_factory=dict)
    ranked: bool = False
    refiner: str | None = None
    share: float = 1.0


_FIRST = {"head": "regression", "kind": "bare", "size": "small"}
_BEST = {"head": "joint", "kind": "residual", "size": "small", "proxy": True}

STEPS = (
    Step("mean", "What a constant scores: every table needs it.", "mean"),
    Step(
        "chance, ranked", "Training patches by chance, rendered, the nearest kept.", "random",
        ranked=True,
    ),
    Step("nearest", "Look-up of the nearest clip: free, and hard to beat.", "nearest"),
    Step(
        "says 0.50 of everything",
        "Square error, plain descent at 0.01, spectra in dB as they come.",
        options={**_FIRST, "optimizer": "sgd", "lr": 1e-2, "normalised": False},
    ),
    Step(
        "AdamW", "A rule that scales its steps: the same network learns.",
        options={**_FIRST, "normalised": False},
    ),
    Step(
        "every band at mean 0", "And deviation 1: quiet bands count as loud ones do.",
        options=_FIRST,
    ),
    Step(
        "residual blocks", "More depth for the same time.",
        options={**_FIRST, "kind": "residual"},
    ),
    Step(
        "bins", "Classes by cross-entropy: two values may be likely, the middle need not be.",
        options={**_FIRST, "kind": "residual", "head": "bins"},
    ),
    Step(
        "auto-encoder", "Spectra first, then a head on the encoder.", "autoencoder",
        {"size": "small"},
    ),
    Step("transformer", "Spectrogram patches as tokens.", "ast", {"size": "small", "head": "bins"}),
    Step(
        "joint", "Each parameter given those before it, so that draws fit together.",
        options=_BEST, share=2.0,
    ),
    Step(
        "joint, ranked", "Draws rendered, the nearest kept: the sound decides.",
        options=_BEST, ranked=True, share=2.0,
    ),
    Step(
        "joint, stand-in", "Thousands of draws and variations foreseen, the best of them rendered.",
        options=_BEST, ranked=True, refiner="proxy", share=2.0,
    ),
)  # fmt: skip

#: Of the scatter plots: easy, a choice, gated, hidden.
_SHOWN = ("cutoff", "osc2_oct", "fm_ratio", "fenv_d")


def scatter(canvas: Any, said: Tensor, truth: Tensor, names: Sequence[str]) -> None:
    """Prediction over truth for a few parameters."""
    axes = canvas.subplots(1, len(_SHOWN), sharey=True)
    for axis, name in zip(axes, _SHOWN, strict=True):
        i = list(names).index(name)
        axis.plot(truth[:, i].numpy(), said[:, i].numpy(), ".", markersize=2, color="#2563eb")
        axis.plot([0, 1], [0, 1], color="#9ca3af", linewidth=1)
        axis.set_title(name, fontsize=9)
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1)
    axes[0].set_ylabel("said")
    axes[0].set_xlabel("true")


def draw_steps(canvas: Any, found: Sequence[tuple[str, list[float]]], names: Sequence[str]) -> None:
    """R2 of every parameter at every step."""
    axis = canvas.subplots()
    shown = [[max(0.0, v) for v in r2] for _, r2 in found]
    picture = axis.imshow(shown, aspect="auto", cmap="viridis", vmin=0, vmax=1)
    axis.set_yticks(range(len(found)), [name for name, _ in found], fontsize=8)
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axis.grid(False)
    canvas.colorbar(picture, label="R2")
