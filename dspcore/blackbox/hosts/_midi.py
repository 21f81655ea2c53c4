"""Notes as timed MIDI bytes."""

from __future__ import annotations

from collections.abc import Sequence

from dspcore.notes import Note, check_note

NOTE_ON, NOTE_OFF = 0x90, 0x80

#: When in samples, and the three bytes.
Event = tuple[int, tuple[int, int, int]]


def events(notes: Sequence[Note], sample_rate: int, samples: int) -> list[Event]:
    """Note-ons and note-offs that fall into the first `samples`, in order, offs before ons."""
    found: list[Event] = []
    for note in notes:
        check_note(note)
        start = round(note.start * sample_rate)
        end = max(start + 1, round((note.start + note.seconds) * sample_rate))
        found.append((start, (NOTE_ON, note.pitch, note.velocity)))
        found.append((end, (NOTE_OFF, note.pitch, 0)))
    return sorted(event for event in found if event[0] < samples)
