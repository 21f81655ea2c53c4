"""How bright and how deep a sound seems, as the AudioCommons models say, many sounds at once.

The models are regressions on listening tests: A. Pearce, T. Brookes, R. Mason, "Timbral attributes
for sound effect library searching" and AudioCommons deliverable D5.8, 2019. Here features come from
spectra, in which the models' filters are multiplications; nothing is resampled.
"""

from __future__ import annotations

import math
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


def timbre(sound: Tensor, sample_rate: int) -> Tensor:
    """`brightness` and `depth`, (b, c, t) to (b, 2), in less time than one after the other."""
    parts = [_both(part, sample_rate) for part in _clear(sound, sample_rate).split(_AT_ONCE)]
    return torch.cat(parts)


def brightness(sound: Tensor, sample_rate: int) -> Tensor:
    """From 0, dull, to 100, bright, (b, c, t) to (b,); NaN for silence.

    ``4.613 log10(r) + 17.379 log10(c) + 17.435``: r is the share of power above 2 kHz, c the
    centroid in Hz of what lies above 100 Hz, each a mean over windows of 46 ms weighted by power.
    """
    clear = _clear(sound, sample_rate)
    return torch.cat([_bright(*_short(x, sample_rate)) for x in clear.split(_AT_ONCE)])


def depth(sound: Tensor, sample_rate: int) -> Tensor:
    """From 0, thin, to 100, deep, (b, c, t) to (b,); NaN for silence.

    A regression on the centroid below 2 kHz, the share of power below 500 Hz, how long the sound
    takes to fall by 40 dB after an onset, and the lowest peak of its spectrum.
    """
    return timbre(sound, sample_rate)[:, 1]


def _both(clear: Tensor, sample_rate: int) -> Tensor:
    power, hz = _short(clear, sample_rate)
    return torch.stack([_bright(power, hz), _deep(clear, sample_rate, power)], dim=1)


def _clear(sound: Tensor, sample_rate: int) -> Tensor:
    """Channels summed, what lies below 20 Hz taken away, with a peak of 1, (b, t)."""
    from scipy.signal import butter

    once = torch.from_numpy(butter(2, 20.0, "high", fs=sample_rate, output="sos"))
    mono = sound.float().sum(1, keepdim=True)
    clear = ops.sosfilt(mono, once.expand(3, -1))[0][:, 0]
    return clear / clear.abs().amax(1, keepdim=True)


def _windows(sample_rate: int, samples: int) -> int:
    """As many milliseconds as so many samples at 44.1 kHz; a length that transforms fast."""
    return max(32, 32 * round(samples * sample_rate / RATE / 32))


def _short(clear: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Power of windows of 46 ms every 12 ms, centred, (b, frames, bins), and the bins in Hz."""
    n = _windows(sample_rate, 4 * HOP)
    padded = functional.pad(clear, (n // 2, n // 2))
    return _power(padded, n, torch.hann_window(n)), torch.linspace(0, sample_rate / 2, n // 2 + 1)


def _power(sound: Tensor, n: int, window: Tensor, *, flat: bool = False) -> Tensor:
    """Of windows that overlap by three quarters, (b, frames, bins); `flat` takes their means."""
    frames = sound.unfold(1, n, n // 4)
    if flat:
        frames = frames - frames.mean(2, keepdim=True)
    spectrum = torch.fft.rfft(frames * window)
    power = spectrum.real.square().add_(spectrum.imag.square())
    power[..., 0] /= 2  # of one side alone, as the last
    power[..., -1] /= 2
    return power.mul_(2 / window.sum().square())


def _bright(power: Tensor, hz: Tensor) -> Tensor:
    # Windows that lie within the sound; a mean weighted by power is a ratio of sums.
    total = (power[:, 2:-2] if power.shape[1] > 4 else power).sum(1)
    rate = round(2 * float(hz[-1]))
    high = total @ _passes(rate, len(hz), 2000.0, "high")
    above = total * _passes(rate, len(hz), 100.0, "high")
    share = high / total.sum(1)
    centroid = (above @ hz) / above.sum(1)
    a, b, c = _BRIGHTNESS
    return a * share.log10() + b * centroid.log10() + c


def _deep(clear: Tensor, sample_rate: int, short: Tensor) -> Tensor:
    n = _windows(sample_rate, 8 * HOP)
    held = functional.pad(clear, (0, max(0, n - clear.shape[1])))
    power = _power(held, n, torch.hamming_window(n), flat=True)
    hz = torch.linspace(0, sample_rate / 2, power.shape[2])
    low, lower = (_passes(sample_rate, len(hz), corner, "low") for corner in (2000.0, 500.0))
    few = int((hz < 8000).sum())  # beyond, the filters leave -72 dB
    weights = torch.stack([low, low * hz, lower], dim=1)[:few]
    # Of every window: power, power below 2 kHz, its moment, and power below 500 Hz.
    frames = power.sum(2)
    under, moment, bass = (power[:, :, :few] @ weights).unbind(2)
    heard = frames > 1e-3  # -60 dB and below do not count, but weigh
    whole = frames.sum(1)
    centre = (frames * heard * moment / under.clamp(min=1e-30)).sum(1) / whole
    share = (heard * bass).sum(1) / whole
    length = torch.tensor(_durations(clear, sample_rate, short)).log10()
    pitch = torch.tensor([first_peak(row) for row in power.sum(1).double().numpy()])
    pitch = (pitch * float(hz[1])).clamp(min=1.0).log10()
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


@lru_cache(maxsize=64)
def _passes(sample_rate: int, bins: int, corner_hz: float, kind: str) -> Tensor:
    """Power response of a second-order Butterworth filter run three times."""
    w = torch.linspace(0, math.pi, bins, dtype=torch.float64)[:-1]
    ratio = torch.tan(w / 2) / math.tan(math.pi * corner_hz / sample_rate)
    low = torch.cat([1 / (1 + ratio**4), torch.zeros(1, dtype=torch.float64)])
    return ((low if kind == "low" else 1 - low) ** 3).float()
