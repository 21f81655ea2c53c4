"""Words cut out of recordings, with fades, as files and a manifest of their own."""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from dspcore import audio
from dspcore.data.facts import digest, measured
from dspcore.data.manifest import Row, relative
from dspcore.data.words.word import Word
from dspcore.errors import UserError


@dataclass(frozen=True)
class Cut:
    """How words are cut.

    Args:
        fade_ms: Raised cosines at both ends, outside the word where there is room.
        least_s, most_s: Shorter and longer words are left out.
        reject: Words that are left out, whatever their case.
        per_word: At most so many of one word (0 is all), drawn by `seed`.
        least_score: Words of a lower score are left out; unscored ones stay.
        seed: Of that draw.
    """

    fade_ms: float = 5.0
    least_s: float = 0.06
    most_s: float = 2.0
    reject: frozenset[str] = field(default_factory=frozenset)
    per_word: int = 0
    least_score: float = float("-inf")
    seed: int = 0

    def why_not(self, word: Word) -> str:
        """Why a word is left out, or an empty text."""
        if word.text.casefold() in {w.casefold() for w in self.reject}:
            return "rejected"
        if word.seconds < self.least_s:
            return "too short"
        if word.seconds > self.most_s:
            return "too long"
        if word.score is not None and word.score < self.least_score:
            return "low score"
        return ""


@dataclass(frozen=True)
class Source:
    """A recording, who speaks in it, and its words."""

    path: Path
    group: str
    words: Sequence[Word]


def cut(
    sources: Iterable[Source],
    folder: str | os.PathLike[str],
    manifest: str | os.PathLike[str],
    how: Cut | None = None,
) -> tuple[list[Row], Counter[str]]:
    """Write ``folder/WORD/RECORDING_NUMBER.wav`` for every word that is wanted.

    Args:
        sources: Recordings with their words.
        folder: Made when it is missing.
        manifest: Where the rows will be written: their paths are relative to it.
        how: What is left out, and the fades.

    Returns:
        A row for each word, its text and speaker with it, and why others were left out.
    """
    how = how or Cut()
    left_out: Counter[str] = Counter()
    wanted: list[tuple[Source, int, Word]] = []
    for source in sources:
        for number, word in enumerate(source.words):
            if reason := how.why_not(word):
                left_out[reason] += 1
            else:
                wanted.append((source, number, word))
    kept = _balanced(wanted, how)
    left_out["enough of that word"] += len(wanted) - len(kept)
    rows = []
    heard: tuple[Path | None, torch.Tensor, int] = (None, torch.zeros(1, 1), 1)
    for source, number, word in kept:
        if heard[0] != source.path:
            heard = (source.path, *audio.read(source.path))
        sound, rate = heard[1], heard[2]
        if word.end_s > sound.shape[1] / rate + 0.05:
            raise UserError(
                f"{source.path}: {word.text!r} ends at {word.end_s:.2f} s, but the recording at "
                f"{sound.shape[1] / rate:.2f} s; is the alignment another file's?"
            )
        name = re.sub(r"[^\w'-]+", "_", word.text.casefold()).strip("_") or "word"
        target = Path(folder, name, f"{source.path.stem}_{number:03d}.wav")
        target.parent.mkdir(parents=True, exist_ok=True)
        audio.write(target, _faded(sound, rate, word, how.fade_ms), rate, "PCM_16")
        rows.append(_row(target, manifest, source, word))
    return sorted(rows, key=lambda row: row.path), left_out


def _balanced(wanted: list[tuple[Source, int, Word]], how: Cut) -> list[tuple[Source, int, Word]]:
    if not how.per_word:
        return wanted
    order = list(range(len(wanted)))
    random.Random(how.seed).shuffle(order)
    counts: Counter[str] = Counter()
    kept = set()
    for i in order:
        text = wanted[i][2].text.casefold()
        if counts[text] < how.per_word:
            counts[text] += 1
            kept.add(i)
    return [wanted[i] for i in sorted(kept)]


def _faded(sound: torch.Tensor, rate: int, word: Word, fade_ms: float) -> torch.Tensor:
    fade = round(fade_ms * rate / 1000)
    start = max(0, round(word.start_s * rate) - fade)
    end = min(sound.shape[1], round(word.end_s * rate) + fade)
    piece = sound[:, start:end].clone()
    fade = min(fade, piece.shape[1] // 2)
    ramp = 0.5 - 0.5 * torch.cos(torch.pi * (torch.arange(fade) + 0.5) / max(fade, 1))
    piece[:, :fade] *= ramp
    piece[:, piece.shape[1] - fade :] *= ramp.flip(0)
    return piece


def _row(target: Path, manifest: str | os.PathLike[str], source: Source, word: Word) -> Row:
    return Row(
        path=relative(target, manifest),
        sha1=digest(target),
        tags=(target.parent.name,),
        group=source.group,
        text=word.text,
        **vars(measured(target)),
    )
