"""What a loss looks like to one frequency: its values, and how many local minima it has."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.errors import UserError
from dspcore.report import drawn

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Landscape:
    """A loss over frequency.

    Attributes:
        frequencies: In cycles per sample, (n,), increasing.
        values: The loss there, (n,).
        true: Frequencies of the target, (k,).
    """

    frequencies: Tensor
    values: Tensor
    true: Tensor

    @property
    def minima(self) -> int:
        """Local minima inside the range; more than one, and descent may end at a wrong one."""
        return len(self.places())

    def places(self) -> Tensor:
        """Frequencies of the local minima."""
        mid = self.values[1:-1]
        slack = 1e-9 * float(self.values.max() - self.values.min())  # rounding has no hollows
        lower = (mid < self.values[:-2] - slack) & (mid < self.values[2:] - slack)
        return self.frequencies[1:-1][lower]

    def basin(self) -> float:
        """Width in cycles per sample over which descent reaches the lowest minimum."""
        low = int(self.values.argmin())
        left = right = low
        while left > 0 and self.values[left - 1] > self.values[left]:
            left -= 1
        while right < len(self.values) - 1 and self.values[right + 1] > self.values[right]:
            right += 1
        return float(self.frequencies[right] - self.frequencies[left])

    def picture(self, title: str = "") -> bytes:
        """A PNG: the loss, its minima, the truth."""

        def draw(figure: object) -> None:
            axes = figure.subplots()  # type: ignore[attr-defined]
            axes.plot(self.frequencies.numpy(), self.values.numpy(), color="#1d4ed8", linewidth=0.9)
            at = torch.isin(self.frequencies, self.places())
            axes.plot(
                self.frequencies[at].numpy(),
                self.values[at].numpy(),
                ".",
                color="#c2410c",
                markersize=3,
            )
            for f in self.true.tolist():
                axes.axvline(f, color="#9aa3ad", linewidth=0.9, zorder=0)
            axes.set_xlabel("frequency, cycles per sample")
            axes.set_ylabel("loss")
            axes.set_title(f"{title}: {self.minima} local minima" if title else "")

        return drawn(draw, 3.0)


def landscape(
    loss: Loss,
    frequency: float | Tensor = 0.2,
    *,
    num_samples: int = 512,
    points: int = 4096,
    phase: float = 0.0,
    target_phase: float = 0.0,
    span: tuple[float, float] = (0.01, 0.49),
    batch: int = 256,
) -> Landscape:
    """Values of `loss` between a target and one sinusoid whose frequency is moved through `span`.

    Args:
        loss: Takes prediction and target, (b, 1, t) twice, and gives (b,), as those of
            `dspcore.losses` do.
        frequency: Of the target in cycles per sample; several, (k,), are summed.
        num_samples: Length of both.
        points: Frequencies tried, evenly spaced: at least four in a bin to count minima.
        phase: Of the moved sinusoid, radians.
        target_phase: Of the target's, radians.
        span: Lowest and highest frequency tried.
        batch: Predictions made at once.

    Raises:
        UserError: The loss does not give one number an item, or a range is empty.
    """
    true = torch.as_tensor(frequency, dtype=torch.float64).reshape(-1)
    if not 0 <= span[0] < span[1] <= 0.5 or points < 3:
        raise UserError(
            f"landscape: wanted 0 <= span[0] < span[1] <= 0.5 and 3 points or more, "
            f"got {span} and {points}"
        )
    n = torch.arange(num_samples, dtype=torch.float64)
    target = torch.sin(2 * math.pi * true[:, None] * n + target_phase).sum(0)
    tried = torch.linspace(*span, points, dtype=torch.float64)
    values = []
    with torch.no_grad():
        for some in tried.split(batch):
            sound = torch.sin(2 * math.pi * some[:, None] * n + phase)[:, None]
            value = loss(sound, target.expand_as(sound))
            if value.shape != (len(some),):
                raise UserError(
                    f"landscape: the loss must give one number an item, ({len(some)},), "
                    f"got {tuple(value.shape)}"
                )
            values.append(value)
    return Landscape(tried, torch.cat(values), true)
