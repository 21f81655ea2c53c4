"""Digits that people said: the Free Spoken Digit Dataset, one word a file."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from digits.speech import GAP, HOP, RATE, frames
from dspcore import audio

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"


def folder() -> Path:
    """Where the files are: ``fsdd`` in DSPCORE_DATA, or in ../shared/data beside the checkout."""
    found = Path(os.environ.get("DSPCORE_DATA", _BESIDE)) / "fsdd"
    if not found.is_dir():
        raise RuntimeError(
            f"digits: no recordings in {found}; clone "
            "github.com/Jakobovski/free-spoken-digit-dataset and set "
            "DSPCORE_DATA to a folder whose fsdd/ is its recordings/"
        )
    return found


@lru_cache
def words(speaker: str) -> dict[int, list[Tensor]]:
    """Every take of every digit of a speaker, cut to the sound and of one loudness; (t,) each."""
    found: dict[int, list[Tensor]] = {d: [] for d in range(10)}
    for path in sorted(folder().glob(f"*_{speaker}_*.wav")):
        sound, rate = audio.read(path)
        if rate != RATE:
            raise RuntimeError(f"digits: {path.name} has {rate} Hz, wanted {RATE}")
        found[int(path.name[0])].append(cut(sound.mean(0)))
    if not all(found.values()):
        known = sorted({path.name.split("_")[1] for path in folder().glob("*.wav")})
        raise RuntimeError(f"digits: no {speaker!r} in {folder()}; known: {', '.join(known)}")
    return found


def cut(sound: Tensor) -> Tensor:
    """The stretch within 35 dB of the loudest frame, the root mean square of that frame at 0.15."""
    power = frames(sound, HOP).square().mean(1)
    loud = (power > 10**-3.5 * power.max()).nonzero()[:, 0]
    part = sound[int(loud[0]) * HOP : (int(loud[-1]) + 1) * HOP]
    return (0.15 / power.max().sqrt() * part).clamp(-1, 1)


def spoken(digits: Sequence[int], speaker: str, take: int | None = None) -> Tensor:
    """Words of a speaker with pauses of silence between them, (t,) at 8 kHz.

    Args:
        digits: What is said.
        speaker: Of the data set.
        take: Which of the takes of each digit; the one of median length when left out.
    """
    pause, parts = torch.zeros(GAP * HOP), []
    for digit in digits:
        takes = sorted(words(speaker)[digit], key=len)
        parts += [takes[len(takes) // 2 if take is None else take % len(takes)], pause]
    return torch.cat(parts)


def examples(speakers: Sequence[str], seed: int) -> list[tuple[Tensor, int]]:
    """Every take of the speakers as a listener hears it, a little noisy, with its digit."""
    from digits.judge import heard_word

    draw = random.Random(seed)
    found = []
    for speaker in speakers:
        for digit, takes in words(speaker).items():
            for take in takes:
                noise = 0.003 * 10 ** (-draw.random()) * torch.randn(len(take))
                found.append((heard_word(take + noise), digit))
    return found


def speakers() -> list[str]:
    """Everyone in the folder."""
    return sorted({path.name.split("_")[1] for path in folder().glob("*.wav")})
