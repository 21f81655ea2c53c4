"""Between the data sets and synths of numbers, and the estimators of tensors."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from dspcore import registry, synth
from dspcore.errors import UserError
from dspcore.notes import Note
from dspcore.patches.continuous import Continuous
from dspcore.patches.dataset import Dataset
from dspcore.patches.estimator import Examples
from dspcore.patches.evaluation import Targets
from dspcore.patches.frontend import LogMel
from dspcore.patches.matching import KIND, Render
from dspcore.patches.posterior import Layout
from dspcore.patches.renderer import Renderer
from dspcore.patches.space import ParamSpace
from dspcore.patches.voices import names


def layout_of(space: ParamSpace) -> Layout:
    """How a parameter space looks to a network."""
    sizes = tuple(0 if isinstance(p, Continuous) else int(getattr(p, "n", 0)) for p in space.free)
    groups = tuple(
        tuple(tuple(int(column) for column in member) for member in columns)
        for columns in space.groups().values()
    )
    return Layout(sizes, groups)


def examples_of(
    dataset: Dataset, frontend: LogMel | None = None, rows: slice = slice(None)
) -> Examples:
    """Patches and spectra of a data set; the spectra are computed once and kept in its folder."""
    heard = frontend or LogMel(dataset.sample_rate)
    mel = torch.from_numpy(np.array(dataset.features(heard)[rows], np.float16))
    encoded, layout = dataset.encoded[rows], layout_of(dataset.space)
    u = torch.from_numpy(np.asarray(encoded, np.float32))
    gated = any(param.gate for param in dataset.space.free)
    active = torch.from_numpy(dataset.space.active(encoded)) if gated else None
    return Examples(u, mel.transpose(1, 2).contiguous(), layout, heard, active)


def targets_of(dataset: Dataset, player: Render, count: int | None = None) -> Targets:
    """Held-out patches with their sounds, rendered again: a data set's are rounded to 24 bits."""
    rows = len(dataset) if count is None else min(count, len(dataset))
    encoded = np.asarray(dataset.encoded[:rows], np.float64)
    u = torch.from_numpy(encoded.copy())
    sounds = player(u)
    lost = int((~sounds.isfinite()).flatten(1).any(1).sum())
    if lost:
        raise UserError(f"{dataset.folder}: {lost} of its patches cannot be rendered any more")
    active = torch.from_numpy(np.asarray(dataset.space.active(encoded)))
    return Targets(u, sounds, dataset.space.names, active)


class Player:
    """Renders tensors of encoded settings: ``player(u)``, (n, p) to (n, 1, t); NaN where it failed.

    Args:
        renderer: In whose workers the synth runs.
        note: What is played; the renderer's own when left out.
    """

    def __init__(self, renderer: Renderer, note: Note | None = None) -> None:
        self.renderer, self.note, self.count = renderer, note, 0

    def __call__(self, u: Tensor) -> Tensor:
        """The sounds; channels are averaged."""
        self.count += len(u)
        sounds, good = self.renderer.batch(u.detach().double().numpy(), self.note)
        out = torch.from_numpy(sounds).mean(1, keepdim=True)
        out[~torch.from_numpy(good)] = math.nan
        return out


def player_of(renderer: Renderer, refiner: str | None = None) -> Player | DifferentiablePlayer:
    """What plays a renderer's patches for a refiner: with a gradient where that asks for one.

    Raises:
        UserError: It asks for one, and the synth is none of dspcore's own instruments.
    """
    if refiner is None or not getattr(registry.get(KIND, refiner), "needs_gradient", False):
        return Player(renderer)
    if renderer.source not in names():
        raise UserError(
            f"{refiner}: {renderer.source} has no gradient; take one of dspcore's own instruments "
            f"({', '.join(names())}), or another refiner: dspcore list refiners"
        )
    return DifferentiablePlayer(
        renderer.source, renderer.space, renderer.note, renderer.sample_rate, renderer.seconds
    )


class DifferentiablePlayer:
    """The same for an instrument of ours, in this process, with a gradient to the settings.

    Args:
        name: Of the instrument.
        space: Its parameters; words among them cost a call for each combination.
        note: What is played.
        sample_rate: In Hz.
        seconds: Of the sounds.
    """

    def __init__(
        self, name: str, space: ParamSpace, note: Note, sample_rate: int, seconds: float
    ) -> None:
        self.kind, self.space, self.note = synth.by_name(name), space, note
        self.sample_rate, self.seconds = sample_rate, seconds
        for param in space.free:
            if isinstance(param, Continuous) and param.scale not in ("lin", "log"):
                raise UserError(
                    f"{name}: {param.name} has the scale {param.scale!r}; wanted lin or log"
                )

    def __call__(self, u: Tensor) -> Tensor:
        """(n, p) to (n, 1, t)."""
        return torch.cat([self._one(row) for row in u])

    def _one(self, row: Tensor) -> Tensor:
        patch = self.space.decode(row.detach().double().numpy())
        words = {}
        for name, choice in self.kind.choices.items():
            if name in patch:  # a fixed one is a number
                word = patch[name]
                words[name] = word if isinstance(word, str) else choice.words[int(word)]
        instrument = self.kind(self.sample_rate, **words)
        settings: dict[str, Tensor | float] = {}
        for i, param in enumerate(self.space.free):
            if isinstance(param, Continuous):
                x = row[i].double()[None]
                if param.scale == "log":
                    settings[param.name] = param.low * (math.log(param.high / param.low) * x).exp()
                else:
                    settings[param.name] = param.low + (param.high - param.low) * x
        fixed = {
            p.name: float(patch[p.name])
            for p in self.space.params
            if p not in self.space.free and p.name not in words
        }
        return (
            instrument([self.note], self.seconds, **settings, **fixed).mean(1, keepdim=True).float()
        )
