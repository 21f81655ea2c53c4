"""Digits as espeak-ng says them: sound, where each word lies, and features of every frame."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soundfile
import torch
from scipy.signal import resample_poly
from torch import Tensor

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
RATE = 8_000
HOP = 80  # samples: 10 ms
WINDOW = 256
BANDS = 32
GAP = 15  # tens of milliseconds between words, so that silence tells them apart
_LAGS = (20, 134)  # 60 to 400 Hz


def speak(words: Sequence[str], voice: str = "en-us", speed: int = 150, pitch: int = 50) -> Tensor:
    """What espeak-ng makes of words, (t,) at 8 kHz."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-g", str(GAP)]
    try:
        done = subprocess.run(
            [*command, "--stdout", " ".join(words)], capture_output=True, check=True
        )
    except FileNotFoundError as error:
        raise RuntimeError("digits: needs espeak-ng; install it: apt install espeak-ng") from error
    # The header of a stream does not know its length.
    audio, rate = soundfile.read(io.BytesIO(_with_length(done.stdout)), dtype="float32")
    assert rate == 22_050
    return torch.from_numpy(resample_poly(audio, 160, 441).astype(np.float32))


def _with_length(wav: bytes) -> bytes:
    size = len(wav) - 44
    return (
        wav[:4]
        + (size + 36).to_bytes(4, "little")
        + wav[8:40]
        + size.to_bytes(4, "little")
        + wav[44:]
    )


def word_frames(audio: Tensor, least_gap: int = 10) -> list[tuple[int, int]]:
    """First and last frame (exclusive) of every run of sound, parted by 100 ms of silence."""
    power = frames(audio, HOP).square().mean(1)
    loud = (power > 1e-4 * power.max()).tolist()
    runs: list[tuple[int, int]] = []
    for n, sounds in enumerate(loud):
        if not sounds:
            continue
        if runs and n - runs[-1][1] < least_gap:
            runs[-1] = (runs[-1][0], n + 1)
        else:
            runs.append((n, n + 1))
    return [(a, b) for a, b in runs if b - a >= 5]


def frames(audio: Tensor, size: int) -> Tensor:
    """Stretches of `size` samples centred on every hop, (f, size)."""
    count = -(-len(audio) // HOP)
    before = (size - HOP) // 2
    padded = torch.nn.functional.pad(audio, (before, count * HOP + size - len(audio)))
    return padded.unfold(0, size, HOP)[:count]


@lru_cache
def filters() -> tuple[Tensor, Tensor]:
    """Triangular bands, even in mel, (bands, bins), and their centres in Hz, (bands,)."""
    mel = torch.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS + 2, dtype=torch.float64)
    edges = 700 * (10 ** (mel / 2595) - 1)
    at = torch.linspace(0, RATE / 2, WINDOW // 2 + 1, dtype=torch.float64)
    up = (at - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - at) / (edges[2:] - edges[1:-1])[:, None]
    weight = torch.minimum(up, down).clamp(min=0)
    near = (at[None] - edges[1:-1, None]).abs().argmin(1)
    weight[torch.arange(BANDS), near] += 1e-3  # low bands may lie between two bins
    return (weight / weight.sum(1, keepdim=True)).float(), edges[1:-1].float()


def features(audio: Tensor) -> Tensor:
    """Of every frame the log power density in each band, log2 f0 and voicing; (f, bands + 2)."""
    window = torch.hann_window(WINDOW)
    power = torch.fft.rfft(frames(audio, WINDOW) * window).abs().square()
    density = 2 * power / (RATE * window.square().sum())
    bands = (density @ filters()[0].T + 1e-9).log()
    part = frames(audio, 480)
    part = part - part.mean(1, keepdim=True)
    spectrum = torch.fft.rfft(part, 1024).abs().square()
    correlation = torch.fft.irfft(spectrum)[:, : _LAGS[1]]
    taper = 1 - torch.arange(_LAGS[1]) / 480
    r = correlation / (correlation[:, :1] + 1e-9) / taper
    inner = r[:, _LAGS[0] :]
    best = inner.amax(1)
    first = (inner > 0.9 * best[:, None]).float()
    peak = first * ((inner >= r[:, _LAGS[0] - 1 : -1]) & (inner >= torch.roll(inner, -1, 1)))
    lag = torch.where(peak.any(1), peak.argmax(1), inner.argmax(1)) + _LAGS[0]
    voicing = ((best - 0.3) / 0.5).clamp(0, 1) * (correlation[:, 0] > 1e-4)
    f0 = _held(RATE / lag.float(), voicing > 0.4)
    return torch.cat([bands, f0.log2()[:, None], voicing[:, None]], 1)


def _held(f0: Tensor, trusted: Tensor) -> Tensor:
    """f0 between trusted frames by interpolation, beyond them held."""
    at = trusted.nonzero().flatten().numpy()
    if not len(at):
        return torch.full_like(f0, 120.0)
    return torch.from_numpy(np.interp(np.arange(len(f0)), at, f0.numpy()[at])).float()


@dataclass(frozen=True)
class Utterance:
    """A string of digits, spoken.

    Attributes:
        digits: What is said.
        audio: (t,) at 8 kHz.
        starts: First frame of every word; the first is 0.
        end: Frame after the last sound.
        features: (f, bands + 2).
    """

    digits: tuple[int, ...]
    audio: Tensor
    starts: tuple[int, ...]
    end: int
    features: Tensor


def utterance(digits: Sequence[int], voice: str = "en-us", speed: int = 150) -> Utterance | None:
    """Speak digits and find the words; None where silence does not tell them apart.

    A voice ``fsdd:jackson`` is a person's: words of the recordings, with pauses between them.
    """
    kind, _, speaker = voice.partition(":")
    if kind == "fsdd":
        from digits.recordings import spoken

        audio = spoken(digits, speaker)
    else:
        audio = speak([WORDS[d] for d in digits], voice, speed)
    found = word_frames(audio)
    if len(found) != len(digits):
        return None
    audio = audio[max(0, found[0][0] - 2) * HOP :]
    found = word_frames(audio)
    starts = (0, *(a - 2 for a, _ in found[1:]))
    return Utterance(tuple(digits), audio, starts, found[-1][1], features(audio))
