"""A finite filter whose taps are given by frames and crossfaded between them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from dspcore.ops._check import audio, signal_state
from dspcore.ops._filtered import fast_size


def fir_frames(
    x: Tensor, taps: Tensor, state: Tensor | None = None, *, hop: int, start: int = 0
) -> tuple[Tensor, Tensor]:
    """Filter `x` by ``y[t] = sum_i h_i[t] x[t-i]``, taps moving straight from frame to frame.

    ``h[t]`` is frame k at sample ``k hop``, half way between two frames their mean, and the last
    frame from there on. As the sum is linear in the taps, each stretch between two frames is
    convolved with both and crossfaded: exactly the formula, with three short transforms for each
    stretch and taps made for no sample.

    Args:
        x: Signal, (b, c, t), float32 or float64.
        taps: Impulse response at every frame, (b, c, n, f) with n of at least 1, where b and c may
            be 1; in the type of `x`. Frames f must reach the end: ``f hop >= start + t``.
        state: The n - 1 samples before `x`, oldest first; silence when left out.
        hop: Samples from frame to frame.
        start: Samples since the first frame, for blocks of a longer signal.

    Returns:
        The filtered signal, the shape of `x`, and its last n - 1 samples of input.

    Raises:
        ValueError, TypeError: a shape, type or range does not fit.

    Source:
        Overlap-save: A. Oppenheim, R. Schafer, "Discrete-Time Signal Processing", chapter 8.
    """
    b, c, t = audio("fir_frames", x)
    if (
        taps.ndim != 4
        or taps.shape[0] not in (1, b)
        or taps.shape[1] not in (1, c)
        or 0 in taps.shape[2:]
    ):
        raise ValueError(
            f"fir_frames: taps must be ({b}, {c}, n, f) with n and f of at least 1 for x of shape "
            f"{tuple(x.shape)}, got {tuple(taps.shape)}"
        )
    if hop < 1 or start < 0:
        raise ValueError(
            f"fir_frames: hop must be at least 1 and start at least 0, got {hop} and {start}"
        )
    n, frames = taps.shape[2:]
    if frames * hop < start + t:
        raise ValueError(
            f"fir_frames: {frames} frames at hop {hop} reach {frames * hop} samples, "
            f"{start + t} are wanted; give more frames"
        )
    both = torch.cat([signal_state("fir_frames", state, x, (b, c, n - 1)), x], -1)
    after = both[..., t:]
    if x.numel() == 0:
        return x + 0 * taps.sum(), after  # an output of every argument, as at any other size
    first, into = divmod(start, hop)
    stretches = -(-(into + t) // hop)
    reach = hop + n - 1
    padded = pad(both, (into, stretches * hop - into - t))
    size = fast_size(reach)
    spectrum = torch.fft.rfft(padded.unfold(-1, reach, hop), size)
    used = taps[..., first : first + stretches + 1].to(x.dtype).mT
    filters = torch.fft.rfft(used, size)
    if used.shape[2] == stretches:  # the last frame holds
        filters = torch.cat([filters, filters[:, :, -1:]], 2)
    old, new = (
        torch.fft.irfft(spectrum * filters[:, :, k : k + stretches], size)[..., n - 1 : reach]
        for k in (0, 1)
    )
    way = torch.arange(hop, dtype=x.dtype, device=x.device) / hop
    return torch.lerp(old, new, way).flatten(-2)[..., into : into + t], after
