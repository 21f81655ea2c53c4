"""Clips of one length from a folder of recordings of any lengths; short ones are joined."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from dspcore import audio
from dspcore.errors import UserError

#: Below this rms a clip is silent, full scale at 1: -60 dBFS.
SILENT = 1e-3

#: Peak that every clip is brought to, -12 dBFS.
PEAK = 0.25


@dataclass(frozen=True)
class Clips:
    """Clips of one length.

    Attributes:
        audio: (n, 1, t), every peak at -12 dBFS.
        sample_rate: In Hz.
        groups: Which group each is of.
        rejected: How many were left out, by reason.
    """

    audio: Tensor
    sample_rate: int
    groups: tuple[str, ...] = ()
    rejected: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.audio)

    def split(self, *shares: int) -> list[Clips]:
        """Parts of so many clips each, one after the other; groups may be on both sides."""
        if sum(shares) > len(self):
            raise UserError(f"style: wanted {sum(shares)} clips, the recordings give {len(self)}")
        out, first = [], 0
        for count in shares:
            part = slice(first, first + count)
            out.append(Clips(self.audio[part], self.sample_rate, self.groups[part]))
            first += count
        return out


def read_clips(
    folder: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    sample_rate: int,
    seconds: float,
    *,
    limit: int | None = None,
    group: str = "",
    seed: int = 0,
) -> Clips:
    """Cut recordings into clips.

    The recordings of a group follow one another, mixed down to mono and resampled, so that a short
    one is never lost: it becomes part of a clip. What is silent or left at the end is counted.

    Args:
        folder: Searched with everything beneath it; or files.
        sample_rate: Of the clips, in Hz.
        seconds: Length of a clip.
        limit: Clips at most, taken from the groups in turn; recordings not needed are not read.
        group: Regular expression; its first match in a file's name is the group (a speaker, a
            pack). The folder a file lies in when left out.
        seed: Of the order of recordings.

    Raises:
        UserError: No folder, no audio in it, a broken file, or less sound than one clip.
    """
    paths = _audio_files(folder)
    size = max(2, round(seconds * sample_rate))
    order = torch.randperm(len(paths), generator=torch.Generator().manual_seed(seed)).tolist()
    waiting: dict[str, list[Path]] = {}
    for index in order:
        waiting.setdefault(_group(paths[index], group), []).append(paths[index])
    rest: dict[str, Tensor] = dict.fromkeys(waiting, torch.zeros(0))
    clips: list[tuple[str, Tensor]] = []
    rejected: Counter[str] = Counter()
    while waiting and (limit is None or len(clips) < limit):
        for name in list(waiting):
            while waiting[name] and len(rest[name]) < size:
                rest[name] = torch.cat([rest[name], _mono(waiting[name].pop(0), sample_rate)])
            if len(rest[name]) < size:
                rejected["too short"] += len(rest[name]) > 0
                del waiting[name]
                continue
            clip, rest[name] = rest[name][:size], rest[name][size:]
            if float(clip.square().mean().sqrt()) < SILENT:
                rejected["silent"] += 1
            elif limit is None or len(clips) < limit:
                clips.append((name, PEAK / clip.abs().max() * clip))
    if not clips:
        raise UserError(
            f"style: the recordings give no clip of {seconds:g} s that is not silent; "
            "give longer recordings, or shorter clips"
        )
    sound = torch.stack([clip for _, clip in clips])[:, None]
    return Clips(sound, sample_rate, tuple(name for name, _ in clips), rejected)


def resampled(sound: Tensor, before: int, after: int) -> Tensor:
    """(..., t) from one sample rate to another, in Hz."""
    if before == after:
        return sound
    from scipy.signal import resample_poly

    common = math.gcd(before, after)
    out = resample_poly(sound.double().numpy(), after // common, before // common, axis=-1)
    return torch.from_numpy(out).to(sound.dtype)


def _mono(path: Path, sample_rate: int) -> Tensor:
    sound, rate = audio.read(path)
    return resampled(sound.mean(0), rate, sample_rate)


def _group(path: Path, pattern: str) -> str:
    found = re.search(pattern, path.name) if pattern else None
    return found[0] if found else str(path.parent)


def _audio_files(folder: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    if not isinstance(folder, (str, os.PathLike)):
        return [Path(path) for path in folder]
    place = Path(folder)
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise UserError(f"{place}: no such folder; give one with recordings")
    found = sorted(p for p in place.rglob("*") if p.suffix.lower() in audio.FORMATS)
    if not found:
        raise UserError(f"{place}: no audio in it (WAV, FLAC, AIFF, OGG, MP3)")
    return found
