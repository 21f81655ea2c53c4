"""Shards: rows of patches with their sounds, as Parquet files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from dspcore.errors import UserError
from dspcore.files import explained, replacing
from dspcore.notes import Note
from dspcore.patches.params import Numbers

VERSION = 1

#: Rows that are read together.
GROUP = 32

#: The key of our words in a file's schema metadata.
_KEY = b"dspcore"

_FULL = 1.0 - 2.0**-23  # the greatest sample that 24 bits hold


@dataclass(frozen=True, eq=False)
class Row:
    """A patch and its sound.

    Args:
        index: Its number in the split.
        attempt: How often it was drawn again.
        encoded: (k,).
        note: What was played.
        lufs: Integrated loudness; minus infinity for silence.
        peak: Greatest absolute sample.
        audio: The sound as bytes of `codec`.
        codec: "flac" (24 bits) or "f32" (little-endian, channel after channel).
        digest: SHA-256 of the sound as rendered, (c, t) float32, in hex.
    """

    index: int
    attempt: int
    encoded: Numbers
    note: Note
    lufs: float
    peak: float
    audio: bytes
    codec: str
    digest: str


def pyarrow() -> Any:
    """The module, or an error that says how to get it."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise RuntimeError(
            "shards are Parquet files, read by pyarrow; install it: pip install 'dspcore[patches]'"
        ) from error
    return pyarrow


def packed(audio: NDArray[np.float32], sample_rate: int) -> tuple[bytes, str]:
    """A sound (c, t) as FLAC of 24 bits, or as float32 where that would clip it; and which."""
    if float(np.abs(audio).max(initial=0.0)) > _FULL:
        return np.ascontiguousarray(audio, "<f4").tobytes(), "f32"
    file = io.BytesIO()
    soundfile.write(file, audio.T, sample_rate, format="FLAC", subtype="PCM_24")
    return file.getvalue(), "flac"


def unpacked(data: bytes, codec: str, channels: int) -> NDArray[np.float32]:
    """The sound (c, t) of `packed`."""
    if codec == "f32":
        return np.frombuffer(data, "<f4").reshape(channels, -1).astype(np.float32)
    sound, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.ascontiguousarray(sound.T)


def digest_of(audio: NDArray[np.float32]) -> str:
    """SHA-256 of a sound's samples."""
    return hashlib.sha256(np.ascontiguousarray(audio, "<f4").tobytes()).hexdigest()


def content_digest(rows: Sequence[Row]) -> str:
    """SHA-256 of what rows hold, whatever version of Parquet and FLAC wrote them."""
    found = hashlib.sha256()
    for row in rows:
        facts: list[Any] = [row.index, row.attempt, row.note.start, row.note.seconds]
        facts += [row.note.pitch, row.note.velocity, row.digest]
        found.update(json.dumps(facts).encode())
        found.update(np.ascontiguousarray(row.encoded, "<f8").tobytes())
    return found.hexdigest()


def write_shard(path: Path, rows: Sequence[Row], about: dict[str, Any]) -> None:
    """Write a shard: the same rows and words give the same bytes.

    Args:
        path: Of the file.
        rows: In the order of their indices.
        about: JSON for the schema's metadata.

    Raises:
        UserError: The disk is full, or the folder cannot be written; the file was not written.
    """
    pa = pyarrow()
    width = len(rows[0].encoded) if rows else 0
    flat = np.concatenate([row.encoded for row in rows]) if rows else np.zeros(0)
    encoded = pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float64()), max(width, 1))
    if not width:
        encoded = pa.nulls(len(rows), pa.list_(pa.float64(), 1))
    columns = {
        "index": pa.array([row.index for row in rows], pa.int64()),
        "attempt": pa.array([row.attempt for row in rows], pa.int32()),
        "encoded": encoded,
        "start": pa.array([row.note.start for row in rows], pa.float64()),
        "seconds": pa.array([row.note.seconds for row in rows], pa.float64()),
        "pitch": pa.array([row.note.pitch for row in rows], pa.int16()),
        "velocity": pa.array([row.note.velocity for row in rows], pa.int16()),
        "lufs": pa.array([row.lufs for row in rows], pa.float64()),
        "peak": pa.array([row.peak for row in rows], pa.float64()),
        "audio": pa.array([row.audio for row in rows], pa.binary()),
        "codec": pa.array([row.codec for row in rows], pa.string()),
        "sha256": pa.array([row.digest for row in rows], pa.string()),
    }
    words = json.dumps({"version": VERSION, **about}, ensure_ascii=False, sort_keys=True)
    table = pa.table(columns).replace_schema_metadata({_KEY: words.encode()})
    memory = io.BytesIO()
    pa.parquet.write_table(
        table, memory, row_group_size=GROUP, compression="none", use_dictionary=False
    )
    with replacing(path) as file:
        file.write(memory.getbuffer())


def shard_facts(path: Path) -> dict[str, Any]:
    """The metadata of a shard.

    Raises:
        UserError: It is missing, broken off, or none of ours.
    """
    pa = pyarrow()
    try:
        words = (pa.parquet.read_schema(path).metadata or {}).get(_KEY)
    except OSError as error:
        raise explained(error, path) from error
    except pa.ArrowInvalid as error:
        raise UserError(f"{path}: is damaged: {error}") from error
    if words is None:
        raise UserError(f"{path}: is a Parquet file, but none that dspcore synth generate wrote")
    facts: dict[str, Any] = json.loads(words)
    if facts.get("version") != VERSION:
        raise UserError(f"{path}: has version {facts.get('version')}, this dspcore knows {VERSION}")
    return facts
