"""The residual of the waveform, as least squares wants it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dspcore.losses import residual_db

EDGE = 1e-3  # how near to the ends of its range a search may start


class Waveform:
    """What a chain's sound lacks, by unbounded coordinates of the parameters that are free.

    Args:
        render: From audio (1, c, t) and settings (b, p) in [0, 1] to audio (b, c, t).
        dry: (1, c, t).
        reference: What it should become, (1, c, t).
        own: The settings that the others keep, (p,) in [0, 1].
        free: Which parameters are searched, (p,) bool; in this order they are the coordinates.
    """

    def __init__(
        self,
        render: Callable[[Tensor, Tensor], Tensor],
        dry: Tensor,
        reference: Tensor,
        own: Tensor,
        free: Tensor,
    ) -> None:
        self._render, self.dry, self.reference = render, dry.double(), reference.double()
        self._own, self.free = own, free
        self._from = torch.logit(own.clamp(EDGE, 1 - EDGE))
        self._basis = torch.eye(len(own), dtype=torch.float64)[:, free]
        self._weight = whitening(self.reference)

    def settings(self, place: Tensor) -> Tensor:
        """Settings (..., p) in [0, 1] of coordinates (..., q)."""
        return torch.where(self.free, torch.sigmoid(self._from + place @ self._basis.T), self._own)

    def place(self, settings: Tensor) -> Tensor:
        """Coordinates (..., q) of settings (..., p)."""
        return (torch.logit(settings.clamp(EDGE, 1 - EDGE)) - self._from)[..., self.free]

    def plain(self, places: Tensor) -> Tensor:
        """The residual of every row of `places` (b, q), (b, c, t)."""
        return self._render(self.dry, self.settings(places)) - self.reference

    def white(self, places: Tensor) -> Tensor:
        """The same with every frequency counting alike: its whitened spectrum, (b, c, f, 2)."""
        return torch.view_as_real(torch.fft.rfft(self.plain(places)) * self._weight)

    def left(self, place: Tensor) -> float:
        """The residual at `place` (q,) in dB of the reference."""
        with torch.no_grad():
            return float(residual_db(self.plain(place[None]) + self.reference, self.reference))


def whitening(reference: Tensor) -> Tensor:
    """One over the magnitude spectrum of (1, c, t), smoothed over a 40th of it, (1, 1, bins)."""
    power = torch.fft.rfft(reference).abs().square().mean((0, 1))
    width = max(3, len(power) // 40) | 1
    half = width // 2
    padded = torch.nn.functional.pad(power[None, None], (half, half), mode="reflect")
    smooth = torch.nn.functional.avg_pool1d(padded, width, 1)
    return (smooth + 1e-6 * smooth.max()).rsqrt()
