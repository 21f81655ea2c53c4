"""Estimators that hear nothing: what every table needs beside the others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dspcore.patches import Draws, Estimator, Examples, Normal, Posterior, to_bins


class Mean(Estimator):
    """Say the training mean of every number, and the commonest value of every choice."""

    name = "mean"

    def __init__(self) -> None:
        self.table: Table | None = None

    def build(self) -> None:
        """Room for them."""
        self.table = Table(2, len(self.layout))

    def learn(self, training: Examples, validation: Examples) -> None:
        """Averages."""
        self.build()
        assert self.table is not None
        u = training.u
        for i, size in enumerate(self.layout.sizes):
            if size:
                common = to_bins(u[:, i : i + 1], [size]).flatten().mode().values
                self.table.rows[0, i] = (common + 0.5) / size
            else:
                self.table.rows[0, i] = u[:, i].mean()
        self.table.rows[1] = u.mean(0)

    def believe(self, mel: Tensor) -> Posterior:
        """The same for every sound; draws are as wide as uniform settings."""
        assert self.table is not None
        wide = torch.full((len(self.layout),), 12**-0.5)
        likeliest, middle = self.table.rows[:, None].expand(-1, len(mel), -1)
        return Constant(likeliest, middle, wide, self.layout)

    def module(self) -> nn.Module | None:
        """The averages."""
        return self.table


class Random(Estimator):
    """Draw patches of the training set, whatever the sound."""

    name = "random"

    def __init__(self) -> None:
        self.table: Table | None = None
        self.count = 0

    def build(self) -> None:
        """Room for the patches."""
        self.table = Table(self.count, len(self.layout))

    def learn(self, training: Examples, validation: Examples) -> None:
        """Remembers the patches."""
        self.count = len(training)
        self.build()
        assert self.table is not None
        self.table.rows.copy_(training.u)

    def believe(self, mel: Tensor) -> Posterior:
        """Patches by chance."""
        assert self.table is not None
        return AnyOf(self.table.rows, len(mel))

    def module(self) -> nn.Module | None:
        """The patches."""
        return self.table

    def kept(self) -> dict[str, Any]:
        """How many."""
        return {"count": self.count}


class Table(nn.Module):
    """Rows of settings."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(count, width))
        self.rows: Tensor


class Constant(Normal):
    """A normal distribution whose mean and mode were counted apart."""

    def __init__(self, likeliest: Tensor, middle: Tensor, deviation: Tensor, layout: Any) -> None:
        super().__init__(middle, deviation, layout)
        object.__setattr__(self, "likeliest", likeliest)

    def mode(self) -> Tensor:
        """Commonest values."""
        return self.likeliest  # type: ignore[attr-defined]


class AnyOf:
    """Rows by chance."""

    def __init__(self, rows: Tensor, batch: int) -> None:
        self.rows, self.batch = rows, batch

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Any rows, (b, count, p)."""
        return self.rows[torch.randint(len(self.rows), (self.batch, count), generator=generator)]

    def mode(self) -> Tensor:
        """Any row for each sound."""
        return self.sample(1, torch.Generator().manual_seed(0))[:, 0]

    def mean(self) -> Tensor:
        """The same row: chance has no better guess."""
        return self.mode()


class Nearest(Estimator):
    """Take the training clips whose spectra are nearest, in the order of their distance.

    Args:
        neighbours: Of the posterior; further draws vary them.
    """

    name = "nearest"

    def __init__(self, neighbours: int = 16) -> None:
        self.neighbours = neighbours
        self.library: Library | None = None
        self.count = 0

    def build(self) -> None:
        """Room for the clips."""
        self.library = Library(self.count, self.shape, len(self.layout))

    def learn(self, training: Examples, validation: Examples) -> None:
        """Remembers them."""
        self.count = len(training)
        self.build()
        assert self.library is not None
        self.library.fill(training)

    def believe(self, mel: Tensor) -> Posterior:
        """The nearest of each."""
        assert self.library is not None
        found = self.library.nearest(mel, self.neighbours)[0]
        return Draws(self.library.u[found], self.layout)

    def remembered(self, mel: Tensor, count: int) -> Tensor | None:
        """The nearest settings of one spectrum."""
        assert self.library is not None
        return self.library.u[self.library.nearest(mel[None], count)[0][0]]

    def module(self) -> nn.Module | None:
        """The clips."""
        return self.library

    def kept(self) -> dict[str, Any]:
        """How many."""
        return {"count": self.count}


class Library(nn.Module):
    """Settings and spectra of clips; half precision, which is within 0.04 dB.

    Args:
        count: Of the clips.
        shape: Of a spectrum.
        width: Number of settings.
    """

    def __init__(self, count: int, shape: tuple[int, int], width: int) -> None:
        super().__init__()
        self.register_buffer("u", torch.zeros(count, width))
        self.register_buffer("mel", torch.zeros(count, *shape, dtype=torch.float16))
        self.u: Tensor
        self.mel: Tensor

    def fill(self, examples: Examples) -> None:
        """Take them in."""
        self.u.copy_(examples.u)
        self.mel.copy_(examples.mel)

    def nearest(self, mel: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Rows and distances in dB of the nearest, (b, count) each."""
        flat, found = mel.flatten(1).float(), []
        for chunk in self.mel.split(2048):
            found.append(torch.cdist(flat, chunk.flatten(1).float()))
        apart = torch.cat(found, 1) / flat.shape[1] ** 0.5
        distances, rows = apart.topk(min(count, apart.shape[1]), largest=False)
        return rows, distances
