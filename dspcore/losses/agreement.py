"""Losses on whether two sounds point the same way: phases, axes, products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.losses._check import cosine, pair


@dataclass(frozen=True)
class PhaseAgreement:
    """``1 - sum |Y| cos(arg P - arg Y) / sum |Y|``: 0 when every phase is right, 2 when opposite.

    Args:
        frequencies: In cycles per sample, where the phases are compared; None takes the bins of the
            whole sound's transform.
    """

    frequencies: Sequence[float] | None = None

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        pair("PhaseAgreement", sound, target)
        found, wanted = (spectrum_at(x, self.frequencies) for x in (sound, target))
        size = wanted.abs()
        tiny = torch.finfo(size.dtype).eps * size.amax((1, 2), keepdim=True) + 1e-30
        power = found.real.square() + found.imag.square()
        turned = (found * wanted.conj()).real / (power + tiny.square()).sqrt()
        return 1 - turned.sum((1, 2)) / size.sum((1, 2)).clamp(min=1e-30)


def spectrum_at(sound: Tensor, frequencies: Sequence[float] | None) -> Tensor:
    """Transform of (b, c, t) at frequencies in cycles per sample, or at all its bins; (b, c, k)."""
    if frequencies is None:
        return torch.fft.rfft(sound)
    time = torch.arange(sound.shape[-1], dtype=torch.float64, device=sound.device)
    angle = 2 * math.pi * torch.outer(time, time.new_tensor(list(frequencies)))
    basis = torch.complex(angle.cos(), -angle.sin())
    return (
        sound.to(basis.dtype) @ basis
        if sound.dtype == torch.float64
        else (sound.to(torch.complex64) @ basis.to(torch.complex64))
    )


@dataclass(frozen=True)
class AxisAgreement:
    """``1 - cos`` of the angle between the sounds as vectors; level does not matter.

    It means something at the right frequency only, where both share an axis.

    Args:
        gate_bins: Items whose strongest bin lies further than this from the target's give a
            constant 1 without gradient; None lets all through.
    """

    gate_bins: float | None = None

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        pair("AxisAgreement", sound, target)
        loss = 1 - cosine(sound, target)
        if self.gate_bins is None:
            return loss
        peaks = [torch.fft.rfft(x.detach()).abs().sum(1).argmax(-1) for x in (sound, target)]
        near = (peaks[0] - peaks[1]).abs() <= self.gate_bins
        return torch.where(near, loss, 1.0)


@dataclass(frozen=True)
class ProductLoss:
    """``-mean(sound target)``: multiply the wave with the wanted one.

    Args:
        normalize: Divide by both root mean squares, so that it stays within -1 and 1; without, a
            louder sound is always better.
    """

    normalize: bool = True

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        pair("ProductLoss", sound, target)
        return -cosine(sound, target) if self.normalize else -(sound * target).mean((1, 2))
