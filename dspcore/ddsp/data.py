"""Recordings of a folder as excerpts with their fundamental and loudness."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import Dataset
from tqdm import tqdm

from dspcore import audio
from dspcore.ddsp.features import FLOOR_DB, Features, features
from dspcore.ddsp.model import ModelConfig
from dspcore.errors import UserError

#: Excerpts quieter than this at their loudest teach nothing.
_QUIET_DB = -60.0


@dataclass(frozen=True)
class Recording:
    """One file at the model's rate, (t,), and what was measured of it."""

    path: str
    sound: Tensor
    features: Features


class Excerpts(Dataset[dict[str, Tensor]]):
    """Stretches of recordings: sound (samples,), f0_hz and loudness_db (lead + frames,).

    A lead of as many frames as the room rings comes before the frames of the sound, so that the
    room is full where the sound begins; else it would be learnt as a burst of noise.

    Args:
        recordings: As `load_folder` reads them.
        config: Of the model.
        seconds: Length of an excerpt; recordings that are shorter are followed by silence.
        every: Seconds from one start to the next.
    """

    def __init__(
        self, recordings: list[Recording], config: ModelConfig, seconds: float, every: float
    ) -> None:
        self.recordings, self.hop = recordings, config.hop_length
        self.frames = max(1, round(seconds * config.sample_rate / config.hop_length))
        step = max(1, round(every * config.sample_rate / config.hop_length))
        self.lead = math.ceil(config.reverb_seconds * config.sample_rate / config.hop_length)
        self.places: list[tuple[int, int]] = []
        for index, recording in enumerate(recordings):
            loud = recording.features.loudness_db
            for start in range(0, max(1, len(loud) - self.frames + 1), step):
                if float(loud[start : start + self.frames].max()) > _QUIET_DB:
                    self.places.append((index, start))

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        which, start = self.places[index]
        recording, end = self.recordings[which], start + self.frames
        known = recording.features
        begin = max(0, start - self.lead)
        before, after = self.lead - (start - begin), max(0, end - len(known.f0_hz))
        f0, loud = known.f0_hz[begin:end], known.loudness_db[begin:end]
        sound = recording.sound[start * self.hop : end * self.hop]
        return {
            "sound": pad(sound, (0, self.frames * self.hop - len(sound))),
            "f0_hz": torch.cat([f0[:1].expand(before), f0, f0[-1:].expand(after)]),
            "loudness_db": pad(loud, (before, after), value=FLOOR_DB),
        }


def read_mono(path: str | os.PathLike[str], sample_rate: int) -> Tensor:
    """A file as one channel at a rate, (t,)."""
    sound, rate = audio.read(path)
    mono = sound.mean(0)
    if rate == sample_rate:
        return mono
    from scipy.signal import resample_poly

    common = math.gcd(rate, sample_rate)
    samples = resample_poly(mono.double().numpy(), sample_rate // common, rate // common)
    return torch.from_numpy(samples).float()


def load_folder(
    folder: str | os.PathLike[str],
    config: ModelConfig,
    *,
    min_hz: float = 50.0,
    max_hz: float = 1_000.0,
    progress: bool = True,
) -> list[Recording]:
    """Read, resample and analyse every recording under a folder, in the order of their names.

    Raises:
        UserError: There is no such folder, nothing in it is audio, or nothing in it has a pitch.
    """
    place = Path(folder)
    if not place.is_dir():
        raise UserError(f"{folder}: is no folder; wanted one with recordings")
    files = sorted(f for f in place.rglob("*") if f.suffix.lower() in audio.FORMATS)
    if not files:
        raise UserError(f"{folder}: has no recordings (wav, flac, aiff, ogg, mp3)")
    found = []
    for path in tqdm(files, desc="listening", unit="file", disable=None if progress else True):
        sound = read_mono(path, config.sample_rate)
        known = features(sound, config.sample_rate, config.hop_length, min_hz=min_hz, max_hz=max_hz)
        found.append(Recording(str(path.relative_to(place)), sound, known))
    if not any(bool(heard(r.features).any()) for r in found):
        raise UserError(
            f"{folder}: no recording has a pitch from {min_hz:g} to {max_hz:g} Hz; the decoder "
            "needs one voice or instrument, playing one note at a time"
        )
    return found


def heard(known: Features) -> Tensor:
    """Where a recording has a pitch and is not quiet, (f,)."""
    return known.voiced & (known.loudness_db > known.loudness_db.max() - 40)


def summary_of(recordings: list[Recording]) -> Tensor:
    """Median fundamental in Hz, mean and spread of the loudness in dB, where there is a pitch."""
    where = [heard(r.features) for r in recordings]
    f0 = torch.cat([r.features.f0_hz[w] for r, w in zip(recordings, where, strict=True)])
    loud = torch.cat([r.features.loudness_db[w] for r, w in zip(recordings, where, strict=True)])
    return torch.stack([f0.median(), loud.mean(), loud.std(correction=0).clamp(min=1.0)])
