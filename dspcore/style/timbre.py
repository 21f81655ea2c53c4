"""How bright and how deep a sound seems, as the AudioCommons models say, many sounds at once.

The models are regressions on listening tests: A. Pearce, T. Brookes, R. Mason, "Timbral attributes
for sound effect library searching" and AudioCommons deliverable D5.8, 2019. Here features come from
spectra, in which the models' filters are multiplications; nothing is resampled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from dspcore import ops
from dspcore.style.onsets import HOP, RATE, first_peak, onsets

_BRIGHTNESS = (4.613128018020465, 17.378889309312974, 17.434733750553022)
_DEPTH = (
    -0.0043703565847874465,
    32.83743202462131,
    4.750862716905235,
    -14.217438690256062,
    3.8782339862813924,
    -0.8544826091735516,
    66.69534393444391,
)
_AT_ONCE = 2  # sounds whose spectra are held at a time: they stay in the cache
_FILTERED = 16  # sounds that are filtered at a time: each has a lane of the vector unit


def timbre(sound: Tensor, sample_rate: int) -> Tensor:
    """`brightness` and `depth`, (b, c, t) to (b, 2), in less time than one after the other."""
    return torch.cat([_both(part, sample_rate) for part in _cleared(sound, sample_rate)])


def brightness(sound: Tensor, sample_rate: int) -> Tensor:
    """From 0, dull, to 100, bright, (b, c, t) to (b,); NaN for silence.

    ``4.613 log10(r) + 17.379 log10(c) + 17.435``: r is the share of power above 2 kHz, c the
    centroid in Hz of what lies above 100 Hz, each a mean over windows of 46 ms weighted by power.
    """
    parts = _cleared(sound, sample_rate)
    return torch.cat([_bright(_short(part, sample_rate), sample_rate) for part in parts])


def depth(sound: Tensor, sample_rate: int) -> Tensor:
    """From 0, thin, to 100, deep, (b, c, t) to (b,); NaN for silence.

    A regression on the centroid below 2 kHz, the share of power below 500 Hz, how long the sound
    takes to fall by 40 dB after an onset, and the lowest peak of its spectrum.
    """
    return timbre(sound, sample_rate)[:, 1]


def _both(clear: Tensor, sample_rate: int) -> Tensor:
    short = _short(clear, sample_rate)
    return torch.stack([_bright(short, sample_rate), _deep(clear, sample_rate, short)], dim=1)


def _cleared(sound: Tensor, sample_rate: int) -> Iterator[Tensor]:
    """`_clear`, a few at a time."""
    for part in sound.split(_FILTERED):
        yield from _clear(part, sample_rate).split(_AT_ONCE)


def _clear(sound: Tensor, sample_rate: int) -> Tensor:
    """Channels summed, what lies below 20 Hz taken away, with a peak of 1, (b, t)."""
    mono = (sound if sound.shape[1] == 1 else sound.sum(1, keepdim=True)).float()
    clear = ops.sosfilt(mono, _above_20_hz(sample_rate))[0][:, 0]
    return clear / clear.abs().amax(1, keepdim=True)


@lru_cache(maxsize=16)
def _above_20_hz(sample_rate: int) -> Tensor:
    from scipy.signal import butter

    return torch.from_numpy(butter(2, 20.0, "high", fs=sample_rate, output="sos")).expand(3, -1)


def _windows(sample_rate: int, samples: int) -> int:
    """As many milliseconds as so many samples at 44.1 kHz; a length that transforms fast."""
    return max(32, 32 * round(samples * sample_rate / RATE / 32))


def _short(clear: Tensor, sample_rate: int) -> Tensor:
    """`_squares` of windows of 46 ms every 12 ms, centred."""
    n = _windows(sample_rate, 4 * HOP)
    padded = functional.pad(clear, (n // 2, n // 2))
    return _squares(torch.fft.rfft(padded.unfold(1, n, n // 4) * torch.hann_window(n)))


def _squares(spectrum: Tensor) -> Tensor:
    """(b, frames, bins) to squares of real and imaginary parts in turn, (b, frames, 2 bins).

    Their sums are powers, of one side of the spectrum: its ends count half. To be weighed, they
    need not be added first.
    """
    spectrum[..., 0] /= math.sqrt(2)
    spectrum[..., -1] /= math.sqrt(2)
    return torch.view_as_real(spectrum).square_().flatten(2)


def _bright(short: Tensor, sample_rate: int) -> Tensor:
    # Windows that lie within the sound; a mean weighted by power is a ratio of sums.
    total = (short[:, 2:-2] if short.shape[1] > 4 else short).sum(1)
    whole, high, above, moment = functional.linear(
        total, _weights(sample_rate, short.shape[2])
    ).unbind(1)
    a, b, c = _BRIGHTNESS
    return a * (high / whole).log10() + b * (moment / above).log10() + c


def _deep(clear: Tensor, sample_rate: int, short: Tensor) -> Tensor:
    n = _windows(sample_rate, 8 * HOP)
    short_of = max(0, n - clear.shape[1])
    frames = (functional.pad(clear, (0, short_of)) if short_of else clear).unfold(1, n, n // 4)
    spectrum = torch.fft.rfft(frames * torch.hamming_window(n))
    mean = frames.mean(2)  # what the window makes of it is in two bins
    spectrum[..., 0] -= 0.54 * n * mean
    spectrum[..., 1] += 0.23 * n * mean
    squares = _squares(spectrum).mul_(2 / (0.54 * n) ** 2)
    # Of every window: power, power below 2 kHz, its moment, and power below 500 Hz.
    power, under, moment, bass = functional.linear(
        squares, _low_weights(sample_rate, squares.shape[2])
    ).unbind(2)
    heard = power > 1e-3  # -60 dB and below do not count, but weigh
    whole = power.sum(1)
    centre = (power * heard * moment / under.clamp(min=1e-30)).sum(1) / whole
    share = (heard * bass).sum(1) / whole
    length = torch.tensor(_durations(clear, sample_rate, short)).log10()
    summed = squares.sum(1).unflatten(1, (-1, 2)).sum(2).double().numpy()
    pitch = torch.tensor([first_peak(row) for row in summed])
    pitch = (pitch * (sample_rate / n)).clamp(min=1.0).log10()
    gate = share**10 / (share**10 + 0.2)
    features = (centre.clamp(max=2000.0), share, length, pitch, share * length, gate * length)
    regression = torch.tensor(_DEPTH[:-1], dtype=torch.float64)
    return (torch.stack([f.double() for f in features], 1) @ regression + _DEPTH[-1]).float()


def _durations(clear: Tensor, sample_rate: int, short: Tensor) -> list[float]:
    """Mean seconds from the loudest moment after an onset until 40 dB below the peak."""
    step = max(1, round(HOP / 2 * sample_rate / RATE))
    count = max(1, -(-clear.shape[1] // step))
    blocks = functional.pad(clear, (0, count * step - clear.shape[1])).unflatten(1, (count, step))
    level = blocks.square().mean(2).sqrt()
    level = (level / level.amax(1, keepdim=True)).numpy()
    out = []
    for row, starts in zip(level, onsets(clear, sample_rate, short), strict=True):
        begins = [min(start // step, count - 1) for start in starts]
        found = []
        for first, last in zip(begins, [*begins[1:], count], strict=True):
            part = row[first : max(last, first + 1)]
            after = part[part.argmax() :]
            below = (after < 0.01).nonzero()[0]
            found.append(int(below[0]) if len(below) else len(after))
        out.append(max(sum(found) / len(found), 1e-2) * step / sample_rate)
    return out


@lru_cache(maxsize=16)
def _weights(sample_rate: int, squares: int) -> Tensor:
    """For brightness: all, above 2 kHz, above 100 Hz, and the moment of that, (4, squares)."""
    hz = torch.linspace(0, sample_rate / 2, squares // 2)
    high, above = (1 - _below(sample_rate, squares // 2, corner) for corner in (2000.0, 100.0))
    rows = [torch.ones_like(hz), high**3, above**3, above**3 * hz]
    return torch.stack(rows).repeat_interleave(2, 1)


@lru_cache(maxsize=16)
def _low_weights(sample_rate: int, squares: int) -> Tensor:
    """For depth: all, below 2 kHz, the moment of that, and below 500 Hz, (4, squares)."""
    hz = torch.linspace(0, sample_rate / 2, squares // 2)
    low, lower = (_below(sample_rate, squares // 2, corner) for corner in (2000.0, 500.0))
    rows = [torch.ones_like(hz), low**3, low**3 * hz, lower**3]
    return torch.stack(rows).repeat_interleave(2, 1)


def _below(sample_rate: int, bins: int, corner_hz: float) -> Tensor:
    """Power response of a second-order Butterworth low-pass; what is missing is the high-pass's."""
    w = torch.linspace(0, math.pi, bins, dtype=torch.float64)[:-1]
    ratio = torch.tan(w / 2) / math.tan(math.pi * corner_hz / sample_rate)
    return torch.cat([1 / (1 + ratio**4), torch.zeros(1, dtype=torch.float64)]).float()
