"""The block loop that every in-process host shares: checks, padding, values and notes in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.hosts._midi import Event, events
from dspcore.blackbox.plugin import PluginInfo
from dspcore.errors import UserError
from dspcore.notes import Note

Audio = NDArray[np.float32]
Values = Sequence[float] | NDArray[np.float64]

#: Runs one block: its input (inputs, block), values or None where they stand as before, events
#: with their offset in the block. Returns a view (outputs, block) that lives until the next.
Run = Callable[[Audio, NDArray[np.float64] | None, list[Event]], Audio]


def render(
    info: PluginInfo,
    audio: Audio,
    values: Values,
    notes: Sequence[Note],
    *,
    sample_rate: int,
    block: int,
    run: Run,
) -> Audio:
    """Audio (inputs, t) through `run` in blocks; the last is filled up with silence, then cut."""
    audio, settings = checked(info, audio, values, notes, block)
    samples = audio.shape[1]
    timed = events(notes, sample_rate, samples)
    out = np.empty((info.outputs, samples), np.float32)
    padded = np.zeros((info.inputs, block), np.float32)
    next_event = 0
    for index, start in enumerate(range(0, samples, block)):
        piece = audio[:, start : start + block]
        size = piece.shape[1]
        if size < block:
            padded[:, :size] = piece
            padded[:, size:] = 0
            piece = padded
        now: list[Event] = []
        while next_event < len(timed) and timed[next_event][0] < start + block:
            when, message = timed[next_event]
            now.append((when - start, message))
            next_event += 1
        moving = settings.shape[1] > 1
        setting = settings[:, index] if moving or index == 0 else None
        out[:, start : start + size] = run(piece, setting, now)[:, :size]
    return out


def side_rows(count: int, inputs: int) -> NDArray[np.intp]:
    """Which inputs the side-chains hear: the main ones in turn, so a plug-in hears itself."""
    return np.arange(count if inputs else 0) % max(inputs, 1)


def checked(
    info: PluginInfo, audio: Audio, values: Values, notes: Sequence[Note], block: int
) -> tuple[Audio, NDArray[np.float64]]:
    """The audio as float32 and the values as (p, 1) or (p, n), or an error that says what to do."""
    if notes and not info.notes:
        raise UserError(f"{info.name}: takes no notes, got {len(notes)}")
    audio = np.asarray(audio, np.float32)
    if audio.ndim != 2 or audio.shape[0] != info.inputs:
        wanted = f"({info.inputs}, t)"
        if info.inputs == 0:
            wanted += ": it is an instrument, an empty array says the length"
        raise UserError(f"{info.name}: audio must be {wanted}, got {audio.shape}")
    if info.notes and not info.inputs and not notes:
        raise UserError(f"{info.name}: is an instrument and sounds by MIDI; give it notes")
    settings = np.asarray(values, np.float64)
    blocks = -(-audio.shape[1] // block)
    settings = settings[:, None] if settings.ndim == 1 else settings
    count = len(info.params)
    if settings.ndim != 2 or settings.shape[0] != count or settings.shape[1] not in (1, blocks):
        raise UserError(
            f"{info.name}: values must be ({count},) or ({count}, {blocks}), a column for each "
            f"block of {block} samples, got {np.shape(values)}"
        )
    if not np.isfinite(settings).all():
        raise UserError(f"{info.name}: values must be finite, got NaN or infinity")
    return audio, settings
