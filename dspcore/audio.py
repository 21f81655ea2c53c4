"""Read and write audio files, whole or block by block, with libsndfile."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile as sf
import torch
from torch import Tensor

from dspcore.errors import UserError, nearest
from dspcore.files import check_readable, replacing, undisturbed

#: What the end of a file's name says about its format.
FORMATS = {
    ".wav": "WAV",
    ".flac": "FLAC",
    ".aif": "AIFF",
    ".aiff": "AIFF",
    ".ogg": "OGG",
    ".oga": "OGG",
    ".mp3": "MP3",
    ".w64": "W64",
    ".rf64": "RF64",
    ".caf": "CAF",
    ".au": "AU",
}

#: Beyond it a sample is clipped; the excess over 1 is float32 rounding and below 24 bits.
FULL_SCALE = 1.0 + 2.0**-20

#: WAV and AIFF keep their length in 32 bits.
LARGEST = {"WAV": 2**32 - 2**16, "AIFF": 2**32 - 2**16}


def read(path: str | os.PathLike[str]) -> tuple[Tensor, int]:
    """Read a whole file.

    Args:
        path: WAV, FLAC, AIFF, OGG, MP3 or what else libsndfile knows.

    Returns:
        The audio, (c, t) float32 with full scale at 1, and the sample rate in Hz.

    Raises:
        UserError: The file is missing, no audio, damaged, empty, or has NaN or infinite samples.
    """
    with open_audio(path) as file:
        return torch.cat(list(blocks(file, 1 << 20)), dim=-1), file.samplerate


def write(
    path: str | os.PathLike[str], audio: Tensor, sample_rate: int, subtype: str | None = None
) -> None:
    """Write a whole file; it appears when it is complete, and never clipped.

    Args:
        path: Its ending says the format.
        audio: (c, t), float32 or float64, full scale at 1.
        sample_rate: In Hz.
        subtype: Sample format as libsndfile calls it (PCM_16, PCM_24, FLOAT, ...); by default 24
            bits where the format has them, else the format's own default.

    Raises:
        UserError: The format is unknown or cannot hold the audio, samples exceed full scale and
            `subtype` would clip them, the disk is full, the folder is missing.
    """
    if audio.ndim != 2 or not audio.is_floating_point():
        raise ValueError(
            f"write: audio must be (c, t), floating point, got {tuple(audio.shape)} {audio.dtype}"
        )
    with writing(path, sample_rate, audio.shape[0], subtype) as writer:
        for start in range(0, audio.shape[1], 1 << 16):
            writer.write(audio[:, start : start + (1 << 16)])


def open_audio(path: str | os.PathLike[str]) -> sf.SoundFile:
    """Open a file for `blocks`; the errors of `read`."""
    check_readable(path)
    try:
        file = sf.SoundFile(os.fspath(path))
    except (sf.LibsndfileError, TypeError) as error:
        reason = getattr(error, "error_string", str(error)).rstrip(".")
        raise UserError(
            f"{path}: no audio that can be read ({reason}); "
            "wanted WAV, FLAC, AIFF, OGG or MP3: convert other formats first"
        ) from error
    if file.frames == 0:
        file.close()
        raise UserError(f"{path}: the audio is empty (0 samples)")
    return file


def blocks(file: sf.SoundFile, size: int) -> Iterator[Tensor]:
    """The rest of an open file as blocks (c, t) float32 of `size` samples, the last one shorter.

    Raises:
        UserError: A sample is NaN or infinite, or the file breaks off or is damaged.
    """
    start = file.tell()
    while True:
        try:
            chunk = file.read(size, dtype="float32", always_2d=True)
        except sf.LibsndfileError as error:
            raise UserError(
                f"{file.name}: damaged after {start / file.samplerate:.3f} s ({error.error_string})"
            ) from error
        if not len(chunk):
            break
        finite = np.isfinite(chunk)
        if not finite.all():
            when, channel = np.argwhere(~finite)[0]
            raise UserError(
                f"{file.name}: NaN or infinite sample at {(start + when) / file.samplerate:.3f} s "
                f"in channel {channel + 1}; mend the file first"
            )
        start += len(chunk)
        yield torch.from_numpy(np.ascontiguousarray(chunk.T))
    # The length of an MP3 is an estimate; elsewhere less than was promised means a broken file.
    if start < file.frames and file.format != "MP3":
        raise UserError(
            f"{file.name}: breaks off after {start} of {file.frames} samples; the file is damaged"
        )


def format_of(path: str | os.PathLike[str], subtype: str | None = None) -> tuple[str, str]:
    """The format that the name's ending stands for, and the subtype or its default there."""
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        raise UserError(
            f"{path}: no audio format ends with {ending or 'nothing'!r}; {nearest(ending, FORMATS)}"
        )
    format = FORMATS[ending]
    known = sf.available_subtypes(format)
    if subtype is None:
        return format, "PCM_24" if "PCM_24" in known else sf.default_subtype(format)
    if subtype.upper() not in known:
        raise UserError(f"{path}: {format} has no subtype {subtype!r}; {nearest(subtype, known)}")
    return format, subtype.upper()


def dbfs(peak: float) -> float:
    """A peak, full scale at 1, in dBFS."""
    return 20 * math.log10(peak) if peak > 0 else -math.inf


@contextmanager
def writing(
    path: str | os.PathLike[str], sample_rate: int, channels: int, subtype: str | None = None
) -> Iterator[Writer]:
    """Open a file to write block by block: ``with writing(path, ...) as file: file.write(block)``.

    The file appears at the end of the ``with`` block. Nothing appears when that ends with an error,
    an interrupt or a full disk, or when the subtype would have clipped a sample. Arguments and
    errors as for `write`.
    """
    format, subtype = format_of(path, subtype)
    with replacing(path) as raw:
        sink = _Sink(raw)
        try:
            with sink.guard():
                file = sf.SoundFile(sink, "w", sample_rate, channels, subtype, None, format)
        except sf.LibsndfileError as error:
            raise UserError(
                f"{path}: {format} {subtype} cannot hold {channels} channels at {sample_rate} Hz "
                f"({error.error_string.rstrip('.')})"
            ) from error
        writer = Writer(file, sink, path)
        try:
            yield writer
        except BaseException:
            with suppress(Exception), sink.guard():
                file.close()
            raise
        writer.finish()


class Writer:
    """What `writing` opens: takes blocks, and knows the peak and the number of samples so far."""

    def __init__(self, file: sf.SoundFile, sink: _Sink, path: str | os.PathLike[str]) -> None:
        self._file, self._sink, self._path = file, sink, path
        self.format: str = file.format
        self.subtype: str = file.subtype
        self.peak = 0.0
        self.samples = 0

    def write(self, block: Tensor) -> None:
        """Append (c, t), float32 or float64."""
        samples = np.ascontiguousarray(block.detach().cpu().numpy().T)
        peak = float(np.abs(samples).max(initial=0.0))
        if not math.isfinite(peak):
            raise UserError(f"{self._path}: the audio to write has NaN or infinite samples")
        self.peak = max(self.peak, peak)
        self.samples += len(samples)
        with self._sink.guard():
            self._file.write(samples)
        if self._sink.length > LARGEST.get(self.format, math.inf):
            raise UserError(f"{self._path}: {self.format} ends at 4 GiB; use .flac or .rf64")

    def finish(self) -> None:
        """Close the file, and raise when it must not appear."""
        with self._sink.guard():
            self._file.close()
        if self.samples == 0:
            raise UserError(f"{self._path}: there is no audio to write (0 samples)")
        if self.peak > FULL_SCALE and self.subtype not in ("FLOAT", "DOUBLE"):
            raise UserError(
                f"{self._path}: a peak of {dbfs(self.peak):+.2f} dBFS would clip in "
                f"{self.subtype}; lower the gain, use --normalize -1dBFS, "
                "or keep it with --subtype FLOAT"
            )


class _Sink:
    """The file that libsndfile writes to. Its callbacks swallow exceptions; here they are kept."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: BaseException | None = None
        self.length = 0

    def write(self, data: bytes) -> int:
        written = self._call(self._file.write, data)
        self.length = max(self.length, self.tell())
        return written

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._call(self._file.seek, offset, whence)

    def tell(self) -> int:
        return self._call(self._file.tell)

    def readinto(self, buffer: Any) -> int:
        return self._call(self._file.readinto, buffer)  # type: ignore[attr-defined]

    def _call(self, method: Callable[..., int], *args: Any) -> int:
        """The method's answer; 0, and nothing done any more, once an error has come."""
        if self._error is None:
            try:
                return method(*args)
            except BaseException as error:
                self._error = error
        return 0

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Raise the error that came within, in place of what libsndfile made of it."""
        try:
            with undisturbed():
                yield
        except (sf.LibsndfileError, AssertionError) as error:
            raise self._error or error from None
        if self._error is not None:
            raise self._error
