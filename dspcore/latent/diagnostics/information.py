"""Which dimensions of a latent say something of the item, by several counts."""

from __future__ import annotations

import torch
from torch import Tensor

#: The usual limit of free bits.
LIMIT_BITS = 0.5


def dims_under(bits: Tensor, limit: float = LIMIT_BITS) -> tuple[int, float]:
    """How many dimensions say less than `limit` bits, and which share of all that is.

    With free bits on, idle dimensions are parked just under the limit: see `dims_parked`.

    Args:
        bits: Mean divergence of each dimension in bits, (d,).
        limit: In bits.
    """
    count = int((bits < limit).sum())
    return count, count / bits.numel()


def dims_parked(bits: Tensor, limit: float = LIMIT_BITS, within: float = 0.1) -> int:
    """How many dimensions lie within 10 % of the free-bits limit, where they are held for free."""
    return int(((bits - limit).abs() <= within * limit).sum())


def active_units(mean: Tensor, least: float = 0.01) -> int:
    """How many dimensions have a mean that varies over items (and frames) by more than `least`.

    Counts parked dimensions too.

    Args:
        mean: (n, d) or (n, d, f).
        least: Variance.

    Source:
        Y. Burda, R. Grosse, R. Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016.
    """
    return int((mean.transpose(0, 1).flatten(1).var(1, unbiased=False) > least).sum())


def pca_fidelity(mean: Tensor, shares: tuple[float, ...] = (0.9, 0.95, 0.99)) -> dict[float, int]:
    """The least number of principal components of the means that hold a share of their variance.

    RAVE prints ``argmax(cumulative > share)``, which is one less.

    Args:
        mean: (n, d) or (n, d, f).
        shares: Of the variance, between 0 and 1.
    """
    rows = mean.transpose(0, 1).flatten(1).double()
    power = torch.linalg.svdvals(rows - rows.mean(1, keepdim=True)).square()
    cumulated = power.cumsum(0) / power.sum().clamp(min=1e-30)
    return {share: min(int((cumulated < share).sum()) + 1, len(power)) for share in shares}
