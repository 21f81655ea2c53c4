"""What a latent dimension goes along with: brightness, depth, loudness."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def feature_correlation(mean: Tensor, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rank correlation (Spearman) of each dimension with each feature, by name (d,).

    Args:
        mean: Of items, (n, d), or (n, d, f), which is averaged over its frames.
        features: (n,) each; items whose feature is NaN (silence) are left out.

    Returns:
        -1 to 1 for each dimension; 0 where either does not vary or fewer than three items are left.
    """
    z = (mean if mean.ndim == 2 else mean.mean(2)).double()
    found = {}
    for name, values in features.items():
        if values.shape != z.shape[:1]:
            raise ValueError(
                f"feature_correlation: {name} must be ({len(z)},), got {tuple(values.shape)}"
            )
        heard = values.isfinite()
        if int(heard.sum()) < 3:
            found[name] = z.new_zeros(z.shape[1])
            continue
        a = _ranks(z[heard])
        b = _ranks(values[heard].double()[:, None])
        a, b = a - a.mean(0), b - b.mean(0)
        both = (a * b).sum(0)
        found[name] = both / (a.square().sum(0) * b.square().sum(0)).sqrt().clamp(min=1e-12)
    return found


def _ranks(values: Tensor) -> Tensor:
    """Ranks down each column; equal values share the mean of theirs."""
    less = (values[:, None] > values[None]).sum(1)
    same = (values[:, None] == values[None]).sum(1)
    return less.double() + (same.double() - 1) / 2
