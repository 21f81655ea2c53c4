"""Waves added one after the other, the lowest nearest to the loss."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dspcore import estimate
from dspcore.nn.waves import wave


class AddLayer(nn.Module):
    """``h + a sin(w t + p)``, with w kept as its logarithm, so that its gradient grows with w.

    Args:
        frequency: w at the start, radians per unit of t, above 0.
        amplitude: a at the start.
        phase: p at the start, in radians.
        shape: sine, triangle or zero_tip.
    """

    def __init__(
        self, frequency: float, amplitude: float = 0.1, phase: float = 0.0, shape: str = "sine"
    ) -> None:
        """Three parameters."""
        super().__init__()
        if frequency <= 0:
            raise ValueError(f"AddLayer: frequency must be above 0, got {frequency}")
        self.shape = shape
        self.amplitude = nn.Parameter(torch.tensor(float(amplitude)))
        self.log_frequency = nn.Parameter(torch.tensor(math.log(frequency)))
        self.phase = nn.Parameter(torch.tensor(float(phase)))

    def forward(self, t: Tensor, h: Tensor | None = None) -> Tensor:
        """Times and what came before, both (...), to their sum."""
        own = self.amplitude * wave(self.log_frequency.exp() * t + self.phase, self.shape)
        return own if h is None else h + own


class AddNetwork(nn.Module):
    """`AddLayer` after `AddLayer`, from the highest frequency to the lowest, next to the loss.

    Args:
        frequencies: At the start, radians per unit of t; sorted here.
        amplitude: Of each at the start.
        shape: sine, triangle or zero_tip.
    """

    def __init__(
        self, frequencies: Sequence[float], amplitude: float = 0.1, shape: str = "sine"
    ) -> None:
        """Sorts the layers."""
        super().__init__()
        ordered = sorted(frequencies, reverse=True)
        self.layers = nn.ModuleList(AddLayer(f, amplitude, shape=shape) for f in ordered)

    def forward(self, t: Tensor) -> Tensor:
        """Times (...) to the sum of all waves (...)."""
        return self.outputs(t)[-1]

    def outputs(self, t: Tensor) -> list[Tensor]:
        """The sum after every layer."""
        found: list[Tensor] = []
        for layer in self.layers:
            found.append(layer(t, found[-1] if found else None))
        return found

    def greedy_loss(self, t: Tensor, target: Tensor) -> Tensor:
        """``sum_l mean |y - h_(l-1) - wave_l|^2``, no gradient from one layer to another.

        Every layer takes away what it can from what the ones before left.
        """
        h, total = torch.zeros_like(target), target.new_zeros(())
        for layer in self.layers:
            h = layer(t, h.detach())
            total = total + (target - h).square().mean()
        return total

    @torch.no_grad()
    def start(self, clip: Tensor) -> None:
        """Take the waves that an analysis finds in a clip (t,), for times in samples."""
        found = estimate.nomp(clip.double(), len(self.layers))
        order = found.frequencies[0].argsort(descending=True)
        for layer, i in zip(self.layers, order.tolist(), strict=True):
            assert isinstance(layer, AddLayer)
            if not float(found.frequencies[0, i]) > 0:  # fewer waves than layers were found
                layer.amplitude.zero_()
                continue
            layer.amplitude.fill_(float(found.amplitudes[0, i]))
            layer.log_frequency.fill_(math.log(2 * math.pi * float(found.frequencies[0, i])))
            layer.phase.fill_(float(found.phases[0, i]))
