"""Controls given per frame: which samples they cover, and the phase that a frequency adds up to."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


def covered(op: str, frames: int, num_samples: int | None, hop: int, start: int) -> int:
    """The length of the result, or an error where the frames do not reach that far."""
    t = frames * hop - start if num_samples is None else num_samples
    if hop < 1 or start < 0 or t < 0:
        raise ValueError(
            f"{op}: hop must be at least 1, start and num_samples at least 0, "
            f"got {hop}, {start}, {t}"
        )
    if (start + t - 1) // hop >= frames:
        raise ValueError(
            f"{op}: {frames} frames at hop {hop} end at sample {frames * hop}, "
            f"got start {start} and {t} samples; give more frames"
        )
    return t


def needed(frames: int, t: int, hop: int, start: int) -> slice:
    """The frames that t samples from `start` lie between."""
    first = min(start // hop, frames - 1)
    last = max((start + t - 1) // hop, first)
    return slice(first, min(last + 2, frames))


def phases(f: Tensor, phase: Tensor, t: int, hop: int, start: int) -> tuple[Tensor, Tensor]:
    """Phases in cycles at every frame's start, and after t samples from `start`.

    Args:
        f: Cycles per sample, (..., f) float64, linear from frame to frame.
        phase: Cycles at sample `start`, which lies in the first frame, (...).
        t: Samples.
        hop: Samples a frame.
        start: Sample of the frame grid at which `phase` holds.

    Returns:
        Phases at the frames, the shape of `f`, and the one after, the shape of `phase`, wrapped.
    """
    rise = torch.cat([f[..., 1:], f[..., -1:]], -1) - f

    def ahead(frame: int, u: int) -> Tensor:
        return f[..., frame] * u + rise[..., frame] * (u * (u - 1) / (2 * hop))

    steps = (f * hop + rise * ((hop - 1) / 2))[..., :-1]
    before = phase if start == 0 else phase - ahead(0, start)
    at = torch.cat([torch.zeros_like(before)[..., None], steps.cumsum(-1)], -1) + before[..., None]
    if t == 0:
        return at, wrap(phase)
    last = (start + t - 1) // hop
    return at, wrap(at[..., last] + ahead(last, start + t - last * hop))


class Turning(NamedTuple):
    """What the kernels want to know about a frequency."""

    part: slice  # the frames that matter
    start: int  # of the result, counted from the first of those
    f: Tensor  # cycles per sample at those frames, float64
    at: Tensor  # phase in cycles at each of them
    after: Tensor  # and after the last sample


def turning(
    op: str, f: Tensor, phase: Tensor | None, num_samples: int | None, hop: int, start: int
) -> tuple[int, Turning]:
    """The length of the result and the phases of a frequency `f`, (..., f); `phase` is (...)."""
    t = covered(op, f.shape[-1], num_samples, hop, start)
    if phase is None:
        phase = f.new_zeros(f.shape[:-1], dtype=torch.float64)
    elif phase.shape != f.shape[:-1]:
        raise ValueError(f"{op}: phase must be {tuple(f.shape[:-1])}, got {tuple(phase.shape)}")
    part = needed(f.shape[-1], t, hop, start)
    start -= part.start * hop
    f = f[..., part].to(torch.float64)
    return t, Turning(part, start, f, *phases(f, phase.to(torch.float64), t, hop, start))


def place(start: int, t: int, hop: int, frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """For references: each sample's frame, the one after it, and its part of the way there."""
    place = (start + torch.arange(t)).double() / hop
    i = place.floor().long()
    return i, (i + 1).clamp(max=frames - 1), place - i


def wrap(phase: Tensor) -> Tensor:
    """The part of a phase in cycles past the last whole one."""
    return phase - phase.detach().floor()
