"""Shards as one tar of FLAC files, half the size, in the layout that WebDataset reads."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import asdict

import soundfile

from dspcore.data.shards import Shards
from dspcore.files import replacing


def ship(
    shards: Shards,
    path: str | os.PathLike[str],
    *,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> None:
    """Write each clip as ``NUMBER.flac``, its row as ``NUMBER.json``; equal input, equal bytes."""
    with replacing(path) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for index in progress(range(len(shards))):
            sound, row = shards[index]
            buffer = io.BytesIO()
            soundfile.write(
                buffer, sound.numpy().T, shards.sample_rate, format="FLAC", subtype="PCM_16"
            )
            said = json.dumps(asdict(row), ensure_ascii=False).encode()
            for ending, data in (("flac", buffer.getvalue()), ("json", said)):
                entry = tarfile.TarInfo(f"{index:08d}.{ending}")
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
