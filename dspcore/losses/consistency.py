"""Losses between sets of partials, (b, f, k): analysed ones and harmonics, say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class HarmonicConsistency:
    """Mean differences of overall amplitude, and of the distribution over harmonics where loud.

    Args:
        amplitude_weight: Of the first part.
        distribution_weight: Of the second.
        floor: Target amplitude under which a frame's distribution does not count.

    Source:
        J. Engel et al., "Self-supervised pitch detection by inverse audio synthesis", ICML 2020
        workshop: consistency between two descriptions of one sound.
    """

    amplitude_weight: float = 1.0
    distribution_weight: float = 1.0
    floor: float = 1e-4

    def __call__(
        self, amplitude: Tensor, distribution: Tensor, wanted: Tensor, wanted_distribution: Tensor
    ) -> Tensor:
        """The loss of each item, (b,).

        Args:
            amplitude: (b, f).
            distribution: Shares of the harmonics, (b, f, k).
            wanted: Amplitude to be reached, (b, f).
            wanted_distribution: Shares to be reached, (b, f, k).
        """
        _same("HarmonicConsistency", amplitude, wanted)
        _same("HarmonicConsistency", distribution, wanted_distribution)
        level = (amplitude - wanted).abs().mean(1)
        loud = (wanted > self.floor).to(amplitude.dtype)
        apart = (distribution - wanted_distribution).abs().mean(2) * loud
        shares = apart.sum(1) / loud.sum(1).clamp(min=1)
        return self.amplitude_weight * level + self.distribution_weight * shares


@dataclass(frozen=True)
class KDEConsistency:
    """How unlikely each set's partials are under the other's, as a mixture of Gaussians in pitch.

    ``-sum_k share_k log sum_j share_j N(pitch_k; pitch_j, width)``, both ways; pitches in
    semitones, shares of amplitude in a frame.

    Args:
        width_semitones: Standard deviation of a partial.
        forward: Weight of the first set under the second.
        backward: Weight of the second under the first.

    Source:
        J. Engel et al., "Self-supervised pitch detection by inverse audio synthesis", 2020.
    """

    width_semitones: float = 0.5
    forward: float = 1.0
    backward: float = 1.0

    def __call__(
        self, amplitudes: Tensor, frequencies: Tensor, wanted: Tensor, wanted_frequencies: Tensor
    ) -> Tensor:
        """The loss of each item, (b,).

        Args:
            amplitudes: 0 or more, (b, f, k).
            frequencies: Above 0, in Hz or cycles per sample, (b, f, k).
            wanted: Amplitudes of the other set, (b, f, j).
            wanted_frequencies: Its frequencies, (b, f, j).
        """
        _same("KDEConsistency", amplitudes, frequencies)
        _same("KDEConsistency", wanted, wanted_frequencies)
        a, b = (12 * torch.log2(f.clamp(min=1e-9)) for f in (frequencies, wanted_frequencies))
        distance = (a[..., :, None] - b[..., None, :]) / self.width_semitones
        density = -0.5 * distance.square() - math.log(self.width_semitones * math.sqrt(math.tau))
        shares = [x / x.sum(-1, keepdim=True).clamp(min=1e-12) for x in (amplitudes, wanted)]
        first, second = ((s + 1e-12).log() for s in shares)
        forward = -(shares[0] * torch.logsumexp(density + second[..., None, :], -1)).sum(-1)
        backward = -(shares[1] * torch.logsumexp(density + first[..., :, None], -2)).sum(-1)
        return (self.forward * forward + self.backward * backward).mean(1)


@dataclass(frozen=True)
class WassersteinConsistency:
    """How far amplitude has to be moved in pitch to turn one set of partials into the other.

    In semitones to the power p; shares of amplitude in a frame, so level does not matter.

    Args:
        p: Power of the distance.
    """

    p: float = 1.0

    def __call__(
        self, amplitudes: Tensor, frequencies: Tensor, wanted: Tensor, wanted_frequencies: Tensor
    ) -> Tensor:
        """The loss of each item, (b,); arguments as in `KDEConsistency`."""
        _same("WassersteinConsistency", amplitudes, frequencies)
        _same("WassersteinConsistency", wanted, wanted_frequencies)
        sets = []
        for level, frequency in ((amplitudes, frequencies), (wanted, wanted_frequencies)):
            pitch = 12 * torch.log2(frequency.clamp(min=1e-9))
            order = pitch.argsort(-1)
            shares = level / level.sum(-1, keepdim=True).clamp(min=1e-12)
            sets.append((pitch.gather(-1, order), shares.gather(-1, order).cumsum(-1)))
        steps = torch.cat([sets[0][1], sets[1][1]], -1).sort(-1).values.clamp(max=1.0)
        widths = torch.diff(steps, dim=-1, prepend=torch.zeros_like(steps[..., :1]))
        middles = (steps - widths / 2).detach()
        a, b = (
            pitch.gather(
                -1,
                torch.searchsorted(c.detach().contiguous(), middles).clamp(max=c.shape[-1] - 1),
            )
            for pitch, c in sets
        )
        return (widths * (a - b).abs() ** self.p).sum(-1).mean(1)


def _same(name: str, a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape or a.ndim not in (2, 3):
        raise ValueError(
            f"{name}: two controls must be (b, f) or (b, f, k) alike, "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )
