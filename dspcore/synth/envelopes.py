"""Envelopes: levels reached one after the other, held while a key is down, let go after it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dspcore.errors import checking_values


def envelope(
    levels: Tensor,
    seconds: Tensor,
    gate: Tensor,
    num_samples: int,
    *,
    sample_rate: int,
    sustain: int = -2,
    curve: float = 4.0,
    start: int = 0,
) -> Tensor:
    """Go through `levels` in turn: a segment each, the level at `sustain` held until the gate ends.

    A segment from l to m covers the share ``s(u) = (1 - exp(-c u)) / (1 - exp(-c))`` of its way at
    the part u of its time, and ends exactly. Where the gate ends earlier, the release goes on from
    the level that was reached. It is a function of time, so any blocks join, with exact gradients
    to levels and times.

    Args:
        levels: Levels l_0 to l_n, (b, n + 1).
        seconds: Times of the n segments, above 0, (b, n).
        gate: Samples that the key is held, (b, 1).
        num_samples: Length t of the result.
        sample_rate: In Hz.
        sustain: Which level is held; segments after it are the release. The last but one by
            default.
        curve: c: 0 is a straight line, 4 what condensers do.
        start: Samples since the beginning, for blocks of a longer envelope.

    Returns:
        The envelope, (b, t), in the type of `levels`.

    Raises:
        ValueError: shapes that do not go together, times of 0 or less.
    """
    n = levels.shape[-1] - 1
    held = sustain % (n + 1)
    if levels.ndim != 2 or n < 1 or seconds.ndim != 2 or seconds.shape[1] != n:
        raise ValueError(
            "envelope: levels must be (b, n + 1) and seconds (b, n) with n of at least 1, "
            f"got {tuple(levels.shape)} and {tuple(seconds.shape)}"
        )
    if checking_values() and not bool((seconds > 0).all()):
        raise ValueError(f"envelope: seconds must be above 0, got {float(seconds.min())}")
    time = torch.arange(start, start + num_samples, device=levels.device, dtype=torch.float64)
    down, up = torch.minimum(time, gate), (time - gate).clamp_(min=0)
    level, lasts = levels.double().split(1, 1), (seconds.double() * sample_rate).split(1, 1)
    value, begin = level[0], torch.zeros_like(lasts[0])
    for i in range(n):
        if i == held:
            begin = torch.zeros_like(begin)
        # Few passes over the samples, in place: the share is -c u, then what that gives.
        rate = (-curve if curve else 1.0) / lasts[i]
        share = ((down if i < held else up) * rate).sub_(begin * rate)
        share = share.clamp_(min(0.0, -curve), max(0.0, -curve)) if curve else share.clamp_(0, 1)
        if curve:
            share = share.expm1_() / math.expm1(-curve)
        # The release begins where the level is by then.
        value = ((level[i + 1] - (value if i == held else level[i])) * share).add_(value)
        begin = begin + lasts[i]
    return value.expand(-1, num_samples).to(levels.dtype)


class Envelope(nn.Module):
    """`envelope` at one sample rate: ``Envelope(48_000)(levels, seconds, gate, num_samples)``.

    Args:
        sample_rate: In Hz.
        sustain: Which level is held while the key is down.
        curve: 0 for straight lines, 4 for what condensers do.
    """

    def __init__(self, sample_rate: int = 48_000, *, sustain: int = -2, curve: float = 4.0) -> None:
        super().__init__()
        self.sample_rate, self.sustain, self.curve = sample_rate, sustain, curve

    def forward(
        self, levels: Tensor, seconds: Tensor, gate: Tensor, num_samples: int, start: int = 0
    ) -> Tensor:
        """The envelope, (b, num_samples), of levels (b, n + 1) reached in (b, n) seconds."""
        return envelope(
            levels,
            seconds,
            gate,
            num_samples,
            sample_rate=self.sample_rate,
            sustain=self.sustain,
            curve=self.curve,
            start=start,
        )


class ADSR(nn.Module):
    """Attack from 0 to 1, decay to the sustained level, release to 0: an `envelope` of three.

    Args:
        sample_rate: In Hz.
        curve: 0 for straight lines, 4 for what condensers do.
    """

    def __init__(self, sample_rate: int = 48_000, *, curve: float = 4.0) -> None:
        super().__init__()
        self.sample_rate, self.curve = sample_rate, curve

    def forward(
        self,
        attack_ms: Tensor,
        decay_ms: Tensor,
        sustain: Tensor,
        release_ms: Tensor,
        gate: Tensor,
        num_samples: int,
        start: int = 0,
    ) -> Tensor:
        """The envelope, (b, num_samples).

        Args:
            attack_ms: Above 0, (b, 1), as are the other times.
            decay_ms: From 1 to the sustained level.
            sustain: Level while the key is down, (b, 1).
            release_ms: From there to 0, once it is up.
            gate: Samples that the key is held, (b, 1).
            num_samples: Length of the result.
            start: Samples since the key went down.
        """
        return adsr(
            attack_ms,
            decay_ms,
            sustain,
            release_ms,
            gate,
            num_samples,
            sample_rate=self.sample_rate,
            curve=self.curve,
            start=start,
        )


def adsr(
    attack_ms: Tensor,
    decay_ms: Tensor,
    sustain: Tensor,
    release_ms: Tensor,
    gate: Tensor,
    num_samples: int,
    *,
    sample_rate: int,
    curve: float = 4.0,
    start: int = 0,
) -> Tensor:
    """As `ADSR`, in one call: (b, 1) each, to (b, num_samples)."""
    seconds = torch.cat(torch.broadcast_tensors(attack_ms, decay_ms, release_ms), 1) / 1000
    zero = torch.zeros_like(sustain)
    levels = torch.cat([zero, zero + 1, sustain, zero], 1)
    if len(levels) != len(seconds):
        levels, seconds = levels.expand(len(seconds), -1), seconds.expand(len(levels), -1)
    return envelope(
        levels, seconds, gate, num_samples, sample_rate=sample_rate, curve=curve, start=start
    )
