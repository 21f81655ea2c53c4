"""From a network's features to a posterior: heads, apart from what makes the features.

`regression` (one number each), `onehot` (numbers, and classes where there are such), `bins`
(classes for all, independent), `mixture` (a few logistic bells each), `joint` (bins, each given
those before).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dspcore.errors import UserError, nearest
from dspcore.patches.posterior import Layout, Mixed, Normal, Posterior, from_bins, to_bins


class Head(nn.Module):
    """Base: a subclass writes `forward`, `loss` of what it gives, and `posterior`.

    Args:
        features: Width of what comes in.
        layout: Of the parameters.
    """

    name: ClassVar[str] = "head"

    def __init__(self, features: int, layout: Layout) -> None:
        super().__init__()
        self.features, self.layout = features, layout

    def loss(self, h: Tensor, u: Tensor) -> Tensor:
        """Of each parameter of each item, (b, features) and (b, p) to (b, p)."""
        raise NotImplementedError(f"{self.name}: a head must define loss()")

    def posterior(self, h: Tensor) -> Posterior:
        """What it believes, from (b, features)."""
        raise NotImplementedError(f"{self.name}: a head must define posterior()")

    def learn_spread(self, h: Tensor, u: Tensor) -> None:
        """Called once after training with held-out features; for heads that have no width."""


class Regression(Head):
    """One number for each parameter by square error; draws have the width of held-out errors."""

    name = "regression"

    def __init__(self, features: int, layout: Layout) -> None:
        super().__init__(features, layout)
        self.out = nn.Linear(features, len(layout))
        self.register_buffer("deviation", torch.full((len(layout),), 0.25))
        self.deviation: Tensor

    def loss(self, h: Tensor, u: Tensor) -> Tensor:
        """Square error."""
        return (self.out(h).sigmoid() - u).square()

    def posterior(self, h: Tensor) -> Posterior:
        """Normal around what it says."""
        return Normal(self.out(h).sigmoid(), self.deviation, self.layout)

    def learn_spread(self, h: Tensor, u: Tensor) -> None:
        """The root mean square error of each parameter."""
        self.deviation.copy_((self.out(h).sigmoid() - u).square().mean(0).sqrt())


class Bins(Head):
    """A class for every stretch of every parameter, by cross-entropy; parameters independent.

    Args:
        features: Width of what comes in.
        layout: Of the parameters.
        resolution: Bins of a continuous parameter.
        smooth: Deviation of the bell that stands for a continuous value, of its range.
    """

    name = "bins"

    def __init__(
        self, features: int, layout: Layout, resolution: int = 24, smooth: float = 0.03
    ) -> None:
        super().__init__(features, layout)
        self.resolution, self.sizes = resolution, layout.bins(resolution)
        self.smooth = smooth
        self.out = nn.Linear(features, len(layout) * max(self.sizes))
        self._prepare()

    def _prepare(self) -> None:
        widest, counts = max(self.sizes), torch.tensor(self.sizes)
        k = torch.arange(widest)
        self.register_buffer("closed", k >= counts[:, None], persistent=False)
        self.register_buffer("centres", (k + 0.5) / counts[:, None], persistent=False)
        self.register_buffer("discrete", self.layout.discrete[:, None], persistent=False)
        self.closed: Tensor
        self.centres: Tensor
        self.discrete: Tensor

    def logits(self, h: Tensor) -> Tensor:
        """(b, p, widest); classes that a parameter has not are -inf."""
        return self.out(h).unflatten(1, self.closed.shape).masked_fill(self.closed, -1e9)

    def wanted(self, u: Tensor) -> Tensor:
        """Probabilities that stand for values (b, p), a bell where continuous, (b, p, widest)."""
        near = -((self.centres - u[..., None]) / self.smooth).square() / 2
        bell = near.masked_fill(self.closed, -1e9).softmax(-1)
        hard = functional.one_hot(to_bins(u, self.sizes), self.closed.shape[1]).to(u)
        return torch.where(self.discrete, hard, bell)

    def loss(self, h: Tensor, u: Tensor) -> Tensor:
        """Cross-entropy."""
        return -(self.wanted(u) * self.logits(h).log_softmax(-1)).sum(-1)

    def posterior(self, h: Tensor) -> Posterior:
        """Classes drawn independently, and anywhere within one."""
        share = self.logits(h).softmax(-1)

        def draw(count: int, generator: torch.Generator | None) -> Tensor:
            b, p, widest = share.shape
            chosen = torch.multinomial(share.reshape(-1, widest), count, True, generator=generator)
            chosen = chosen.view(b, p, count).transpose(1, 2)
            return from_bins(chosen, self.sizes, self.layout, generator)

        return Mixed(draw, *self.summarised(share), self.layout)

    def summarised(self, share: Tensor) -> tuple[Tensor, Tensor]:
        """Likeliest values and means of class probabilities (b, p, widest), (b, p) each."""
        best = share.argmax(-1)
        likeliest = self.centres.expand_as(share).gather(-1, best[..., None])[..., 0]
        return likeliest, (share * self.centres).sum(-1)


class Joint(Bins):
    """Bins of each parameter given those before it, so that draws fit together; the default.

    A masked layer sees the earlier parameters, all positions in one pass while training; drawing
    goes from one to the next. A second loss with nothing seen gives the marginals.

    Args:
        features: Width of what comes in.
        layout: Of the parameters.
        resolution: As of `Bins`.
        smooth: As of `Bins`.
        width: Hidden units of each parameter.
        embed: Numbers that stand for an earlier parameter's class.

    Source:
        M. Germain et al., "MADE: Masked Autoencoder for Distribution Estimation", ICML 2015.
    """

    name = "joint"

    def __init__(
        self,
        features: int,
        layout: Layout,
        resolution: int = 24,
        smooth: float = 0.03,
        width: int = 64,
        embed: int = 8,
    ) -> None:
        super().__init__(features, layout, resolution, smooth)
        p, widest = self.closed.shape
        self.width = width
        self.out = nn.Linear(features, p * width)
        self.known = nn.Embedding(p * widest, embed)
        self.context = nn.Parameter(torch.randn(p, width, p, embed) / (p * embed) ** 0.5)
        self.alone = nn.Parameter(torch.zeros(p, width))
        self.classes = nn.Parameter(torch.randn(p, width, widest) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(p, widest))
        self.register_buffer("starts", torch.arange(p) * widest, persistent=False)
        self.register_buffer(
            "earlier", torch.ones(p, p).tril(-1)[:, None, :, None], persistent=False
        )
        self.starts: Tensor
        self.earlier: Tensor

    def logits(self, h: Tensor) -> Tensor:
        """Of the marginals, (b, p, widest)."""
        return self._classes(self._own(h) + self.alone)

    def _own(self, h: Tensor) -> Tensor:
        return self.out(h).unflatten(1, (-1, self.width))

    def _classes(self, hidden: Tensor) -> Tensor:
        said = torch.einsum("bpw,pwk->bpk", functional.gelu(hidden), self.classes) + self.bias
        return said.masked_fill(self.closed, -1e9)

    def loss(self, h: Tensor, u: Tensor) -> Tensor:
        """Mean of the cross-entropies given the parameters before, and given none."""
        own, wanted = self._own(h), self.wanted(u)
        seen = self.known(to_bins(u, self.sizes) + self.starts)
        weight = (self.context * self.earlier).flatten(2).flatten(0, 1)
        given = functional.linear(seen.flatten(1), weight).unflatten(1, (-1, self.width))
        said = [self._classes(own + given), self._classes(own + self.alone)]
        known = torch.stack([(wanted * s.log_softmax(-1)).sum(-1) for s in said])
        return -known.mean(0)

    def posterior(self, h: Tensor) -> Posterior:
        """Drawn one after the other."""
        share = self.logits(h).softmax(-1)
        own = self._own(h)

        def draw(count: int, generator: torch.Generator | None) -> Tensor:
            b, p = own.shape[:2]
            chosen = torch.zeros(b * count, p, dtype=torch.long)
            hidden = own.repeat_interleave(count, 0)
            seen: list[Tensor] = []
            for i in range(p):
                here = hidden[:, i]
                if seen:
                    given = torch.cat(seen, 1)
                    here = here + functional.linear(given, self.context[i, :, :i].flatten(1))
                said = functional.gelu(here) @ self.classes[i] + self.bias[i]
                said = said.masked_fill(self.closed[i], -1e9).softmax(-1)
                chosen[:, i] = torch.multinomial(said, 1, generator=generator)[:, 0]
                seen.append(self.known(chosen[:, i] + self.starts[i]))
            return from_bins(chosen, self.sizes, self.layout, generator).unflatten(0, (b, count))

        return Mixed(torch.no_grad()(draw), *self.summarised(share), self.layout)


class OneHot(Bins):
    """A number by square error where a parameter is continuous, classes where it has values."""

    name = "onehot"

    def __init__(self, features: int, layout: Layout) -> None:
        super().__init__(features, layout, resolution=1)
        self.number = nn.Linear(features, len(layout))
        self.register_buffer("deviation", torch.full((len(layout),), 0.25))
        self.deviation: Tensor

    def loss(self, h: Tensor, u: Tensor) -> Tensor:
        """Square error times 12, so that a mean predictor's is 1; or cross-entropy."""
        square = 12 * (self.number(h).sigmoid() - u).square()
        return torch.where(self.layout.discrete, super().loss(h, u), square)

    def posterior(self, h: Tensor) -> Posterior:
        """Normal numbers, drawn classes."""
        share, number = self.logits(h).softmax(-1), self.number(h).sigmoid()
        numbers = Normal(number, self.deviation, self.layout)
        classes, discrete = Bins.posterior(self, h), self.layout.discrete
        likeliest, middle = self.summarised(share)

        def draw(count: int, generator: torch.Generator | None) -> Tensor:
            words, values = (x.sample(count, generator) for x in (classes, numbers))
            return torch.where(discrete, words, values)

        return Mixed(
            draw,
            torch.where(discrete, likeliest, number),
            torch.where(discrete, middle, number),
            self.layout,
        )

    def learn_spread(self, h: Tensor, u: Tensor) -> None:
        """The root mean square error of each number."""
        self.deviation.copy_((self.number(h).sigmoid() - u).square().mean(0).sqrt())


class Mixture(Bins):
    """A few logistic bells for a continuous parameter, classes for one with values.

    Args:
        features: Width of what comes in.
        layout: Of the parameters.
        bells: For each parameter.

    Source:
        T. Salimans et al., "PixelCNN++", ICLR 2017: discretised logistic mixtures, here on a grid
        of 24 cells.
    """

    name = "mixture"

    def __init__(self, features: int, layout: Layout, bells: int = 4) -> None:
        super().__init__(features, layout)
        self.bells = nn.Linear(features, len(layout) * bells * 3)
        self.count = bells

    def logits(self, h: Tensor) -> Tensor:
        """Log probability of each cell under the bells, or the classes' own."""
        b, p = len(h), len(self.layout)
        weight, place, narrow = self.bells(h).view(b, p, self.count, 3, 1).unbind(3)
        scale = 0.3 * torch.exp(-functional.softplus(narrow)) + 0.01
        edges = torch.linspace(0, 1, self.resolution + 1).to(h)
        cumulated = ((edges - place.sigmoid()) / scale).sigmoid()
        cells = cumulated.diff(dim=-1) / (cumulated[..., -1:] - cumulated[..., :1]).clamp(min=1e-6)
        mixed = (weight.softmax(2) * cells).sum(2).clamp(min=1e-8).log()
        beyond = self.closed.shape[1] - self.resolution
        mixed = functional.pad(mixed, (0, beyond), value=-1e9)
        return torch.where(self.discrete, super().logits(h), mixed)


#: Every head by the name that options use.
HEADS: dict[str, type[Head]] = {
    kind.name: kind for kind in (Regression, OneHot, Bins, Mixture, Joint)
}


def make_head(name: str, features: int, layout: Layout) -> Head:
    """A head by name; `UserError` with the nearest names when there is none."""
    if name not in HEADS:
        raise UserError(f"unknown head {name!r}; {nearest(name, HEADS)}")
    return HEADS[name](features, layout)
