"""A loss after sound and target went through the same, perhaps learnt, curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Warped:
    """``loss(warp(sound), warp(target))``: an experiment of the sine-network journal.

    A warp that is learnt with the model can cheat: it makes the loss small by making both sides
    small. With `normalize` the loss is divided by that of silence against the warped target, so
    that this way is closed; see `docs/questions/q05.md`.

    Args:
        loss: Of two sounds, (b, c, t) twice to (b,).
        warp: Samples to samples, such as `dspcore.nn.Warp`, whose parameters go to the optimiser
            beside the model's.
        normalize: Whether to divide by the loss of the warped target against its own mean.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    warp: Callable[[Tensor], Tensor]
    normalize: bool = True

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        found, wanted = self.warp(sound), self.warp(target)
        value = self.loss(found, wanted)
        if not self.normalize:
            return value
        still = wanted.mean(-1, keepdim=True).expand_as(wanted)
        return value / self.loss(still, wanted).clamp(min=1e-12)
