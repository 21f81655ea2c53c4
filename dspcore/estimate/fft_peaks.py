"""Peaks of one windowed spectrum."""

from __future__ import annotations

import torch
from torch import Tensor

from dspcore.estimate import _model
from dspcore.estimate.result import Estimate


def fft_peaks(
    y: Tensor, k: int | None = None, *, most: int | None = None, ratio: float = 20.0
) -> Estimate:
    """Read sinusoids off the highest peaks of a Hann-windowed spectrum, padded to four times.

    Frequencies lie between bins by a parabola through the logarithms of three of them; amplitudes
    and phases are then least squares. The quickest method, and the first to fail where two partials
    are closer than about two bins or one is far weaker than its neighbour's side lobes.

    Args:
        y: Signals, (b, t) or (t,).
        k: How many; when left out, every peak far enough above the noise, `most` at most.
        most: Largest number when `k` is left out; an eighth of the samples by default, at most 64.
        ratio: Power of a peak over the mean of the noise, when `k` is left out. The noise is read
            off the median, so a spectrum full of partials hides weak ones.
    """
    y = _model.checked("fft_peaks", y, k)
    b, t = y.shape
    window = torch.hann_window(t, periodic=False, dtype=y.dtype, device=y.device)
    size = 4 * t
    power = torch.fft.rfft(y * window, size).abs().square()
    mid = power[:, 1:-1]
    is_peak = (mid > power[:, :-2]) & (mid >= power[:, 2:])
    is_peak[:, :4] = False  # what looks like a peak there is a constant
    is_peak[:, -4:] = False
    heights = torch.where(is_peak, mid, 0.0)
    limit = k or most or max(1, min(64, t // 8))
    top, at = heights.topk(min(limit, heights.shape[1]), dim=1)
    left, here, right = ((power.gather(1, at + i) + 1e-300).log() for i in range(3))
    shift = 0.5 * (left - right) / (left - 2 * here + right).clamp(max=-1e-12)
    f = (at + 1 + shift.clamp(-0.5, 0.5)) / size
    counts = (top > 0).sum(1)
    if k is None:
        counts = (top > ratio * _model.noise_floor(power)[:, None]).sum(1)
        counts = torch.minimum(counts, (top > 1e-12 * top[:, :1]).sum(1))
    f = torch.where(torch.arange(f.shape[1], device=y.device) < counts[:, None], f, 0.0)
    w = y.new_zeros(b, 2, f.shape[1])
    for count in counts.unique().tolist():
        if count:
            rows = counts == count
            found = _model.amplitudes(y[rows], _model.columns(f[rows, :count], t))
            w[rows, :, :count] = found.unflatten(1, (2, count))
    return _model.finish(t, f, w.flatten(1), None, counts)
