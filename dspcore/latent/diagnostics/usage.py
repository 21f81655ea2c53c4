"""Which dimensions a decoder uses: what its output owes to each, and what it loses without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: A dimension counts as used from this share of the output's variance on.
USED = 0.01

Decode = Callable[[Tensor], Tensor]


@torch.no_grad()
def sobol(decode: Decode, z: Tensor, *, partners: int = 1, batch: int = 64) -> Tensor:
    """Sobol total-order index of the decoder's output for every dimension, (d,).

    ``S_i = E |g(z) - g(z with z_i of another item)|^2 / (2 Var g)``: the share of the output's
    variance that a dimension takes part in. An unused one has 0, however wide or costly it is; a
    sum above 1 means that dimensions act together. Needs ``1 + partners d`` decodings of `z`.

    Args:
        decode: From latents, (n, d) or (n, d, f), to anything of n items. A spectrum says more than
            a waveform, whose phase differs between any two hits.
        z: Latents of different items, two or more; 256 are plenty.
        partners: How many other items each is compared with.
        batch: Items decoded at once.

    Source:
        M. J. W. Jansen, "Analysis of variance designs for model output", CPC 117, 1999.
    """
    if z.ndim not in (2, 3) or len(z) < 2:
        raise ValueError(f"sobol: z must be (n, d) or (n, d, f) of 2 items or more, got {z.shape}")
    if not 1 <= partners < len(z):
        raise ValueError(f"sobol: partners must be 1 to {len(z) - 1}, got {partners}")

    def decoded(latents: Tensor) -> Tensor:
        return torch.cat([decode(part).flatten(1) for part in latents.split(batch)]).double()

    base = decoded(z)
    variance = base.var(0).sum().clamp(min=1e-30)
    found = z.new_zeros(z.shape[1], dtype=torch.float64)
    for i in range(z.shape[1]):
        for shift in range(1, partners + 1):
            mixed = z.clone()
            mixed[:, i] = z[:, i].roll(shift, 0)
            found[i] += (decoded(mixed) - base).square().sum(1).mean()
    return found / (2 * partners * variance)


@torch.no_grad()
def principal_sobol(decode: Decode, z: Tensor, *, batch: int = 64) -> Tensor:
    """`sobol` of the principal components of the latents instead of their dimensions, (d,).

    Dimensions that hold copies of the same thing, as free bits make them, each look unused when one
    of them is swapped; as one component they do not. The count above `USED` is the size to take,
    where the means of idle dimensions hardly vary, as a divergence makes them; else they mix.

    Args:
        decode: As for `sobol`.
        z: (n, d) or (n, d, f).
        batch: Items decoded at once.
    """
    rows = z.transpose(0, 1).flatten(1)
    mean = rows.mean(1)
    turn = torch.linalg.svd(rows - mean[:, None], full_matrices=False)[0]  # (d, components)
    components = torch.einsum("dk,nd...->nk...", turn, z - _column(mean, z))

    def turned_back(part: Tensor) -> Tensor:
        return decode(torch.einsum("dk,nk...->nd...", turn, part) + _column(mean, z))

    return sobol(turned_back, components, batch=batch)


def _column(mean: Tensor, like: Tensor) -> Tensor:
    """(d,) so that it adds to (n, d) or (n, d, f)."""
    return mean.reshape(1, -1, *([1] * (like.ndim - 2)))


def dims_used(index: Tensor, least: float = USED) -> int:
    """How many dimensions have a Sobol index above `least`: the effective size of the latent."""
    return int((index > least).sum())


@dataclass(frozen=True)
class PruneCurve:
    """What is lost when only the best dimensions are kept.

    Attributes:
        order: Dimensions, the one that says most first.
        kept: Numbers of dimensions kept, rising.
        loss: For each of them.
    """

    order: list[int]
    kept: list[int]
    loss: list[float]

    def needed(self, tolerance: float = 0.05) -> int:
        """The fewest dimensions whose loss is within a share `tolerance` of the whole latent's."""
        most = self.loss[-1] + tolerance * abs(self.loss[-1])
        return next(k for k, loss in zip(self.kept, self.loss, strict=True) if loss <= most)


@torch.no_grad()
def prune_curve(
    loss: Callable[[Tensor], Tensor | float],
    z: Tensor,
    worth: Tensor,
    kept: Sequence[int] | None = None,
) -> PruneCurve:
    """The loss with the best k dimensions as they are and all others at 0, the prior's mean.

    Args:
        loss: Of latents shaped like `z`: decodes them and compares with what they came from.
        z: (n, d) or (n, d, f).
        worth: (d,), bits or Sobol indices: the dimensions with the most are kept longest.
        kept: Numbers to try, of 0 to d; all of them when left out.
    """
    d = z.shape[1]
    order = worth.argsort(descending=True).tolist()
    counts = sorted({*(range(d + 1) if kept is None else kept), d})
    if counts[0] < 0 or counts[-1] > d:
        raise ValueError(f"prune_curve: kept must lie in 0 to {d}, got {counts}")
    found = []
    for count in counts:
        mask = torch.zeros(d, dtype=z.dtype, device=z.device)
        mask[order[:count]] = 1
        found.append(float(loss(z * mask.reshape(1, d, *([1] * (z.ndim - 2))))))
    return PruneCurve(order, counts, found)
