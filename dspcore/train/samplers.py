"""Points of a clip as batches: random ones, windows of neighbours, long-range pairs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.errors import UserError


@dataclass(frozen=True)
class ClipDataset:
    """A clip with silence before and after: values by sample, and the times of the samples.

    Attributes:
        clip: (t,), float32 or float64.
        silence: Samples of silence put before and after.
        times: (t + silence,), in the unit of the model; 0, 1, 2, ... when left out. The silence
            counts: the clip's first sample stands at ``silence[0]``.
    """

    clip: Tensor
    silence: tuple[int, int] = (0, 0)
    times: Tensor | None = None

    def __post_init__(self) -> None:
        """Checks the shapes."""
        if self.clip.ndim != 1 or not len(self.clip) or min(self.silence) < 0:
            raise UserError(
                f"ClipDataset: clip must be (t,) and silence 0 or more, "
                f"got {tuple(self.clip.shape)} and {self.silence}"
            )
        if self.times is not None and self.times.shape != (len(self),):
            raise UserError(
                f"ClipDataset: times must be ({len(self)},), got {tuple(self.times.shape)}"
            )

    def __len__(self) -> int:
        """Samples, silence included."""
        return len(self.clip) + sum(self.silence)

    @property
    def values(self) -> Tensor:
        """The clip with its silence, (t,)."""
        return torch.nn.functional.pad(self.clip, self.silence)

    def at(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Times and values at sample numbers of any shape."""
        times = places.to(self.clip.dtype) if self.times is None else self.times[places]
        return times, self.values[places]


@dataclass(frozen=True)
class Points:
    """A batch of a clip.

    Attributes:
        times: (b, num_consec).
        values: What is wanted there, (b, num_consec).
        far_times: The long-range points, (pairs, 2), or nothing, (0, 2).
        far_values: What is wanted there.
    """

    times: Tensor
    values: Tensor
    far_times: Tensor
    far_values: Tensor


class AnchorSampler:
    """Random anchors, each with the samples after it, and pairs from all over the clip.

    With `num_consec` 1 the points are independent, which is the best start: windows show fewer
    different moments for the same work, and pay only where a loss compares neighbours. A window
    never wraps over the end. Batch n is the same for the same seed: `Data` for `dspcore.train.fit`.

    Args:
        data: The clip.
        batch: Anchors b, drawn with replacement.
        num_consec: Samples from each anchor on.
        long_range: Pairs of samples, all of them different, drawn without the anchors.
        seed: Of the draws.
    """

    def __init__(
        self,
        data: ClipDataset,
        batch: int,
        num_consec: int = 1,
        *,
        long_range: int = 0,
        seed: int = 0,
    ) -> None:
        """Checks that the clip is long enough."""
        if batch < 1 or not 1 <= num_consec <= len(data) or 2 * long_range > len(data):
            raise UserError(
                f"AnchorSampler: a clip of {len(data)} samples has no {batch} windows of "
                f"{num_consec} and {long_range} pairs"
            )
        self.data, self.batch, self.num_consec = data, batch, num_consec
        self.long_range, self.seed = long_range, seed

    def places(self, step: int) -> tuple[Tensor, Tensor]:
        """Sample numbers of batch `step`: (b, num_consec) and (pairs, 2)."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        last = len(self.data) - self.num_consec + 1
        anchors = torch.randint(last, (self.batch,), generator=generator)
        near = anchors[:, None] + torch.arange(self.num_consec)
        if not self.long_range:
            return near, torch.empty(0, 2, dtype=torch.long)
        far = torch.randperm(len(self.data), generator=generator)[: 2 * self.long_range]
        return near, far.reshape(-1, 2)

    def __call__(self, step: int) -> Points:
        """Batch number `step`."""
        near, far = self.places(step)
        return Points(*self.data.at(near), *self.data.at(far))
