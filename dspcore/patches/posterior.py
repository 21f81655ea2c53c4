"""What an estimator believes of a patch: settings that can be drawn, the likeliest, the mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Posterior(Protocol):
    """A distribution over encoded settings in [0, 1] for each of b sounds."""

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws, (b, count, p)."""
        ...

    def mode(self) -> Tensor:
        """The likeliest value of each parameter, (b, p)."""
        ...

    def mean(self) -> Tensor:
        """The mean, which has the least square error, (b, p)."""
        ...


@dataclass(frozen=True)
class Layout:
    """How the parameters of a space look to a network.

    A continuous parameter is a number in [0, 1]; one with `n` values stands at ``(k + 1/2) / n``
    for the k-th of them.

    Attributes:
        sizes: Number of values of each parameter, 0 for a continuous one.
        groups: Lists of members that may change places, each the columns of one member, in the
            same order in all of a group.
    """

    sizes: tuple[int, ...]
    groups: tuple[tuple[tuple[int, ...], ...], ...] = ()

    def __len__(self) -> int:
        """Number of parameters."""
        return len(self.sizes)

    @property
    def discrete(self) -> Tensor:
        """Which have a number of values, (p,), bool."""
        return torch.tensor([size > 0 for size in self.sizes])

    def bins(self, resolution: int) -> tuple[int, ...]:
        """Classes of each parameter when continuous ones are cut into `resolution`."""
        return tuple(size or resolution for size in self.sizes)

    def snapped(self, u: Tensor) -> Tensor:
        """Settings (..., p) in [0, 1] with discrete ones at the nearest of their values."""
        sizes = torch.tensor([max(1, size) for size in self.sizes], device=u.device)
        place = (u.clamp(0, 1) * sizes).floor().clamp(max=sizes - 1)
        return torch.where(self.discrete.to(u.device), (place + 0.5) / sizes, u.clamp(0, 1))


@dataclass(frozen=True)
class Draws:
    """A posterior that is a list of settings, the best first.

    Attributes:
        values: (b, n, p).
        layout: Of the parameters.
        spread: Deviation of what is added to the n-th and later draws beyond the list.
    """

    values: Tensor
    layout: Layout
    spread: float = 0.05

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """The list in its order; when it ends, again with a little noise."""
        b, n, p = self.values.shape
        rounds = -(-count // n)
        out = self.values.repeat(1, rounds, 1)[:, :count]
        noise = torch.randn(b, count, p, generator=generator) * self.spread
        later = (torch.arange(count) >= n)[None, :, None]
        return self.layout.snapped(torch.where(later, out + noise, out))

    def mode(self) -> Tensor:
        """The first."""
        return self.values[:, 0]

    def mean(self) -> Tensor:
        """The first as well: distant patches have no middle that sounds like them."""
        return self.values[:, 0]


@dataclass(frozen=True)
class Normal:
    """Independent normal distributions, cut at 0 and 1.

    Attributes:
        middle: (b, p).
        deviation: (p,) or (b, p).
        layout: Of the parameters.
    """

    middle: Tensor
    deviation: Tensor
    layout: Layout

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws; discrete parameters at the nearest value."""
        b, p = self.middle.shape
        noise = torch.randn(b, count, p, generator=generator)
        deviation = self.deviation.expand(b, p)[:, None]
        return self.layout.snapped(self.middle[:, None] + noise * deviation)

    def mode(self) -> Tensor:
        """The middle, discrete parameters at the nearest value."""
        return self.layout.snapped(self.middle)

    def mean(self) -> Tensor:
        """The middle."""
        return self.middle.clamp(0, 1)


@dataclass(frozen=True)
class Mixed:
    """Draws that a network makes, with marginals known apart.

    Attributes:
        draw: ``draw(count, generator)``, (b, count, p).
        likeliest: (b, p).
        middle: (b, p).
        layout: Of the parameters.
    """

    draw: Callable[[int, torch.Generator | None], Tensor]
    likeliest: Tensor
    middle: Tensor
    layout: Layout

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """What the network draws."""
        return self.layout.snapped(self.draw(count, generator))

    def mode(self) -> Tensor:
        """Known from the marginals."""
        return self.layout.snapped(self.likeliest)

    def mean(self) -> Tensor:
        """Known from the marginals."""
        return self.middle


def from_bins(
    chosen: Tensor, sizes: Sequence[int], layout: Layout, generator: torch.Generator | None
) -> Tensor:
    """Classes (..., p) as settings: continuous ones anywhere within their bin."""
    counts = torch.tensor(sizes)
    within = torch.rand(chosen.shape, generator=generator)
    within = torch.where(layout.discrete, torch.full_like(within, 0.5), within)
    return (chosen + within) / counts


def to_bins(u: Tensor, sizes: Sequence[int]) -> Tensor:
    """Settings (..., p) in [0, 1] as classes, int64."""
    counts = torch.tensor(sizes, device=u.device)
    return (u * counts).floor().long().clamp(min=0).minimum(counts - 1)
