"""Notes: what instruments play, ours and plug-ins alike, and the files that hold them."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dspcore.errors import UserError, nearest
from dspcore.files import check_readable, read_text

_PERCUSSION = 9  # MIDI's channel 10
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


@dataclass(frozen=True)
class Note:
    """A MIDI note for an instrument. Plain data: it crosses processes."""

    start: float  # seconds
    seconds: float
    pitch: int = 60
    velocity: int = 100


#: The same notes for each item of a batch, or a list of lists, one for each.
Notes = Sequence[Note] | Sequence[Sequence[Note]]


def rows_of(notes: Notes, who: str) -> list[tuple[Note, ...]]:
    """The notes of each item; one row where all items play the same."""
    if isinstance(notes, Note):
        raise TypeError(f"{who}: notes must be a list of notes, got one; write [note]")
    given = list(notes) if isinstance(notes, (list, tuple)) else [None]
    if all(isinstance(item, Note) for item in given):
        return [tuple(given)]  # type: ignore[arg-type]
    rows = [tuple(row) for row in given if isinstance(row, (list, tuple))]
    if len(rows) < len(given) or not all(isinstance(item, Note) for row in rows for item in row):
        raise TypeError(f"{who}: notes must be a list of notes, or a list of such lists")
    return rows


def check_note(note: Note, who: str = "note") -> None:
    """Raise `UserError` unless the note is one that MIDI knows and begins at 0 s or later."""
    if not (0 <= note.pitch <= 127 and 1 <= note.velocity <= 127):
        raise UserError(
            f"{who}: pitch must be 0 to 127 and velocity 1 to 127, got {note.pitch} and "
            f"{note.velocity}"
        )
    if not (note.start >= 0 and note.seconds > 0):
        raise UserError(
            f"{who}: must start at 0 s or later and last, got {note.start} s, {note.seconds} s"
        )


def read_notes(path: str | os.PathLike[str], channel: int | None = None) -> list[Note]:
    """Notes of a MIDI file (.mid, .midi) or of a TOML file, in the order of their starts.

    Of a MIDI file, tempo changes and the sustain pedal count; bends and other controllers do not.

    Args:
        path: The file. In TOML each note is a table ``[[note]]`` with `start` and `seconds`, and
            perhaps `pitch` (60, or "C4") and `velocity`.
        channel: 1 to 16: of a MIDI file only this one; all but percussion (10) when left out.

    Raises:
        UserError: It cannot be read, or a note is none; says where.
        RuntimeError: mido, which reads MIDI files, is not installed.
    """
    if Path(path).suffix.lower() in (".mid", ".midi"):
        notes = _of_midi(path, channel)
    else:
        notes = _of_toml(path)
    return sorted(notes, key=lambda note: (note.start, note.pitch))


def pitch_of(name: str) -> int:
    """The MIDI number of "C4" (60), "F#3", "Bb-1"; `UserError` where it is none."""
    match = re.fullmatch(r"([A-Ga-g])([#b]?)(-?\d+)", name.strip())
    if match is None:
        raise UserError(f"pitch must be 0 to 127, or a name like C4, F#3 or Bb2, got {name!r}")
    step = _STEPS[match[1].upper()] + {"#": 1, "b": -1, "": 0}[match[2]]
    return 12 * (int(match[3]) + 1) + step


def _of_toml(path: str | os.PathLike[str]) -> list[Note]:
    try:
        table = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: is not valid TOML: {error}") from error
    entries = table.get("note", [])
    for key in table:
        if key != "note":
            raise UserError(f"{path}: unknown key {key!r}; notes are tables [[note]]")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"{path}: notes must be written as [[note]], with two brackets")
    return [_note(f"{path}: note {i}", entry) for i, entry in enumerate(entries, start=1)]


def _note(place: str, entry: dict[str, Any]) -> Note:
    known = ("start", "seconds", "pitch", "velocity")
    for key, value in entry.items():
        if key not in known:
            raise UserError(f"{place}: unknown key {key!r}; {nearest(key, known)}")
        whole = key in ("pitch", "velocity")
        if key == "pitch" and isinstance(value, str):
            continue
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            wanted = "a whole number" if whole else "a number of seconds"
            raise UserError(f"{place}: {key} must be {wanted}, got {value!r}")
    missing = [key for key in ("start", "seconds") if key not in entry]
    if missing:
        raise UserError(f"{place}: {missing[0]} is missing")
    try:
        pitch = entry.get("pitch", 60)
        pitch = pitch_of(pitch) if isinstance(pitch, str) else pitch
        note = Note(**{**entry, "pitch": pitch})
        check_note(note)
    except UserError as error:
        raise UserError(f"{place}: {str(error).removeprefix('note: ')}") from error
    return note


def _of_midi(path: str | os.PathLike[str], channel: int | None) -> list[Note]:
    if channel is not None and not 1 <= channel <= 16:
        raise UserError(f"channel must be 1 to 16, got {channel}")
    try:
        import mido
    except ImportError as error:
        raise RuntimeError(
            "MIDI files are read by mido; install it: pip install 'dspcore[midi]'"
        ) from error
    check_readable(path)
    try:
        messages = list(mido.MidiFile(os.fspath(path)))
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise UserError(f"{path}: is not a MIDI file that can be read ({error})") from error
    notes: list[Note] = []
    down: dict[tuple[int, int], list[tuple[float, int]]] = {}  # by channel and pitch
    held: dict[int, list[tuple[int, float, int]]] = {}  # by channel, while its pedal is down
    now = 0.0

    def end(pitch: int, start: float, velocity: int) -> None:
        notes.append(Note(start, max(now - start, 1e-3), pitch, velocity))

    for message in messages:
        now += message.time
        there = getattr(message, "channel", None)
        if there is None or (there == _PERCUSSION if channel is None else there != channel - 1):
            continue
        if message.type == "note_on" and message.velocity > 0:
            down.setdefault((there, message.note), []).append((now, message.velocity))
        elif message.type in ("note_on", "note_off"):
            if begun := down.get((there, message.note)):
                start, velocity = begun.pop(0)
                if there in held:
                    held[there].append((message.note, start, velocity))
                else:
                    end(message.note, start, velocity)
        elif message.type == "control_change" and message.control == 64:
            if message.value >= 64:
                held.setdefault(there, [])
            else:
                for pitch, start, velocity in held.pop(there, []):
                    end(pitch, start, velocity)
    for (_, pitch), begun in down.items():
        for start, velocity in begun:
            end(pitch, start, velocity)
    for waiting in held.values():
        for pitch, start, velocity in waiting:
            end(pitch, start, velocity)
    return notes
