"""Render audio files through a chain, in blocks: memory does not grow with the length of a file."""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dspcore.audio import blocks, dbfs, open_audio, writing
from dspcore.effects import Stream
from dspcore.errors import UserError
from dspcore.files import explained
from dspcore.loudness import LoudnessMeter
from dspcore.overlap import ahead, behind
from dspcore.rack import Rack


@dataclass(frozen=True)
class Level:
    """A level that a rendered file is brought to: ``Level.parse("-14LUFS")``."""

    target: float
    unit: str  # "LUFS" or "dBFS"

    @classmethod
    def parse(cls, text: str) -> Level:
        """Read ``-14LUFS`` (integrated loudness) or ``-1dBFS`` (sample peak)."""
        match = re.fullmatch(r"([+-]?\d+(?:\.\d+)?)\s*(LUFS|dBFS)", text.strip(), re.IGNORECASE)
        if match is None:
            raise UserError(f"normalize: wanted a level like -14LUFS or -1dBFS, got {text!r}")
        unit = {"lufs": "LUFS", "dbfs": "dBFS"}[match[2].lower()]
        return cls(float(match[1]), unit)


@dataclass(frozen=True)
class Rendered:
    """What was written."""

    path: Path
    sample_rate: int
    channels: int
    samples: int
    subtype: str
    peak_dbfs: float


def render(
    make_chain: Callable[[int], Rack],
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    tail_seconds: float | None = None,
    normalize: Level | None = None,
    subtype: str | None = None,
    block: int = 65_536,
    progress: Callable[[float], object] | None = None,
) -> Rendered:
    """Render one file; any `block` gives the same result.

    Reading and writing go on beside the chain, a thread each.

    What the chain's latency (a look-ahead) puts before the sound is cut off, so that the result
    lines up with the source, and comes out at the end instead.

    Args:
        make_chain: Builds the chain or graph for a sample rate in Hz, as
            ``partial(load_preset, path)``.
        source: Audio file to read.
        target: Audio file to write, replaced if it exists; its ending says the format.
        tail_seconds: How long to go on after the input ends; by default the chain's own tail.
        normalize: Level to bring the result to, in a second pass over a temporary file.
        subtype: Sample format; see `dspcore.audio.write`.
        block: Samples at a time.
        progress: Called with the seconds of input of every block.

    Raises:
        UserError: As `dspcore.audio.read` and `write` do; and when silence is to be normalised or
            the chain's tail is endless or it wants further inputs. No file is written then.
    """
    if block < 1:
        raise UserError(f"render: a block must have at least 1 sample, got {block}")
    with open_audio(source) as file, torch.no_grad():
        rate = file.samplerate
        chain = make_chain(rate)
        if chain.inputs:
            raise UserError(
                f"{source}: the graph also hears {', '.join(chain.inputs)}; a file can only be its "
                "input: run it in Python, or send another node there"
            )
        late = chain.latency_samples()
        tail = chain.tail_seconds() if tail_seconds is None else tail_seconds
        if not 0 <= tail < math.inf:
            raise UserError(f"{source}: the tail of the chain is endless; say --tail SECONDS")
        with ahead(blocks(file, block)) as read:
            audio = _heard(read, rate, progress)
            audio = _then_silence(audio, round(tail * rate) + late, block)
            audio = _without_start(_through(chain.stream(), audio), late)
            if normalize is not None:
                audio = _levelled(audio, rate, normalize, Path(target), block)
            first = next(audio)
            with (
                writing(target, rate, first.shape[0], subtype) as writer,
                behind(writer.write) as write,
            ):
                write(first)
                for part in audio:
                    write(part)
    return Rendered(
        Path(target), rate, first.shape[0], writer.samples, writer.subtype, dbfs(writer.peak)
    )


def _heard(
    audio: Iterator[Tensor], sample_rate: int, progress: Callable[[float], object] | None
) -> Iterator[Tensor]:
    """The same blocks; tells `progress` the seconds of each one that is done with."""
    for part in audio:
        yield part
        if progress is not None:
            progress(part.shape[-1] / sample_rate)


def _then_silence(audio: Iterator[Tensor], samples: int, block: int) -> Iterator[Tensor]:
    """The blocks (c, t), then blocks of silence, `samples` in all."""
    for part in audio:
        channels = part.shape[0]
        yield part
    for start in range(0, samples, block):
        yield torch.zeros(channels, min(block, samples - start))


def _through(stream: Stream, audio: Iterator[Tensor]) -> Iterator[Tensor]:
    """The blocks (c, t) as they leave the chain."""
    for part in audio:
        yield stream(part[None])[0]


def _without_start(audio: Iterator[Tensor], samples: int) -> Iterator[Tensor]:
    """The blocks (c, t) from a sample on."""
    for part in audio:
        if samples < part.shape[-1]:
            yield part[:, samples:]
        samples = max(0, samples - part.shape[-1])


def _levelled(
    audio: Iterator[Tensor], sample_rate: int, level: Level, target: Path, block: int
) -> Iterator[Tensor]:
    """The blocks (c, t) at another level, measured over all of them before the first is given out.

    Between the two passes they lie in a nameless temporary file beside the target, which the
    system removes whatever happens.
    """
    try:
        with tempfile.TemporaryFile(dir=target.parent) as spool:
            peak, meter, channels = 0.0, None, 0
            for part in audio:
                channels = part.shape[0]
                peak = max(peak, float(part.abs().max()))
                if level.unit == "LUFS":
                    meter = meter or LoudnessMeter(sample_rate, channels)
                    meter.add(part)
                spool.write(part.T.contiguous().numpy().tobytes())
            measured = dbfs(peak) if meter is None else meter.integrated()
            if measured == -math.inf:
                raise UserError(f"{target}: the result is silent and cannot be normalised")
            factor = 10 ** ((level.target - measured) / 20)
            spool.seek(0)
            while data := spool.read(block * channels * 4):
                yield (
                    torch.frombuffer(bytearray(data), dtype=torch.float32).view(-1, channels).T
                    * factor
                )
    except OSError as error:
        raise explained(error, target) from error
