"""Losses on differences between nearby samples: what they make of the error's spectrum is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.losses._check import cosine, pair

_LONG = 64  # lags: beyond, one transform is quicker than a pass for each


@dataclass(frozen=True)
class ProximalDifference:
    """Squares of differences between nearby samples, made and wanted: a filtered mean square.

    With e = sound - target, the weighted mean over lags k of ``mean_n (e[n+k] - e[n])^2``. A lag k
    weighs the error's spectrum by ``2 - 2 cos(2 pi f k / fs)``, order 2 by the square of that, so
    slow errors count little and an offset not at all. All pairs together are
    ``2 (mean e^2 - (mean e)^2)``: the mean square without its DC part. It does not make a frequency
    easier to find than the mean square does.

    Args:
        window: All pairs within this many samples in a row: lag k weighs window - k. None takes all
            pairs of the sound.
        lags: These lags instead, alike; (1,) compares neighbours.
        weights: Weight of each lag, in place of those.
        order: 1, or 2 for ``e[n+k] - 2 e[n] + e[n-k]``, differences of differences.
        slope: Divide each difference by its lag (to the power of the order): slopes are compared.
    """

    window: int | None = 20
    lags: Sequence[int] | None = None
    weights: Sequence[float] | None = None
    order: int = 1
    slope: bool = False

    def __post_init__(self) -> None:
        """Checks lags and order."""
        if self.order not in (1, 2):
            raise ValueError(f"ProximalDifference: order must be 1 or 2, got {self.order}")
        lags = self.lags if self.lags is not None else range(1, self.window or 2)
        if not lags or min(lags) < 1:
            raise ValueError("ProximalDifference: lags must be 1 or more, a window 2 or more")
        if self.weights is not None and len(self.weights) != len(lags):
            raise ValueError(
                f"ProximalDifference: weights must be as many as lags ({len(lags)}), "
                f"got {len(self.weights)}"
            )

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        error = pair("ProximalDifference", sound, target)
        if self.window is None and self.lags is None:
            if self.order == 2 or self.slope or self.weights is not None:
                raise ValueError("ProximalDifference: all pairs know no order, slope or weights")
            return 2 * error.var(-1, correction=0).mean(1)
        count = error.shape[-1]
        window = self.window or 2
        lags = list(self.lags if self.lags is not None else range(1, window))
        plain = [1.0 if self.lags is not None else float(window - k) for k in lags]
        weighed = zip(lags, self.weights or plain, strict=True)
        kept = [(k, w) for k, w in weighed if self.order * k < count and w]
        if not kept:
            raise ValueError(
                f"ProximalDifference: {count} samples are too few for the least lag {min(lags)}"
            )
        scale = [w / k ** (2 * self.order) if self.slope else w for k, w in kept]
        if self.order == 1 and len(kept) > _LONG:
            squares = _all_lags(error)[..., [k for k, _ in kept]]
            total = (squares * squares.new_tensor(scale)).sum(-1)
        else:
            total = torch.stack(
                [s * self._mean_square(error, k) for s, (k, _) in zip(scale, kept, strict=True)]
            ).sum(0)
        return total.mean(1) / sum(w for _, w in kept)

    def _mean_square(self, error: Tensor, lag: int) -> Tensor:
        difference = error[..., lag:] - error[..., :-lag]
        if self.order == 2:
            difference = difference[..., lag:] - difference[..., :-lag]
        return difference.square().mean(-1)


def _all_lags(error: Tensor) -> Tensor:
    """``mean_n (e[n+k] - e[n])^2`` for every lag k, by one transform; (b, c, t) in its shape."""
    count = error.shape[-1]
    spectrum = torch.fft.rfft(error, n=2 * count)
    power = spectrum.real.square() + spectrum.imag.square()
    correlation = torch.fft.irfft(power, n=2 * count)[..., :count]
    energy = torch.nn.functional.pad(error.square().cumsum(-1), (1, 0))  # of the first n samples
    head = energy[..., 1:].flip(-1)  # of the first count - k
    tail = energy[..., -1:] - energy[..., :-1]  # of the last count - k
    pairs = torch.arange(count, 0, -1, dtype=error.dtype, device=error.device)
    return ((head + tail - 2 * correlation) / pairs).clamp(min=0)


@dataclass(frozen=True)
class RandomPairs:
    """Squares of differences between pairs of samples drawn over the whole sound.

    On average this is all pairs of `ProximalDifference`: twice the mean square without DC.

    Args:
        pairs: Drawn anew in every call.
        slope: Divide each difference by the distance.
        seed: Of the draws; None takes torch's own random numbers.
    """

    pairs: int = 1000
    slope: bool = False
    seed: int | None = None

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        error = pair("RandomPairs", sound, target)
        count = error.shape[-1]
        if count < 2:
            raise ValueError("RandomPairs: a sound needs 2 samples or more")
        generator = None if self.seed is None else torch.Generator().manual_seed(self.seed)
        first = torch.randint(count, (self.pairs,), generator=generator)
        step = torch.randint(1, count, (self.pairs,), generator=generator)
        second = (first + step) % count
        difference = error[..., second] - error[..., first]
        if self.slope:
            difference = difference / (second - first).abs().to(error)
        return difference.square().mean((1, 2))


@dataclass(frozen=True)
class SlopeCosine:
    """``1 - cos`` of the angle between the slopes of the two sounds, as vectors.

    Level does not matter; a lag weighs the spectrum as `ProximalDifference` does.

    Args:
        lags: Distances of the samples that make a slope; their cosines are averaged.
    """

    lags: Sequence[int] = (1,)

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        pair("SlopeCosine", sound, target)
        cosines = [
            cosine(sound[..., k:] - sound[..., :-k], target[..., k:] - target[..., :-k])
            for k in self.lags
        ]
        return 1 - torch.stack(cosines).mean(0)
