"""The fundamental of a recording: YIN's candidates, and the best path through them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Candidates of a frame, and what the path pays: for a place without pitch, for an octave of change
#: from frame to frame of 10 ms, for a change between pitch and none.
_CANDIDATES, _UNVOICED, _OCTAVE, _TURN = 12, 0.35, 0.9, 0.25
_LONGER = 0.02  # a period twice as long must fit by this much better


class Pitch(NamedTuple):
    """The fundamental, frame by frame."""

    f0_hz: Array  # (f,); where there is no pitch, in between its neighbours
    confidence: Array  # (f,), 0 to 1: how much of the power repeats with that period
    voiced: NDArray[np.bool_]  # (f,)


def track(
    sound: Array,
    sample_rate: int,
    hop_length: int,
    *,
    min_hz: float = 50.0,
    max_hz: float = 1_000.0,
) -> Pitch:
    """The fundamental at samples 0, hop, 2 hop ...: ``ceil(t / hop)`` frames.

    Args:
        sound: (t,), one channel.
        sample_rate: In Hz.
        hop_length: Samples from frame to frame.
        min_hz: Lowest fundamental; the window is two of its periods and more.
        max_hz: Highest.

    Source:
        A. de Cheveigne, H. Kawahara, "YIN, a fundamental frequency estimator for speech and
        music", JASA 111(4), 2002: the normalised difference; P. Boersma, "Accurate short-term
        analysis of the fundamental frequency", IFA 1993: the path.
    """
    if not 0 < min_hz < max_hz < sample_rate / 2:
        raise ValueError(
            f"track: wanted 0 < min_hz < max_hz < {sample_rate / 2:g}, got {min_hz:g}, {max_hz:g}"
        )
    longest, shortest = int(np.ceil(sample_rate / min_hz)), max(2, int(sample_rate / max_hz))
    window = max(longest, hop_length)
    count = -(-len(sound) // hop_length)
    size = window + longest + 1
    # The middle of what is compared stands at the frame.
    padded = np.concatenate([np.zeros(size // 2), sound, np.zeros(size + hop_length)])
    view = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop_length][:count]
    periods = np.full((count, _CANDIDATES), 1.0)
    costs = np.full((count, _CANDIDATES), np.inf)
    for start in range(0, count, 512):  # bounds the memory of long recordings
        part = slice(start, start + 512)
        periods[part], costs[part] = _candidates(_normalized(view[part], window, longest), shortest)
    step = 0.01 * sample_rate / hop_length  # a jump costs the same at every frame rate
    chosen = _path(np.log2(sample_rate / periods), costs, step)
    voiced = chosen < _CANDIDATES
    rows, best = np.arange(count), np.minimum(chosen, _CANDIDATES - 1)
    period = periods[rows, best]
    fits = np.where(np.isfinite(costs[rows, best]), costs[rows, best], 1.0)
    confidence = np.where(voiced, np.clip(1 - fits, 0, 1), 0.0)
    # What is compared is centred earlier by half of what the period is shorter than the longest.
    when = rows * hop_length - (longest - period) / 2
    f0 = _filled(rows * hop_length, when, sample_rate / period, voiced, min_hz)
    return Pitch(f0, confidence, voiced)


def _normalized(frames: Array, window: int, longest: int) -> Array:
    """YIN's d' at lags 0 to longest: power of the difference over its mean at shorter lags."""
    size = 1 << int(np.ceil(np.log2(frames.shape[1] + window)))
    head = np.fft.rfft(frames[:, :window], size)
    cross = np.fft.irfft(np.conj(head) * np.fft.rfft(frames, size), size)[:, : longest + 1]
    power = np.concatenate([np.zeros((len(frames), 1)), np.cumsum(frames**2, 1)], 1)
    energy = power[:, window : window + longest + 1] - power[:, : longest + 1]
    d = np.maximum(energy[:, :1] + energy - 2 * cross, 0.0)
    mean = np.cumsum(d[:, 1:], 1) / np.arange(1, longest + 1)
    out = np.ones_like(d)
    # What is silent does not repeat.
    floor = 1e-9 * window
    out[:, 1:] = (d[:, 1:] + floor) / (mean + floor)
    return out


def _candidates(d: Array, shortest: int) -> tuple[Array, Array]:
    """Periods in samples and costs of the deepest minima of each frame."""
    count = len(d)
    middle = d[:, 1:-1]
    is_least = (middle <= d[:, :-2]) & (middle < d[:, 2:])
    is_least[:, : shortest - 1] = False
    left, right = d[:, :-2], d[:, 2:]
    bend = left - 2 * middle + right
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(bend > 0, 0.5 * (left - right) / bend, 0.0).clip(-0.5, 0.5)
    depth = middle - 0.25 * (left - right) * shift
    lags = np.arange(1, d.shape[1] - 1)
    cost = np.where(is_least, depth.clip(0, 2) + _LONGER * np.log2(lags / shortest), np.inf)
    order = np.argsort(cost, 1)[:, :_CANDIDATES]
    rows = np.arange(count)[:, None]
    periods = (lags + shift)[rows, order]
    costs = cost[rows, order]
    missing = _CANDIDATES - order.shape[1]
    if missing > 0:
        periods = np.pad(periods, ((0, 0), (0, missing)), constant_values=1.0)
        costs = np.pad(costs, ((0, 0), (0, missing)), constant_values=np.inf)
    return periods, costs


def _path(octaves: Array, costs: Array, step: float) -> NDArray[np.int64]:
    """The cheapest choice for every frame; the number of candidates stands for no pitch."""
    count, n = costs.shape
    local = np.concatenate([costs, np.full((count, 1), _UNVOICED)], 1)
    total = local[0].copy()
    back = np.zeros((count, n + 1), np.int64)
    for i in range(1, count):
        jump = np.full((n + 1, n + 1), _TURN)
        jump[:n, :n] = _OCTAVE * step * np.abs(octaves[i][None] - octaves[i - 1][:, None])
        jump[n, n] = 0.0
        way = total[:, None] + jump
        back[i] = way.argmin(0)
        total = way[back[i], np.arange(n + 1)] + local[i]
    chosen = np.empty(count, np.int64)
    chosen[-1] = int(total.argmin())
    for i in range(count - 1, 0, -1):
        chosen[i - 1] = back[i, chosen[i]]
    return chosen


def _filled(
    places: NDArray[Any], when: Array, f0: Array, voiced: NDArray[np.bool_], default: float
) -> Array:
    """Pitch at the frames in straight lines, on a logarithmic scale, also where there is none."""
    if not voiced.any():
        return np.full(len(f0), default)
    times = np.maximum.accumulate(when[voiced])
    return np.exp(np.interp(places, times, np.log(f0[voiced])))
