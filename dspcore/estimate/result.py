"""What an estimator returns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Estimate:
    """Sinusoids found in a batch: ``y[n] = sum_k a_k exp(-d_k n) sin(2 pi f_k n + p_k)``.

    Components are in order of frequency. Where fewer than k were found, the last ones are zero.

    Attributes:
        frequencies: f in cycles per sample, (b, k) float64.
        amplitudes: a, linear, (b, k).
        phases: p in radians at the first sample, (-pi, pi], (b, k).
        dampings: d in nepers per sample, (b, k); 0 is steady, above 0 dies away.
        counts: How many components each item has, (b,).
        num_samples: Length t of what was analysed.
    """

    frequencies: Tensor
    amplitudes: Tensor
    phases: Tensor
    dampings: Tensor
    counts: Tensor
    num_samples: int

    def render(self, num_samples: int | None = None) -> Tensor:
        """The sum of the components, (b, t) float64; as long as what was analysed by default."""
        from dspcore.estimate import _model

        t = num_samples or self.num_samples
        rows = _model.columns(self.frequencies, t, self.dampings)
        angle = self.phases - math.pi / 2 + math.pi * (t - 1) * self.frequencies
        size = self.amplitudes * torch.exp(-self.dampings * (t - 1) / 2)
        return _model.mixed(torch.cat([size * angle.cos(), size * angle.sin()], 1), rows)

    def residual_db(self, y: Tensor) -> Tensor:
        """Power of what is not explained over the power of `y` in dB, (b,)."""
        y = y.double().reshape(self.frequencies.shape[0], -1)
        error = (y - self.render(y.shape[1])).square().sum(1)
        return 10 * torch.log10(error / y.square().sum(1))

    def rows(self, item: int = 0) -> Iterator[tuple[float, float, float, float]]:
        """Frequency, amplitude, phase and damping of each component of one item."""
        for j in range(int(self.counts[item])):
            columns = (self.frequencies, self.amplitudes, self.phases, self.dampings)
            f, a, p, d = (float(column[item, j]) for column in columns)
            yield f, a, p, d
