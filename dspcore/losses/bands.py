"""Where in the spectrum two sounds differ, and how silent a silence is: reports, not losses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from dspcore.losses._check import pair

OCTAVES_HZ = (0.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16_000.0)


def band_residuals_db(
    sound: Tensor,
    target: Tensor,
    sample_rate: float,
    edges_hz: Sequence[float] = OCTAVES_HZ,
) -> dict[str, float]:
    """Error in each band against the target's power there, in dB, over all items.

    Args:
        sound: What was made, (b, c, t).
        target: What it should be, (b, c, t).
        sample_rate: In Hz.
        edges_hz: Of the bands, rising; those at or above Nyquist are left out.

    Returns:
        By band ("125-250 Hz"), 0 where nothing was found, very negative where all was.
    """
    error = pair("band_residuals_db", sound, target)
    power = [torch.fft.rfft(x.double()).abs().square().sum((0, 1)) for x in (error, target)]
    frequency = torch.fft.rfftfreq(sound.shape[-1], 1 / sample_rate)
    edges = [edge for edge in edges_hz if edge < sample_rate / 2] + [sample_rate / 2]
    found = {}
    for low, high in pairwise(edges):
        band = (frequency >= low) & (frequency < high)
        ratio = power[0][band].sum() / power[1][band].sum().clamp(min=1e-30)
        found[f"{low:g}-{high:g} Hz"] = float(10 * torch.log10(ratio.clamp(min=1e-30)))
    return found


def silence_dbfs(sound: Tensor, target: Tensor) -> Tensor:
    """Root mean square of `sound` where `target` is exactly zero, in dBFS; (b, c, t) to (b,).

    -inf for perfect silence, NaN where the target is never zero.
    """
    pair("silence_dbfs", sound, target)
    quiet = (target == 0).double()
    power = (sound.double().square() * quiet).sum((1, 2)) / quiet.sum((1, 2))
    return 10 * torch.log10(power)
