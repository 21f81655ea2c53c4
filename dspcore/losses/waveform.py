"""Losses on the error of the waveform, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.losses._check import pair


def residual_db(sound: Tensor, reference: Tensor) -> Tensor:
    """Power of the difference over the reference's in dB, (b, c, t) to (b,); exact is -inf."""
    error = (sound - reference).double().square().sum((1, 2))
    return 10 * torch.log10(error / reference.double().square().sum())


@dataclass(frozen=True)
class Waveform:
    """Mean of ``|error|^p``: the mean square for 2, the mean absolute error for 1.

    Args:
        p: Above 2, the largest errors count most.
    """

    p: float = 2.0

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        return _power(pair("Waveform", sound, target), self.p).mean((1, 2))


@dataclass(frozen=True)
class RobustLoss:
    """A mean over the samples that does not worry about a few big mistakes.

    Args:
        kind: huber (linear beyond `scale`), cauchy (``log(1 + (error / scale)^2)``), median (of the
            squares), or trimmed (mean of the squares without the largest share `trim`).
        scale: Error from which on a sample counts less; in the sound's own unit.
        trim: Share that is left out.
    """

    kind: str = "huber"
    scale: float = 0.1
    trim: float = 0.1

    def __post_init__(self) -> None:
        """Checks the kind."""
        if self.kind not in ("huber", "cauchy", "median", "trimmed"):
            raise ValueError(
                f"RobustLoss: kind must be huber, cauchy, median or trimmed, got {self.kind!r}"
            )

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        error = pair("RobustLoss", sound, target).flatten(1)
        if self.kind == "huber":
            zero = torch.zeros_like(error)
            return torch.nn.functional.huber_loss(
                error, zero, delta=self.scale, reduction="none"
            ).mean(1)
        square = error.square()
        if self.kind == "cauchy":
            return torch.log1p(square / self.scale**2).mean(1) * self.scale**2
        if self.kind == "median":
            return square.median(1).values
        kept = max(1, round(square.shape[1] * (1 - self.trim)))
        return square.topk(kept, dim=1, largest=False).values.mean(1)


@dataclass(frozen=True)
class ExtremeWeighted:
    """A mean of squares in which loud samples, or large errors, count more.

    Args:
        q: Samples are weighted by ``|target|^q``, at an average weight of 1; 0 weights none.
        top: Only this share of the samples counts, those with the largest weighted squares.
        sharpness: Above 0, the mean is ``log(mean(exp(k e^2))) / k`` with k this over the largest
            square: from the mean (0) towards the largest.
    """

    q: float = 1.0
    top: float = 1.0
    sharpness: float = 0.0

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        square = pair("ExtremeWeighted", sound, target).flatten(1).square()
        if self.q:
            weight = target.detach().flatten(1).abs() ** self.q
            square = square * _to_mean_one(weight)
        if self.top < 1:
            kept = max(1, round(square.shape[1] * self.top))
            square = square.topk(kept, dim=1).values
        if not self.sharpness:
            return square.mean(1)
        k = self.sharpness / square.detach().amax(1, keepdim=True).clamp(min=1e-30)
        count = torch.tensor(float(square.shape[1])).log()
        return (torch.logsumexp(k * square, 1) - count) / k[:, 0]


@dataclass(frozen=True)
class SignSwapWeighted:
    """A mean of squares that weighs a sample by how often the target changes sign around it.

    ``1 + strength x`` the number of sign changes within `window` samples, at an average of 1.

    Args:
        window: Samples around each.
        strength: Weight of one change.
    """

    window: int = 20
    strength: float = 1.0

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        square = pair("SignSwapWeighted", sound, target).square()
        weight = 1 + self.strength * sign_changes(target.detach(), self.window)
        return (_to_mean_one(weight.flatten(1)) * square.flatten(1)).mean(1)


def sign_changes(sound: Tensor, window: int) -> Tensor:
    """Sign changes of (b, c, t) within the `window` samples around each, in its shape."""
    positive = sound >= 0
    change = (positive[..., 1:] != positive[..., :-1]).to(sound.dtype)
    before = torch.nn.functional.pad(change.cumsum(-1), (1, 0))  # changes up to each sample
    last = sound.shape[-1] - 1
    start = torch.arange(last + 1, device=sound.device) - (window - 1) // 2
    ends = (start + window - 1).clamp(0, last)
    return before[..., ends] - before[..., start.clamp(0, last)]


def _power(error: Tensor, p: float) -> Tensor:
    return error.square() if p == 2 else error.abs() ** p


def _to_mean_one(weight: Tensor) -> Tensor:
    """(b, n) scaled to a mean of 1; all ones where it is all zero."""
    mean = weight.mean(1, keepdim=True)
    return torch.where(mean > 0, weight / mean.clamp(min=1e-30), 1.0)
