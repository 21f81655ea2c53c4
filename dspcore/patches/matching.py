"""From a posterior to the patch that sounds nearest: render candidates, rank them, search on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from dspcore import registry
from dspcore.errors import UserError, nearest
from dspcore.patches.estimator import Estimator
from dspcore.patches.posterior import Layout

#: The kind in `dspcore.registry`, and the entry-point group "dspcore.refiners".
KIND = "refiners"

#: From encoded settings (n, p) to sounds (n, 1, t).
Render = Callable[[Tensor], Tensor]

#: A render that failed or is not finite: farther than anything.
FAILED = 1e3


class Refiner:
    """A search that asks for settings to be rendered and is told how far off they were.

    A subclass writes `ask` and, as a rule, `tell`. The first candidates come from the posterior and
    have been told before the first `ask`.
    """

    name: ClassVar[str] = "refiner"
    #: Whether `tell` is given distances that can be differentiated to the settings.
    needs_gradient: ClassVar[bool] = False

    def start(self, target: Tensor, estimator: Estimator, seed: int) -> None:
        """Called first.

        Args:
            target: Its spectrum, (bands, frames).
            estimator: Whose posterior the first candidates are of.
            seed: Of all that is drawn.
        """
        self.target, self.estimator, self.seed = target, estimator, seed
        self.layout: Layout = estimator.layout
        self.generator = torch.Generator().manual_seed(seed)
        self.tried = torch.zeros(0, len(self.layout))
        self.distances = torch.zeros(0)
        self.heard = torch.zeros(0, *target.shape)

    def candidates(self, count: int) -> Tensor:
        """What to render first, (count, p): the mode, and draws of the posterior."""
        posterior = self.estimator.believe(self.target[None])
        if count == 1:
            return posterior.mode()
        return torch.cat([posterior.mode(), posterior.sample(count - 1, self.generator)[0]])

    def ask(self, count: int) -> Tensor:
        """Settings to render, at most (count, p)."""
        raise NotImplementedError(f"{self.name}: a refiner must define ask()")

    def tell(self, u: Tensor, distances: Tensor, heard: Tensor) -> None:
        """How far renders are from the target.

        Args:
            u: (n, p).
            distances: (n,), in dB.
            heard: Their spectra, (n, bands, frames).
        """
        self.tried = torch.cat([self.tried, u])
        self.distances = torch.cat([self.distances, distances])
        self.heard = torch.cat([self.heard, heard])

    def elite(self, count: int) -> Tensor:
        """Rows of the nearest so far, the nearest first."""
        return self.distances.argsort()[:count]

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]


@dataclass(frozen=True)
class Match:
    """What was found for a target.

    Attributes:
        u: Encoded settings, (p,).
        distance: Of its render, in dB of log-mel.
        renders: How many were made.
        tried: All settings in the order of rendering, (n, p).
        distances: Theirs, (n,).
        notes: Sentences that a reader should know.
    """

    u: Tensor
    distance: float
    renders: int
    tried: Tensor
    distances: Tensor
    notes: tuple[str, ...] = field(default_factory=tuple)

    def best_of(self, count: int) -> float:
        """The least distance of the first `count` renders."""
        return float(self.distances[:count].min())


def match(
    target: Tensor,
    render: Render,
    estimator: Estimator,
    *,
    renders: int = 64,
    refiner: Refiner | str | None = None,
    first: int | None = None,
    round_size: int = 8,
    seed: int = 0,
    start: Tensor | None = None,
) -> Match:
    """Find settings whose render is near a sound.

    Args:
        target: (1, t) at the estimator's sample rate.
        render: Of encoded settings; an item that could not be rendered may be NaN.
        estimator: That has learnt.
        renders: How many may be made.
        refiner: What asks for the later ones; None draws them all from the posterior.
        first: Candidates from the posterior; half of all with a refiner, else all.
        round_size: Asked for at a time.
        seed: Of all that is drawn.
        start: Settings (n, p) that are rendered before all others.
    """
    if renders < 1:
        raise UserError(f"match: renders must be 1 or more, got {renders}")
    estimator.check_fitted()
    with torch.no_grad():
        wanted = estimator.hear(target[None])[0]
        search = make_refiner(refiner) if isinstance(refiner, str) else refiner or Refiner()
        search.start(wanted, estimator, seed)
        begin = renders if refiner is None else min(renders, first or max(1, renders // 2))
        candidates = search.candidates(begin)
        if start is not None:
            candidates = torch.cat([start, candidates])[:begin]
        _try(search, candidates, render)
        while len(search.tried) < renders:
            with torch.enable_grad():
                asked = search.ask(min(round_size, renders - len(search.tried))).detach()
            _try(search, asked[: renders - len(search.tried)], render)
    best = int(search.distances.argmin())
    failed = int((search.distances >= FAILED).sum())
    notes = (f"{failed} of {renders} candidates could not be rendered",) if failed else ()
    return Match(
        search.tried[best],
        float(search.distances[best]),
        len(search.tried),
        search.tried,
        search.distances,
        notes,
    )


def _try(search: Refiner, u: Tensor, render: Render) -> None:
    u = search.layout.snapped(u.float()).requires_grad_(search.needs_gradient)
    with torch.set_grad_enabled(search.needs_gradient):
        sound = render(u)
        bad = ~sound.isfinite().flatten(1).all(1)
        heard = search.estimator.hear(sound.nan_to_num())
        # The square root has no slope at 0.
        distances = ((heard - search.target).square().mean((1, 2)) + 1e-12).sqrt()
        distances = distances.masked_fill(distances < 2e-6, 0.0).masked_fill(bad, FAILED)
        search.tell(u, distances, heard)


def default_refiner(estimator: Estimator) -> str | None:
    """The best measured for an estimator: `proxy` where it has a stand-in, else none."""
    middle = torch.full((1, len(estimator.layout)), 0.5)
    with torch.no_grad():
        return None if estimator.foresee(middle) is None else "proxy"


def make_refiner(name: str, **options: Any) -> Refiner:
    """A refiner by the name it is registered under, with options of its own.

    Raises:
        UserError: There is none of that name, it cannot be imported, or has no such option.
    """
    kind: Callable[..., Refiner] = registry.get(KIND, name)
    known = list(inspect.signature(kind).parameters)
    for option in options:
        if option not in known:
            raise UserError(
                f"the refiner {name!r} has no option {option!r}; {nearest(option, known)}"
            )
    return kind(**options)
