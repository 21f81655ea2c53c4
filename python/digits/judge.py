"""An independent listener: a small network that learnt digits from other voices."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from digits.speech import BANDS, HOP, WORDS, features, speak, word_frames

FRAMES = 64
VOICES = (
    "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029",
    "en-us+m1", "en-us+m2", "en-us+m3", "en-us+m4", "en-us+m5", "en-us+m6", "en-us+m7",
    "en-us+f1", "en-us+f2", "en-us+f3", "en-us+f4", "en-us+f5",
    "en-gb+m2", "en-gb+m4", "en-gb+m6", "en-gb+f2", "en-gb+f4",
)  # fmt: skip


class Judge(nn.Module):
    """Log band powers of one word to a digit."""

    def __init__(self) -> None:
        """Two layers over time."""
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(BANDS, 64, 5, padding=2), nn.BatchNorm1d(64), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(64, 64, 5, padding=2), nn.BatchNorm1d(64), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(128, 10))

    def forward(self, heard: Tensor) -> Tensor:
        """(b, bands, frames) to (b, 10)."""
        found = self.body(heard)
        return self.head(torch.cat([found.mean(2), found.amax(2)], 1))

    @torch.no_grad()
    def hear(self, audio: Tensor) -> list[int]:
        """The digits of a string, (t,), parted where it is silent."""
        words = [heard_word(audio[a * HOP : b * HOP]) for a, b in word_frames(audio)]
        if not words:
            return []
        return self.eval()(torch.stack(words)).argmax(1).tolist()


def heard_word(audio: Tensor) -> Tensor:
    """Band powers of a word, the loudest at 0, cut or filled to `FRAMES`; (bands, frames)."""
    found = features(audio)[:, :BANDS].T / 4
    found = (found - found.max()).clamp(min=-3.0)
    found = found[:, :FRAMES]
    return torch.nn.functional.pad(found, (0, FRAMES - found.shape[1]), value=-3.0)


def examples(
    voices: Sequence[str], speeds: Sequence[int], strings: int, seed: int
) -> list[tuple[Tensor, int]]:
    """Words of shuffled strings of all digits, by voices at speeds."""
    draw = random.Random(seed)
    found = []
    for voice in voices:
        for speed in speeds:
            for _ in range(strings):
                digits = draw.sample(range(10), 10)
                audio = speak([WORDS[d] for d in digits], voice, speed, draw.randint(35, 65))
                runs = word_frames(audio)
                if len(runs) != 10:
                    continue
                for digit, (a, b) in zip(digits, runs, strict=True):
                    part = audio[a * HOP : b * HOP]
                    noise = 0.003 * 10 ** (-draw.random()) * torch.randn(len(part))
                    found.append((heard_word(part + noise), digit))
    return found


def errors(wanted: Sequence[int], heard: Sequence[int]) -> int:
    """Digits to change, insert or delete to turn one string into the other."""
    row = list(range(len(heard) + 1))
    for i, w in enumerate(wanted, 1):
        before, row[0] = row[0], i
        for j, h in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (w != h))
    return row[-1]
