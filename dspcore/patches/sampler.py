"""Patches by number: the same for (seed, split, index, attempt), whatever was drawn before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspcore.errors import UserError
from dspcore.notes import Note
from dspcore.patches.params import Numbers
from dspcore.patches.philox import uniform
from dspcore.patches.space import ParamSpace

#: The split whose key is the seed itself.
TRAIN = "train"

_LARGEST = 2**64


def split_key(seed: int, split: str = TRAIN) -> int:
    """The 128-bit key of a split's generator.

    The lower half is the seed. The upper half is 0 for "train" and the first eight bytes of the
    SHA-256 of the name for every other split: keys of different splits are never equal, and no
    arithmetic on seeds can make two splits meet. (A generator in use that seeds patch i with ``seed
    * i`` has 2.44 % of its validation patches in its training set.)

    Args:
        seed: 0 to 2^64 - 1.
        split: Any name.
    """
    if not 0 <= seed < _LARGEST:
        raise UserError(f"seed: must be 0 to 2^64 - 1, got {seed}")
    if not split:
        raise UserError("split: its name is empty")
    if split == TRAIN:
        return seed
    upper = int.from_bytes(hashlib.sha256(split.encode()).digest()[:8], "little")
    return seed | (upper << 64)


@dataclass(frozen=True)
class NoteRange:
    """The notes that patches are played with; one note where the ranges are single values.

    Args:
        pitch: Least and greatest MIDI number.
        velocity: Least and greatest, 1 to 127.
        start: When it begins, in seconds.
        seconds: How long the key is down.
    """

    pitch: tuple[int, int] = (60, 60)
    velocity: tuple[int, int] = (100, 100)
    start: float = 0.0
    seconds: float = 1.0

    def __post_init__(self) -> None:
        for what, (low, high), least in (("pitch", self.pitch, 0), ("velocity", self.velocity, 1)):
            if not least <= low <= high <= 127:
                raise UserError(
                    f"{what}: wanted {least} <= least <= greatest <= 127, got {low} and {high}"
                )
        if not (self.start >= 0 and self.seconds > 0):
            raise UserError(
                f"note: must start at 0 s or later and last, got {self.start} and {self.seconds} s"
            )

    @classmethod
    def of(cls, note: Note) -> NoteRange:
        """Always this note."""
        one = (note.pitch, note.pitch), (note.velocity, note.velocity)
        return cls(*one, note.start, note.seconds)

    def at(self, u: Numbers) -> Note:
        """The note for two uniform numbers."""
        values = []
        for (low, high), number in zip((self.pitch, self.velocity), u, strict=True):
            values.append(min(high, low + int(number * (high - low + 1))))
        return Note(self.start, self.seconds, *values)


class Sampler:
    """Draws patches and notes of a space.

    Args:
        space: Of the synth.
        seed: Of the data set.
        split: A name; see `split_key`.
        notes: What they are played with.
    """

    def __init__(
        self,
        space: ParamSpace,
        seed: int = 0,
        split: str = TRAIN,
        notes: NoteRange | None = None,
    ) -> None:
        self.space, self.seed, self.split = space, seed, split
        self.notes = notes or NoteRange()
        self._key = split_key(seed, split)

    def draw(self, index: int, attempt: int = 0) -> tuple[Numbers, Note]:
        """The encoded patch (k,) and the note of a row; the note comes after the patch."""
        encoded, notes = self.draws([(index, attempt)])
        return encoded[0], notes[0]

    def draws(self, rows: Sequence[tuple[int, int]]) -> tuple[Numbers, list[Note]]:
        """As `draw`, for many (index, attempt): patches (n, k), and n notes."""
        k = self.space.size
        numbers = np.array(rows, np.uint64).reshape(-1, 2)
        u = uniform(self._key, numbers[:, 0], k + 2, numbers[:, 1])
        return self.space.drawn(u[:, :k]), [self.notes.at(row) for row in u[:, k:]]

    def patches(self, first: int, count: int) -> Numbers:
        """The first attempts of rows `first` to `first + count`, encoded, (count, k)."""
        return self.draws([(index, 0) for index in range(first, first + count)])[0]


def shared_rows(train: NDArray[Any], test: NDArray[Any]) -> float:
    """The part of `test`'s patches, (m, k), that are in `train`, (n, k), too; 0 to 1."""
    if not len(test):
        return 0.0
    seen = {row.tobytes() for row in np.ascontiguousarray(train, np.float64)}
    rows = np.ascontiguousarray(test, np.float64)
    return sum(row.tobytes() in seen for row in rows) / len(rows)


def check_disjoint(train: NDArray[Any], test: NDArray[Any], who: str) -> None:
    """Raise `UserError` where a patch of `test` is in `train`: results would be too good."""
    share = shared_rows(train, test)
    if share > 0:
        raise UserError(
            f"{who}: {share:.2%} of its {len(test)} patches are in the training set, too; draw "
            "each set with another seed or --split, not with numbers computed from seeds"
        )
