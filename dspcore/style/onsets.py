"""Where sounds begin, as the AudioCommons models find it: rises of the spectrum, led back in time.

After `calculate_onsets` of timbral_models 0.4 (Apache-2.0) and `onset_detect` of librosa 0.11
(ISC), written anew for many sounds at once and an envelope of blocks instead of samples.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

RATE, HOP = 44_100, 512  # of the models' windows
_BLOCK = 32  # samples of the envelope that are taken together, at 44.1 kHz

Row = NDArray[np.float32]


def onsets(clear: Tensor, sample_rate: int, squares: Tensor) -> list[list[int]]:
    """In samples, at least one of each sound.

    Args:
        clear: (b, t), with a peak of 1.
        sample_rate: In Hz.
        squares: Of real and imaginary parts in turn of the spectra of centred windows, a quarter of
            a window apart, (b, frames, 2 bins).
    """
    rise = strengths(squares, sample_rate)
    hop = (squares.shape[2] // 2 - 1) // 2
    block = max(1, round(_BLOCK * sample_rate / RATE))
    envelope = held_peaks(clear, sample_rate, block).numpy()
    found = zip(rise.numpy(), _picked(rise), envelope, strict=True)
    return [
        _settled(strength, picked, row, hop, block, sample_rate) for strength, picked, row in found
    ]


def strengths(squares: Tensor, sample_rate: int) -> Tensor:
    """How much the mel spectrum rises from frame to frame, in dB, mean over bands, (b, frames)."""
    parts = _slaney(sample_rate, squares.shape[2] // 2)
    mel = torch.cat([squares[:, :, i : i + len(bank)] @ bank for i, bank in parts], dim=2)
    level = 10 * mel.clamp_(min=1e-30).log10_()
    level = level.maximum(level.amax((1, 2), keepdim=True) - 80)
    rise = level.diff(dim=1).clamp_(min=0).mean(2)
    return functional.pad(rise, (3, 0))[:, : squares.shape[1]]


def held_peaks(clear: Tensor, sample_rate: int, block: int) -> Tensor:
    """An envelope that holds peaks for 10 ms, then falls by the highest in 200 ms, (b, blocks)."""
    size = clear.abs()
    blocks = functional.pad(size, (0, -size.shape[1] % block)).unflatten(1, (-1, block)).amax(2)
    held = max(0, round(0.01 * sample_rate / block))
    blocks = functional.max_pool1d(functional.pad(blocks, (held, 0))[:, None], held + 1, 1)[:, 0]
    slope = block / (0.2 * sample_rate) * torch.arange(blocks.shape[1])
    return (blocks + slope).cummax(1).values - slope


def _picked(rise: Tensor) -> list[list[int]]:
    """Frames that are peaks of the rise, led back to the foot of the rise."""
    level = rise - rise.amin(1, keepdim=True)
    level = level / level.amax(1, keepdim=True).clamp(min=1e-9)
    before = functional.max_pool1d(functional.pad(level, (2, 0))[:, None], 3, 1)[:, 0]
    usual = functional.avg_pool1d(level[:, None], 17, 1, 8, count_include_pad=False)[:, 0]
    peaks = (level == before) & (level >= usual + 0.07) & (level > 0)
    feet = torch.zeros_like(peaks)
    feet[:, 1:-1] = (rise[:, 1:-1] <= rise[:, :-2]) & (rise[:, 1:-1] < rise[:, 2:])
    feet[:, 0] = True
    out = []
    for row, foot in zip(peaks, feet, strict=True):
        lows, starts, last = foot.nonzero()[:, 0].numpy(), [], -3
        for frame in row.nonzero()[:, 0].tolist():
            if frame - last > 2:
                starts.append(int(lows[np.searchsorted(lows, frame, "right") - 1]))
                last = frame
        out.append(starts)
    return out


def _settled(
    strength: Row, picked: list[int], envelope: Row, hop: int, block: int, sample_rate: int
) -> list[int]:
    """The onsets of one sound that its envelope agrees with, in samples."""
    span = float(envelope.max() - envelope.min())
    levels: list[float] = envelope.tolist()  # short stretches of a list are quicker than an array's
    starts: list[int] = []  # in blocks
    for frame in picked:
        at = min(frame * hop // block, len(envelope) - 1)
        if starts and at + 511 // block >= len(envelope):
            continue
        starts.append(_led_back(envelope, levels, at, 0.1 * span, sample_rate / block) if at else 0)
    starts = list(dict.fromkeys(s for i, s in enumerate(starts) if s or i == 0))
    if len(starts) > 1:
        starts = _without_noise(envelope, starts, 0.1 * span)
    starts = _apart(starts, math.ceil(0.1 * sample_rate / block))
    kept: list[int] = []
    end = len(strength)
    for start in reversed(starts):  # what is dropped belongs to the one before
        first = start * block // hop
        if strength[first : max(end, first + 1)].max(initial=0) >= 3:
            kept.insert(0, start * block)
            end = first
    return kept or [0]


def _led_back(envelope: Row, levels: list[float], at: int, small: float, rate: float) -> int:
    """The lowest moment before, 20 ms at a time; over 300 ms where the rise between is small."""
    near, far, least = round(0.02 * rate), round(0.3 * rate), round(512 / RATE * rate)
    while True:
        first = max(0, at - near - 1)
        close = levels[first:at]
        if not close:
            return 0
        if (lowest := min(close)) <= levels[at]:
            at = first + close.index(lowest)
        else:
            before = envelope[max(0, at - far - 1) : at]
            lower = (before < envelope[at]).nonzero()[0]
            if not len(lower):
                return at
            part = before[lower[-1] :]
            if part.max() - part.min() >= small:
                return at
            at = at - len(before) + int(lower[-1])
        if at <= least:
            return 0


def _without_noise(envelope: Row, starts: list[int], least: float) -> list[int]:
    """Those after which the envelope rises by `least`, asked from the last to the first."""
    kept = list(starts)
    for i in reversed(range(len(kept))):
        end = None if kept[i] == kept[-1] else kept[i + 1]
        part = envelope[kept[i] : end]
        peak = int(part.argmax()) if len(part) else 0
        if peak == 0 or part.max() - part[:peak].min() < least:
            del kept[i]
    return kept


def _apart(starts: list[int], least: int) -> list[int]:
    """Without those that follow another too soon, the earlier ones first."""
    while len(starts) > 1 and min(np.diff(starts)) < least:
        near = [False, *(np.diff(starts) < least)]
        starts = [start for start, off in zip(starts, near, strict=True) if not off]
    return starts


def first_peak(spectrum: NDArray[np.float64], least: float = 0.01) -> float:
    """Bin of the lowest peak that stands out by a share of the highest; a parabola's top.

    After `detect_peaks` of timbral_models, itself after mirpeaks of the MIRtoolbox.
    """
    low, high = spectrum.min(), spectrum.max()
    level = np.concatenate([[-2.0], (spectrum - low) / max(high - low, 1e-300), [-2.0]])
    rise = np.diff(level)
    tops = (((level[1:-1] >= least) & (rise[:-1] > 0) & (rise[1:] <= 0)).nonzero()[0] + 1).tolist()
    if not tops:
        return float(spectrum.argmax())
    top = _standing_out(level, tops, least)
    if not 1 < top < len(level) - 2:
        return float(top - 1)
    bend = 2 * (2 * level[top] - level[top + 1] - level[top - 1])
    return float(top - 1 + ((level[top + 1] - level[top - 1]) / bend if bend > 0 else 0.0))


def _standing_out(level: NDArray[np.float64], tops: list[int], least: float) -> int:
    """The first of `tops` with valleys of `least` on both sides."""
    best, height = tops[0], level[tops[0]]
    left, right = level[: max(1, best - 1)].min(), 2.0
    for before, top in pairwise(tops):
        valley = level[before : max(before + 1, top - 1)].min()
        right = min(right, valley)
        if height - right >= least:
            if height - left >= least:
                return best
            left, right, best, height = min(left, right), 2.0, top, level[top]
        elif level[top] > height:
            left, right, best, height = min(left, right), 2.0, top, level[top]
        else:
            left = min(left, right)
    return best


@lru_cache(maxsize=16)
def _slaney(sample_rate: int, bins: int) -> list[tuple[int, Tensor]]:
    """Triangles of equal area on Slaney's mel scale to 22.05 kHz at least, 128 in parts of 16.

    Each part is where its first square is, and (squares of the part, 16), two for each bin: most of
    the whole is nothing.
    """
    step = math.log(6.4) / 27
    top = 15 + math.log(max(sample_rate, RATE) / 2 / 1000) / step
    mel = torch.linspace(0, top, 130, dtype=torch.float64)
    edges = torch.where(mel < 15, 200 / 3 * mel, 1000 * torch.exp(step * (mel - 15)))
    hz = torch.linspace(0, sample_rate / 2, bins, dtype=torch.float64)[:, None]
    up, down = (hz - edges[:-2]) / edges.diff()[:-1], (edges[2:] - hz) / edges.diff()[1:]
    bank = (torch.minimum(up, down).clamp(min=0) * 2 / (edges[2:] - edges[:-2])).float()
    parts = []
    for part in bank.split(16, dim=1):
        used = part.any(1).nonzero()[:, 0]
        first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
        parts.append((2 * first, part[first:last].repeat_interleave(2, 0)))
    return parts
