"""Search in a stand-in."""

from __future__ import annotations

import torch
from torch import Tensor

from dspcore.errors import UserError
from dspcore.patches import Estimator, Refiner


class Proxy(Refiner):
    """Try thousands in the estimator's neural stand-in of the synth, and render the best of them.

    What the stand-in gets wrong at a rendered patch is taken off its neighbours. Candidates are
    draws of the posterior, the nearest training clips, and variations of the best so far.

    Args:
        pool: Settings that the stand-in foresees in a round.
        parents: Of variations.
    """

    name = "proxy"

    def __init__(self, pool: int = 1024, parents: int = 6) -> None:
        self.pool, self.parents = pool, parents

    def start(self, target: Tensor, estimator: Estimator, seed: int) -> None:
        """Draws the pool."""
        super().start(target, estimator, seed)
        if estimator.foresee(torch.full((1, len(estimator.layout)), 0.5)) is None:
            raise UserError(
                f"proxy: the estimator {estimator.name!r} has no stand-in of the synth; train it "
                "with --set proxy=true, or take another refiner"
            )
        self.drawn = estimator.believe(target[None]).sample(self.pool, self.generator)[0]

    def candidates(self, count: int) -> Tensor:
        """The mode, near clips, and the drawn that the stand-in thinks nearest."""
        near = self.estimator.remembered(self.target, max(1, count // 8))
        first = [self.estimator.believe(self.target[None]).mode()]
        if near is not None:
            first.append(near)
        taken = torch.cat(first)[:count]
        ranked = self._foreseen(self.drawn).argsort()[: count - len(taken)]
        return torch.cat([taken, self.drawn[ranked]])

    def ask(self, count: int) -> Tensor:
        """The variations that should be nearest, no two of them alike."""
        rows = self.elite(self.parents)
        pool, parent = self._variations(self.tried[rows])
        wrong = self.heard[rows] - self._spectra(self.tried[rows])
        foreseen = self._spectra(pool) + wrong[parent]
        distances = (foreseen - self.target).square().mean((1, 2)).sqrt()
        out: list[Tensor] = []
        for i in distances.argsort().tolist():
            others = torch.cat([self.tried, torch.stack(out)]) if out else self.tried
            if (others - pool[i]).abs().amax(1).min() > 0.01:
                out.append(pool[i])
            if len(out) == count:
                break
        return torch.stack(out) if out else pool[:count]

    def _variations(self, parents: Tensor) -> tuple[Tensor, Tensor]:
        """Settings (pool, p), and the row of each one's parent."""
        n, p = self.pool, parents.shape[1]
        weights = 0.7 ** torch.arange(len(parents))
        parent = torch.multinomial(weights, n, True, generator=self.generator)
        own = parents[parent]
        rate = torch.tensor([0.08, 0.15, 0.3, 0.5])[
            torch.randint(4, (n, 1), generator=self.generator)
        ]
        moved = torch.rand(n, p, generator=self.generator) < rate
        step = torch.tensor([0.02, 0.06, 0.15])[torch.randint(3, (n, 1), generator=self.generator)]
        near = own + torch.randn(n, p, generator=self.generator) * step
        other = self.drawn[torch.randint(len(self.drawn), (n,), generator=self.generator)]
        far = torch.rand(n, 1, generator=self.generator) < 0.5
        new = torch.where(far | self.layout.discrete, other, near.clamp(0, 1))
        return self.layout.snapped(torch.where(moved, new, own)), parent

    def _spectra(self, u: Tensor) -> Tensor:
        with torch.no_grad():
            found = self.estimator.foresee(u)
        assert found is not None
        return found

    def _foreseen(self, u: Tensor) -> Tensor:
        return (self._spectra(u) - self.target).square().mean((1, 2)).sqrt()
