"""Losses that move spectra along the frequency axis: optimal transport in one dimension."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.losses._check import pair
from dspcore.losses.spectral import magnitudes


@dataclass(frozen=True)
class SpectralOptimalTransport:
    """How far spectral energy has to be moved along the frequency axis, 0 to 1 for 0 to Nyquist.

    ``integral over q in [0, 1] of |F_sound(q) - F_target(q)|^p`` with the quantile functions F of
    the two spectra as distributions; per frame, weighed by the target's energy. Unlike a difference
    of magnitudes it still has a slope when two partials do not overlap. With several partials the
    wrong ones may be paired, and it says nothing of level, if `cutoff` is off.

    Args:
        p: 2, or 1 for the area between the cumulated spectra.
        cutoff: Scale both by the target's energy, and leave out what is above the energy of the
            weaker one: a missing partial is not met by stretching all others.
        fft_size: Window in samples, overlapping by half; None takes the whole sound as one frame.
        power: Of the magnitude: 1, or 2 for energy.

    Source:
        B. Torres, G. Peeters, G. Richard, "Unsupervised harmonic parameter estimation using
        differentiable DSP and spectral optimal transport", ICASSP 2024.
    """

    p: float = 2.0
    cutoff: bool = True
    fft_size: int | None = 2048
    power: float = 2.0

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        pair("SpectralOptimalTransport", sound, target)
        found, wanted = (_mass(x, self.fft_size, self.power) for x in (sound, target))
        weight = wanted.sum(-1) / wanted.sum((-1, -2, -3), keepdim=True)[..., 0].clamp(min=1e-30)
        distance = transport(found, wanted, self.p, cutoff=self.cutoff)
        return (distance * weight).sum((1, 2))


@dataclass(frozen=True)
class CumulatedSpectrum:
    """Mean square between the cumulated, normalised spectra: smooth in frequency, one hollow.

    Args:
        fft_size: Window in samples, overlapping by half; None takes the whole sound as one frame.
        power: Of the magnitude: 1, or 2 for energy.
    """

    fft_size: int | None = 2048
    power: float = 2.0

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        pair("CumulatedSpectrum", sound, target)
        masses = [_mass(x, self.fft_size, self.power) for x in (sound, target)]
        found, wanted = (m.cumsum(-1) / m.sum(-1, keepdim=True).clamp(min=1e-30) for m in masses)
        return (found - wanted).square().mean((1, 2, 3))


def transport(found: Tensor, wanted: Tensor, p: float = 2.0, *, cutoff: bool = False) -> Tensor:
    """Transport cost between masses over bins that span 0 to 1, (..., bins) twice to (...).

    Differentiable to both masses almost everywhere; silence costs nothing.

    Args:
        found: Masses of 0 or more.
        wanted: The same, in that shape.
        p: Power of the distance.
        cutoff: As in `SpectralOptimalTransport`.
    """
    bins = found.shape[-1]
    whole = wanted.sum(-1, keepdim=True).clamp(min=1e-30)
    own = whole if cutoff else found.sum(-1, keepdim=True).clamp(min=1e-30)
    cumulated = [(found / own).cumsum(-1), (wanted / whole).cumsum(-1)]
    least = torch.minimum(cumulated[0][..., -1:], cumulated[1][..., -1:])
    # Between two neighbouring steps of either curve, both quantile functions are constant.
    steps = torch.cat(cumulated, dim=-1).sort(-1).values
    steps = torch.minimum(steps, least)
    widths = torch.diff(steps, dim=-1, prepend=torch.zeros_like(least))
    middles = (steps - widths / 2).detach()
    places = [torch.searchsorted(c.detach().contiguous(), middles) for c in cumulated]
    a, b = (i.clamp(max=bins - 1).to(found.dtype) / max(1, bins - 1) for i in places)
    return (widths * (a - b).abs() ** p).sum(-1)


def _mass(sound: Tensor, fft_size: int | None, power: float) -> Tensor:
    """(b, c, t) to (b, c, frames, bins)."""
    if fft_size is None:
        window = torch.hann_window(sound.shape[-1], dtype=sound.dtype, device=sound.device)
        spectrum = torch.fft.rfft(sound * window)[..., None, :]
        energy = spectrum.real.square() + spectrum.imag.square()
        return energy if power == 2 else (energy + 1e-30) ** (power / 2)
    return magnitudes(sound, fft_size).transpose(-1, -2) ** power
