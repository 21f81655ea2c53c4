"""A word and when it is said."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from dspcore.errors import UserError
from dspcore.files import write_text


@dataclass(frozen=True)
class Word:
    """One word of a recording: from `start_s` to `end_s`, with the aligner's score where known."""

    text: str
    start_s: float
    end_s: float
    score: float | None = None

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.end_s - self.start_s


def checked(words: Sequence[Word], where: str | os.PathLike[str]) -> list[Word]:
    """Words in the order they are said, empty ones dropped; `UserError` for times that are none."""
    kept = sorted((w for w in words if w.text.strip()), key=lambda w: (w.start_s, w.end_s))
    for word in kept:
        if not 0 <= word.start_s <= word.end_s:
            raise UserError(
                f"{where}: {word.text!r} goes from {word.start_s} to {word.end_s} s; "
                "wanted times from 0 on, the end after the start"
            )
    return kept


def write_words(path: str | os.PathLike[str], words: Sequence[Word]) -> None:
    """Write words as JSON that `read_words` reads."""
    lines = [{k: v for k, v in asdict(w).items() if v is not None} for w in words]
    write_text(path, json.dumps({"words": lines}, indent=1, ensure_ascii=False) + "\n")
