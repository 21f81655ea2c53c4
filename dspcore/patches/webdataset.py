"""A data set as WebDataset: tar files of FLAC and JSON, for loaders that read straight through."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import soundfile

from dspcore.errors import UserError
from dspcore.files import explained, replacing, write_text
from dspcore.patches.dataset import Dataset
from dspcore.patches.shards import packed

Step = Callable[[int], object]


def export_webdataset(
    dataset: Dataset,
    folder: str | os.PathLike[str],
    *,
    rows: int = 1_000,
    step: Step = lambda _: None,
) -> list[Path]:
    """Write ``patches-00000.tar`` and so on, and the parameter space beside them.

    Each row is two files with its index for a name: the sound (.flac of 24 bits, .wav of float32
    where FLAC would clip it) and .json with the encoded and the semantic patch, the note and the
    loudness. The same data set gives the same bytes.

    Args:
        dataset: What to write.
        folder: Made when it is missing.
        rows: In a file.
        step: Called as rows are done.

    Returns:
        The tar files.
    """
    if rows < 1:
        raise UserError(f"webdataset: rows must be 1 or more, got {rows}")
    home = Path(folder)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explained(error, home) from error
    made = []
    for number, first in enumerate(range(0, len(dataset), rows)):
        path = home / f"patches-{number:05d}.tar"
        with replacing(path) as file, tarfile.open(fileobj=file, mode="w") as tar:
            for place in range(first, min(first + rows, len(dataset))):
                index = int(dataset.indices[place])
                ending, sound = _sound(dataset, place)
                _add(tar, f"{index:09d}.{ending}", sound)
                _add(tar, f"{index:09d}.json", _words(dataset, place))
                step(1)
        made.append(path)
    write_text(home / "space.json", dataset.space.to_json() + "\n")
    return made


def _sound(dataset: Dataset, place: int) -> tuple[str, bytes]:
    audio = dataset.audio(place)
    data, codec = packed(audio, dataset.sample_rate)
    if codec == "flac":
        return "flac", data
    file = io.BytesIO()
    soundfile.write(file, audio.T, dataset.sample_rate, format="WAV", subtype="FLOAT")
    return "wav", file.getvalue()


def _words(dataset: Dataset, place: int) -> bytes:
    note = dataset.notes[place]
    facts = {
        "index": int(dataset.indices[place]),
        "encoded": dataset.encoded[place].tolist(),
        "patch": dataset.patch(place),
        "note": note.__dict__,
        "lufs": float(dataset.lufs[place]),
        "space": dataset.space.fingerprint,
    }
    return json.dumps(facts, ensure_ascii=False).encode()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
