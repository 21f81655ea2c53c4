"""Several losses as one, each with a weight that may change as training goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from dspcore.errors import UserError

Weight = float | Callable[[int], float]


class LossGroup:
    """The weighted sum of losses, with every part by name, as `dspcore.train.fit` logs them.

    Far lags first and near ones later is two `ProximalDifference` with crossing schedules.

    Args:
        parts: By name a loss, or a loss and its weight: a number, or a function of the step, such
            as `dspcore.train.Schedule`. A part whose weight is 0 in a step is not computed.
    """

    def __init__(
        self,
        parts: Mapping[str, Callable[..., Tensor] | tuple[Callable[..., Tensor], Weight]],
    ) -> None:
        """Checks the names."""
        self.parts: dict[str, tuple[Callable[..., Tensor], Weight]] = {
            name: part if isinstance(part, tuple) else (part, 1.0) for name, part in parts.items()
        }
        if not self.parts or "loss" in self.parts:
            raise UserError("LossGroup: give one part or more; the name 'loss' is the sum's")

    def weights(self, step: int) -> dict[str, float]:
        """The weight of every part at a step."""
        return {n: w(step) if callable(w) else w for n, (_, w) in self.parts.items()}

    def __call__(self, sound: Tensor, target: Tensor, step: int = 0) -> dict[str, Tensor]:
        """Means over the batch: each part's own, unweighted, by name, and the sum as "loss".

        Args:
            sound: What was made, (b, c, t).
            target: What it should be, (b, c, t).
            step: Of the training, for weights that change.
        """
        found, total = {}, sound.new_zeros(())
        for name, weight in self.weights(step).items():
            if weight == 0:
                continue
            found[name] = self.parts[name][0](sound, target).mean()
            total = total + weight * found[name]
        return {"loss": total, **{name: value.detach() for name, value in found.items()}}
