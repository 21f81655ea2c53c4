"""What a latent costs: the KL divergence from a standard normal in nats and bits, and free bits."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

LN2 = math.log(2)


def kl_nats(mean: Tensor, std: Tensor) -> Tensor:
    """``KL(N(mean, std^2) || N(0, 1)) = (mean^2 + std^2 - ln std^2 - 1) / 2``, elementwise.

    Twice this, as RAVE's code has it, is ``2 ln 2`` times `kl_bits`.

    Args:
        mean: Any shape.
        std: The shape of `mean`, above 0.
    """
    if mean.shape != std.shape:
        raise ValueError(
            f"kl_nats: std must have the shape of mean {tuple(mean.shape)}, got {tuple(std.shape)}"
        )
    return 0.5 * (mean.square() + std.square() - 2 * std.log() - 1)


def kl_bits(mean: Tensor, std: Tensor) -> Tensor:
    """`kl_nats` in bits."""
    return kl_nats(mean, std) / LN2


def frame_mean(value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean over batch and frames of (b, d, f), (d,); over the frames of `mask`, (b, f), alone."""
    if mask is None:
        return value.mean((0, 2))
    weight = mask[:, None].to(value.dtype)
    return (value * weight).sum((0, 2)) / weight.sum().clamp(min=1)


def free_bits(
    kl: Tensor,
    limit_bits: float = 0.0,
    form: Literal["batch", "sample"] = "batch",
    mask: Tensor | None = None,
) -> Tensor:
    """The divergence to descend on, in nats, where the first bits of every dimension are free.

    batch: ``sum_i max(limit, mean KL_i)``, the mean over batch and frames; a dimension below the
    limit has no gradient at all. sample: ``mean sum_i max(limit, KL_i)``, frame by frame.

    Args:
        kl: In nats, (b, d, f).
        limit_bits: Of each dimension; 0 for none.
        form: batch or sample.
        mask: Frames that count, (b, f).

    Source:
        D. P. Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow",
        NeurIPS 2016, appendix C.8: the batch form.
    """
    if form not in ("batch", "sample"):
        raise ValueError(f"free_bits: form must be batch or sample, got {form!r}")
    limit = limit_bits * LN2
    if form == "sample":
        return frame_mean(kl.clamp(min=limit) if limit > 0 else kl, mask).sum()
    mean = frame_mean(kl, mask)
    return (mean.clamp(min=limit) if limit > 0 else mean).sum()


def fraction_under(kl: Tensor, limit_bits: float) -> float:
    """Share of dimensions whose mean divergence is below a limit: 40 of 128 is 0.3125.

    Args:
        kl: Mean divergence of each dimension in nats, (d,).
        limit_bits: In bits.
    """
    return float((kl < limit_bits * LN2).double().mean())


def mmd(x: Tensor, y: Tensor, widths: Tensor | None = None) -> Tensor:
    """Squared maximum mean discrepancy of two samples, unbiased; near 0 where they are alike.

    Gaussian kernels whose widths are the median distance of `x` and `y` together times a half, one
    and two, unless widths are given.

    Args:
        x: (n, d), n at least 2.
        y: (m, d).
        widths: Of the kernels, (k,).

    Source:
        A. Gretton et al., "A Kernel Two-Sample Test", JMLR 13, 2012, eq. 3.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(
            f"mmd: x and y must be (n, d) and (m, d), n and m above 1, "
            f"got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    both = torch.cat([x, y])
    apart = torch.cdist(both, both).square()
    if widths is None:
        with torch.no_grad():
            upper = apart[torch.ones_like(apart, dtype=torch.bool).triu(1)]
            widths = upper.median().clamp(min=1e-12).sqrt() * apart.new_tensor([0.5, 1.0, 2.0])
    kernel = torch.exp(-apart[..., None] / (2 * widths.square())).mean(-1)
    n, m = len(x), len(y)
    within_x = (kernel[:n, :n].sum() - kernel[:n, :n].diagonal().sum()) / (n * (n - 1))
    within_y = (kernel[n:, n:].sum() - kernel[n:, n:].diagonal().sum()) / (m * (m - 1))
    return within_x + within_y - 2 * kernel[:n, n:].mean()
