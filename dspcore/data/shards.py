"""Shards: clips of any length as 16-bit samples in a few large files, read at random by mapping.

A shard is a file of samples, the rows of its clips, and a JSON file, written last, that says where
each clip lies. Each appears whole or not at all, and a shard that is there already is kept when the
same rows and settings are asked for again, so that a run that was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dspcore import audio
from dspcore.data.manifest import Row, located, read, write
from dspcore.errors import UserError
from dspcore.files import explained, read_text, replacing, write_text

_VERSION = 1
_FULL = 32_767


@dataclass(frozen=True)
class Format:
    """What every clip becomes.

    Args:
        sample_rate: In Hz; others are resampled (soxr, of the extra `data`).
        channels: 1 mixes down, 2 makes mono two equal channels, 0 keeps what a file has.
        shard_megabytes: A shard is closed when it holds so much.
    """

    sample_rate: int = 44_100
    channels: int = 0
    shard_megabytes: int = 64


@dataclass(frozen=True)
class Packed:
    """What `pack` did: clips written, clips found from an earlier run, and files left out."""

    written: int
    kept: int
    left_out: dict[str, str]


def pack(
    rows: Sequence[Row],
    manifest: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    form: Format | None = None,
    *,
    progress: Callable[[Iterable[Row], int], Iterable[Row]] | None = None,
) -> Packed:
    """Write the clips of a manifest as shards into `folder`.

    Short clips are neither padded nor dropped: a clip is as long as its file. Samples are scaled to
    16 bits by the clip's own peak; a 16-bit file at the same rate and channels keeps its very bits.

    Args:
        rows: Of the manifest, in the order that clips shall have; rows with an error are left out.
        manifest: Where it lies.
        folder: Made when it is missing.
        form: Rate, channels and size.
        progress: Wraps the rows as ``tqdm`` does, given how many there are.

    Raises:
        UserError: No row can be used, or the disk is full; shards written before stay.
    """
    form = form or Format()
    home = Path(folder)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explained(error, home) from error
    usable = [row for row in rows if not row.error]
    left_out = {row.path: row.error for row in rows if row.error}
    if not usable:
        raise UserError(f"{manifest}: no file in it can be used")
    written = kept = 0
    batches = list(_batches(usable, form))
    steps = iter(progress(usable, len(usable)) if progress else usable)
    for number, batch in enumerate(batches):
        name = home / f"shard-{number:05d}"
        print_of = _fingerprint(batch, form)
        known = _known(name, print_of)
        if known is not None:
            for _ in batch:
                next(steps, None)
            kept += len(known["places"])
            left_out |= known["left_out"]
            continue
        places: list[list[int]] = []  # start, samples, channels
        scales: list[float] = []
        packed: list[Row] = []
        skipped: dict[str, str] = {}
        start = 0
        with replacing(name.with_suffix(".i16")) as file:
            for row in batch:
                next(steps, None)
                try:
                    samples, scale = _samples(located(manifest, row), form)
                except UserError as error:
                    skipped[row.path] = str(error)
                    continue
                file.write(samples.tobytes())
                places.append([start, samples.shape[1], len(samples)])
                scales.append(scale)
                packed.append(row)
                start += samples.size
        write(name.with_suffix(".jsonl"), packed)
        about = {"version": _VERSION, "fingerprint": print_of, "format": asdict(form)}
        about |= {"left_out": skipped, "places": places, "scales": scales}
        write_text(name.with_suffix(".json"), json.dumps(about, ensure_ascii=False) + "\n")
        written += len(packed)
        left_out |= skipped
    for extra in sorted(home.glob("shard-*")):  # of an earlier, longer set
        if int(extra.stem.removeprefix("shard-")) >= len(batches):
            extra.unlink()
    return Packed(written, kept, left_out)


class Shards:
    """Clips of a folder that `pack` wrote, by number: ``audio, row = shards[3]``.

    Files are mapped when they are first used, in each process anew, so that the object can be sent
    to the workers of a `DataLoader`; what is kept of a clip in memory is 40 bytes.

    Args:
        folder: Where the shards lie.

    Raises:
        UserError: There is none, or its files do not belong together.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._mapped: dict[int, NDArray[np.int16]] = {}
        self._rows: dict[int, list[Row]] = {}
        indices = sorted(self.folder.glob("shard-*.json"))
        if not indices:
            raise UserError(f"{folder}: no shards; write them with: dspcore data shard")
        places: list[tuple[int, int, int, int]] = []  # shard, start, samples, channels
        scales: list[float] = []
        self._first: list[int] = []  # the number of the first clip of each shard
        for number, path in enumerate(indices):
            about = json.loads(read_text(path))
            self.sample_rate = int(about["format"]["sample_rate"])
            if not _whole(path, about):
                raise UserError(
                    f"{path}: its samples are missing or broken; run dspcore data shard again"
                )
            self._first.append(len(places))
            places += [(number, *place) for place in about["places"]]
            scales += about["scales"]
        self._places = np.array(places, np.int64).reshape(-1, 4)
        self._scales = np.array(scales, np.float32)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> tuple[Tensor, Row]:
        """The audio (c, t), float32, and the row of the manifest of clip `index`."""
        return self.audio(index), self.row(index)

    def audio(self, index: int) -> Tensor:
        """The audio of clip `index`, (c, t), float32."""
        number, start, samples, channels = self._places[index].tolist()
        if number not in self._mapped:
            path = self.folder / f"shard-{number:05d}.i16"
            mapped = np.memmap(path, dtype=np.int16, mode="r")
            self._mapped[number] = mapped.view(np.ndarray)  # whose slices are made faster
        sound = self._mapped[number][start : start + samples * channels].astype(np.float32)
        sound *= self._scales[index]
        return torch.from_numpy(sound).view(channels, -1)

    def row(self, index: int) -> Row:
        """What the manifest says of clip `index`."""
        index = range(len(self))[index]
        number = int(self._places[index, 0])
        if number not in self._rows:
            self._rows[number] = read(self.folder / f"shard-{number:05d}.jsonl")
        return self._rows[number][index - self._first[number]]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_mapped": {}, "_rows": {}}


def resampled(sound: Tensor, rate: int, wanted: int) -> Tensor:
    """Audio (c, t) at another rate, by soxr at its very high quality."""
    if rate == wanted:
        return sound
    try:
        import soxr
    except ImportError as error:
        raise RuntimeError(
            f"resampling {rate} Hz to {wanted} Hz needs soxr: pip install 'dspcore[data]'"
        ) from error
    made = soxr.resample(sound.numpy().T, rate, wanted, quality="VHQ")
    return torch.from_numpy(np.ascontiguousarray(made.T))


def _samples(path: Path, form: Format) -> tuple[NDArray[np.int16], float]:
    """The clip as 16-bit samples (c, t), and what they are to be multiplied by."""
    sound, rate = audio.read(path)
    if form.channels == 1:
        sound = sound.mean(0, keepdim=True)
    elif form.channels == 2:
        if sound.shape[0] > 2:
            raise UserError(f"{path}: has {sound.shape[0]} channels, wanted one or two")
        sound = sound.expand(2, -1)
    sound = resampled(sound, rate, form.sample_rate)
    bits = sound.double().numpy() * (_FULL + 1)
    if np.abs(bits).max() <= _FULL and (bits == np.rint(bits)).all():
        return bits.astype(np.int16), 1 / (_FULL + 1)
    scale = max(float(sound.abs().max()), 1e-9) / _FULL
    return np.rint(sound.double().numpy() / scale).astype(np.int16), scale


def _batches(rows: Sequence[Row], form: Format) -> Iterable[list[Row]]:
    """Rows that share a shard, by how many bytes they will take."""
    batch: list[Row] = []
    held = 0.0
    for row in rows:
        batch.append(row)
        held += 2 * row.seconds * form.sample_rate * (form.channels or row.channels)
        if held >= form.shard_megabytes * 1e6:
            yield batch
            batch, held = [], 0.0
    if batch:
        yield batch


def _fingerprint(rows: Sequence[Row], form: Format) -> str:
    text = json.dumps([_VERSION, asdict(form), [asdict(row) for row in rows]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _known(name: Path, fingerprint: str) -> dict[str, Any] | None:
    """What an earlier run wrote, where it is whole and of the same rows."""
    try:
        about: dict[str, Any] = json.loads(name.with_suffix(".json").read_text(encoding="utf-8"))
        known = about["fingerprint"] == fingerprint and _whole(name.with_suffix(".json"), about)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return about if known else None


def _whole(path: Path, about: dict[str, Any]) -> bool:
    """Whether the samples and rows that belong to a shard's `path` are there."""
    samples, rows = path.with_suffix(".i16"), path.with_suffix(".jsonl")
    size = sum(length * channels for _, length, channels in about["places"])
    return samples.is_file() and samples.stat().st_size == 2 * size and rows.is_file()
