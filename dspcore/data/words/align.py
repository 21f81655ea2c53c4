"""An aligner without weights: espeak-ng says the text, and time is bent until both sound alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dspcore.data.words.espeak import speak
from dspcore.data.words.word import Word
from dspcore.errors import UserError

#: Cepstra are taken every 5 ms over 25 ms; 13 of them, of 26 mel bands up to 3.8 kHz.
_HOP_S = 0.005
_WINDOW_S = 0.025
_CEPSTRA = 13
_BANDS = 26
_TOP_HZ = 3_800.0

#: A matrix of distances may hold so many numbers (800 MB).
_LARGEST = 100_000_000


def align(
    audio: Tensor, sample_rate: int, text: str, voice: str = "en", words_per_minute: int = 160
) -> list[Word]:
    """Find when the words of a text are said.

    Mel cepstra of the recording and of espeak-ng's reading of the text are brought into line by
    dynamic time warping; espeak-ng knows its own word times. Fit for clear speech of up to a few
    minutes; `refine` sharpens the result. The method is that of aeneas, written afresh.

    Args:
        audio: The recording, (c, t), with all of the text and little else.
        sample_rate: In Hz, 8,000 or more.
        text: The words, separated by spaces.
        voice: An espeak-ng voice of the same language.
        words_per_minute: About the speaker's speed; 80 to 450.

    Returns:
        The words with their times; the score is 0 where espeak-ng ran words together.

    Raises:
        UserError: The recording is too long, silent, or its rate too low.
        RuntimeError: espeak-ng's library is missing.
    """
    if sample_rate < 8_000:
        raise UserError(f"align: the sample rate must be 8,000 Hz or more, got {sample_rate}")
    if not float(audio.abs().max()):
        raise UserError("align: the recording is silent")
    spoken = speak(text, voice, words_per_minute)
    ours = _cepstra(audio.mean(0).double().numpy(), sample_rate)
    theirs = _cepstra(spoken.audio[0].double().numpy(), spoken.sample_rate)
    if len(ours) * len(theirs) > _LARGEST:
        raise UserError(
            f"align: {audio.shape[-1] / sample_rate:.0f} s are too long for this method; "
            "cut the recording and its text into parts of a minute"
        )
    path = _warped(theirs, ours)

    def bent(time_s: float) -> float:
        return float(np.interp(time_s / _HOP_S, path[:, 0], path[:, 1])) * _HOP_S

    return [Word(w.text, bent(w.start_s), bent(w.end_s), w.score) for w in spoken.words]


def _cepstra(signal: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Mel cepstra by time, each over its own mean and deviation; silence is kept at one floor."""
    size = 1 << int(np.ceil(np.log2(_WINDOW_S * rate)))
    window = np.hanning(round(_WINDOW_S * rate))
    centres = np.arange(0, len(signal), _HOP_S * rate).round().astype(int)
    padded = np.pad(signal, (len(window) // 2, len(window)))
    frames = np.stack([padded[c : c + len(window)] for c in centres]) * window
    power = np.square(np.abs(np.fft.rfft(frames, size, axis=1)))
    top = 2595 * np.log10(1 + _TOP_HZ / 700)
    corners = 700 * (10 ** (np.linspace(0, top, _BANDS + 2) / 2595) - 1)
    hz = np.fft.rfftfreq(size, 1 / rate)
    low, mid, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bands = np.clip(np.minimum((hz - low) / (mid - low), (high - hz) / (high - mid)), 0, None)
    mel = power @ bands.T
    log = np.log10(mel + 1e-5 * mel.max())
    angle = np.pi / _BANDS * np.outer(np.arange(_BANDS) + 0.5, np.arange(_CEPSTRA))
    cepstra = log @ np.cos(angle)
    return (cepstra - cepstra.mean(0)) / (cepstra.std(0) + 1e-9)


def _warped(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.int64]:
    """The cheapest monotone path from start to end, rows (frame of a, frame of b), one for each a.

    Distances are Euclidean; the recurrence runs along anti-diagonals, whose cells do not depend on
    each other.
    """
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2 * a @ b.T
    cost = np.sqrt(np.maximum(squares, 0))
    n, m = cost.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(2, n + m + 1):
        i = np.arange(max(1, diagonal - m), min(n, diagonal - 1) + 1)
        j = diagonal - i
        before = np.minimum(total[i - 1, j - 1], np.minimum(total[i - 1, j], total[i, j - 1]))
        total[i, j] = cost[i - 1, j - 1] + before
    i, j = n, m
    steps = [(n - 1, m - 1)]
    while i > 1 or j > 1:
        ways = ((total[i - 1, j - 1], i - 1, j - 1), (total[i - 1, j], i - 1, j),
                (total[i, j - 1], i, j - 1))  # fmt: skip
        _, i, j = min(way for way in ways if way[1] >= 1 and way[2] >= 1)
        steps.append((i - 1, j - 1))
    path = np.array(steps[::-1])
    first = np.flatnonzero(np.diff(path[:, 0], prepend=-1))  # where b is reached first, for each a
    last = np.append(first[1:], len(path)) - 1
    return np.stack([path[first, 0], (path[first, 1] + path[last, 1]) // 2], axis=1)
