"""How well frequencies can be known at all: the Cramer-Rao bound in white noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dspcore.estimate import _model
from dspcore.estimate.result import Estimate


def frequency_bound(truth: Estimate, noise_power: float | Tensor) -> Tensor:
    """Least mean square error of each frequency that an unbiased estimate can have, (b, k).

    The frequency block of the inverse Fisher information of steady sinusoids with unknown
    amplitudes, phases and frequencies in white Gaussian noise; in (cycles per sample) squared.

    Args:
        truth: The sinusoids.
        noise_power: Variance of the noise, a number or (b,).

    Source:
        D. Rife and R. Boorstyn, "Single-tone parameter estimation from discrete-time
        observations", IEEE Trans. Information Theory 20 (1974), for several tones.
    """
    t = truth.num_samples
    f, k = truth.frequencies, truth.frequencies.shape[1]
    rows = _model.columns(f, t)
    angle = truth.phases - math.pi / 2 + math.pi * (t - 1) * f
    re, im = truth.amplitudes * angle.cos(), truth.amplitudes * angle.sin()
    place = torch.arange(t, dtype=f.dtype, device=f.device) - (t - 1) / 2
    moved = (re[..., None] * rows[:, k:] - im[..., None] * rows[:, :k]) * (2 * math.pi * place)
    jac = torch.cat([rows, moved / t], 1)
    covariance = torch.linalg.inv(jac @ jac.mT)
    noise = torch.as_tensor(noise_power, dtype=f.dtype, device=f.device).reshape(-1, 1)
    return noise * covariance.diagonal(dim1=1, dim2=2)[:, 2 * k :] / t**2
