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
_RATE = 44_100  # of the models' windows


def brightness(sound: Tensor, sample_rate: int) -> Tensor:
    """From 0, dull, to 100, bright, (b, c, t) to (b,); NaN for silence.

    ``4.613 log10(r) + 17.379 log10(c) + 17.435``: r is the share of power above 2 kHz, c the
    centroid in Hz of what lies above 100 Hz, each a mean over windows of 46 ms weighted by power.
    """
    power, hz = _spectra(sound, sample_rate, 2048)
    total = power.sum(2)  # a mean weighted by power is a ratio of sums
    whole = total * _passes(sample_rate, len(hz), 20.0, "high")
    high = whole * _passes(sample_rate, len(hz), 2000.0, "high")
    above = whole * _passes(sample_rate, len(hz), 100.0, "high")
    share = high.sum(1) / whole.sum(1)
    centroid = (above @ hz) / above.sum(1)
    a, b, c = _BRIGHTNESS
    return (a * share.log10() + b * centroid.log10() + c).float()


def depth(sound: Tensor, sample_rate: int) -> Tensor:
    """From 0, thin, to 100, deep, (b, c, t) to (b,); NaN for silence.

    A regression on the centroid below 2 kHz, the share of power below 500 Hz, how long the sound
    takes to fall by 40 dB after an onset, and the lowest peak of its spectrum. Onsets are rises of
    the spectrum, found without the original's corrections by an envelope.
    """
    power, hz = _spectra(sound, sample_rate, 4096)
    clear = _passes(sample_rate, len(hz), 20.0, "high")
    low = clear * _passes(sample_rate, len(hz), 2000.0, "low")
    lower = clear * _passes(sample_rate, len(hz), 500.0, "low")
    # Of every window: power, power below 2 kHz, its moment, and power below 500 Hz.
    frames, under, moment, bass = torch.stack([clear, low, low * hz, lower]).matmul(power).unbind(1)
    peak = _mono(sound).abs().amax(1)
    # Windows at -60 dB and below do not count; powers are those of a sound whose peak is 1.
    weight = torch.where(frames > 1e-3 * peak.square()[:, None], frames, torch.zeros_like(frames))
    whole = frames.sum(1)
    centre = ((weight * moment / under.clamp(min=1e-30)).sum(1) / whole).clamp(max=2000.0)
    share = (torch.where(weight > 0, bass, torch.zeros_like(bass))).sum(1) / whole
    duration = _durations(sound, sample_rate).log10()
    pitch = _lowest_peak(clear * power.sum(2), hz).log10()
    gate = share**10 / (share**10 + 0.2)
    features = (centre, share, duration, pitch, share * duration, gate * duration)
    weights = torch.tensor(_DEPTH[:-1], dtype=torch.float64)
    return (torch.stack(features, 1).double() @ weights + _DEPTH[-1]).float()


def _mono(sound: Tensor) -> Tensor:
    return sound.float().sum(1)


def _spectra(sound: Tensor, sample_rate: int, size: int) -> tuple[Tensor, Tensor]:
    """Power of windows that overlap by three quarters, (b, bins, frames), and the bins in Hz."""
    n = round(size * sample_rate / _RATE)
    mono = _mono(sound)
    mono = functional.pad(mono, (0, max(0, n - mono.shape[1])))
    window = torch.hann_window(n)  # the filters come after it: what leaks would pass them
    spectrum = torch.stft(mono, n, n - 3 * n // 4, window=window, center=False, return_complex=True)
    power = spectrum.real.square().add_(spectrum.imag.square())
    power *= 2 / window.sum().square()
    return power, torch.linspace(0, sample_rate / 2, power.shape[1])


@lru_cache(maxsize=64)
def _passes(sample_rate: int, bins: int, corner_hz: float, kind: str) -> Tensor:
    """Power response of a second-order Butterworth filter run three times."""
    w = torch.linspace(0, math.pi, bins, dtype=torch.float64)[:-1]
    ratio = torch.tan(w / 2) / math.tan(math.pi * corner_hz / sample_rate)
    low = torch.cat([1 / (1 + ratio**4), torch.zeros(1, dtype=torch.float64)])
    return ((low if kind == "low" else 1 - low) ** 3).float()


def _durations(sound: Tensor, sample_rate: int) -> Tensor:
    """Mean seconds from the loudest moment after an onset until 40 dB below the peak, (b,)."""
    step = max(1, round(256 * sample_rate / _RATE))
    mono = _mono(sound)
    blocks = functional.pad(mono, (0, -mono.shape[1] % step)).unflatten(1, (-1, step))
    envelope = blocks.square().mean(2).sqrt()
    envelope = envelope / envelope.amax(1, keepdim=True).clamp(min=1e-12)
    out = []
    for row, starts in zip(envelope, _onsets(sound, sample_rate, step), strict=True):
        found = []
        for first, last in zip(starts, [*starts[1:], len(row)], strict=True):
            part = row[first:last]
            after = part[int(part.argmax()) :]
            below = (after < 0.01).nonzero()
            found.append(float(below[0]) if len(below) else float(len(after)))
        out.append(sum(found) / len(found) * step / sample_rate)
    return torch.tensor(out, dtype=torch.float64).clamp(min=1e-6)


def _onsets(sound: Tensor, sample_rate: int, step: int) -> list[list[int]]:
    """Where sounds begin, in steps of so many samples; at least one for each item."""
    from dspcore.style.metrics import mel_bank

    n, hop = round(2048 * sample_rate / _RATE), round(512 * sample_rate / _RATE)
    mono = _mono(sound).float()
    window = torch.hann_window(n)
    spectrum = torch.stft(mono, n, hop, window=window, pad_mode="constant", return_complex=True)
    mel = mel_bank(sample_rate, n, 128) @ spectrum.abs().square()
    decibels = 10 * mel.clamp(min=1e-10).log10()
    decibels = decibels.maximum(decibels.amax((1, 2), keepdim=True) - 80)
    rise = decibels.diff(dim=2).clamp(min=0).mean(1)  # (b, frames)
    rise = functional.pad(rise, (3, 0))[:, : decibels.shape[2]]
    level = rise - rise.amin(1, keepdim=True)
    level = level / level.amax(1, keepdim=True).clamp(min=1e-9)
    before = functional.max_pool1d(functional.pad(level, (2, 0))[:, None], 3, 1)[:, 0]
    usual = functional.avg_pool1d(level[:, None], 17, 1, 8, count_include_pad=False)[:, 0]
    peaks = (level == before) & (level >= usual + 0.07) & (level > 0)
    apart = math.ceil(0.1 * sample_rate / hop)
    out = []
    for strength, row in zip(rise.numpy(), peaks, strict=True):
        starts: list[int] = []
        for frame in row.nonzero()[:, 0].tolist():
            first = frame
            while first > 1 and strength[first - 1] <= strength[first]:  # back to the foot
                first -= 1
            if not starts or first - starts[-1] >= apart:
                starts.append(first)
        ends = [*starts[1:], len(strength)]
        kept = [a for a, b in zip(starts, ends, strict=True) if strength[a:b].max(initial=0) >= 3]
        out.append([first * hop // step for first in kept] or [0])
    return out


def _lowest_peak(spectrum: Tensor, hz: Tensor) -> Tensor:
    """Frequency of the lowest peak that stands out by a hundredth of the highest, (b,), in Hz."""
    from scipy.signal import find_peaks

    low, high = spectrum.amin(1, keepdim=True), spectrum.amax(1, keepdim=True)
    levels = (spectrum - low) / (high - low).clamp(min=1e-30)
    out = []
    for row in levels.double().numpy():
        found, _ = find_peaks(row, height=0.01, prominence=0.01)
        k = int(found[0]) if len(found) else int(row.argmax())
        place = float(k)
        if 0 < k < len(row) - 1:  # the top of a parabola
            bend = 2 * (2 * row[k] - row[k + 1] - row[k - 1])
            place += (row[k + 1] - row[k - 1]) / bend if bend > 0 else 0.0
        out.append(max(place * float(hz[1]), 1.0))
    return torch.tensor(out, dtype=torch.float64)
