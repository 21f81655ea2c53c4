"""The layout of VCTK 0.92: recordings, what is said in them, and who speaks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dspcore.errors import UserError
from dspcore.files import read_text


@dataclass(frozen=True)
class Utterance:
    """One recording of VCTK."""

    path: Path
    speaker: str
    number: str
    text: str


def vctk(folder: str | os.PathLike[str], mic: int = 1) -> tuple[list[Utterance], dict[str, int]]:
    """Every utterance with a text and a recording by that microphone.

    Args:
        folder: With ``wav48_silence_trimmed/pXXX/pXXX_NNN_mic1.flac`` and
            ``txt/pXXX/pXXX_NNN.txt``.
        mic: 1 or 2.

    Returns:
        Utterances by speaker and number, and how many were left out by speaker: p315 has no texts,
        p280 no second microphone.

    Raises:
        UserError: The folder is not laid out so.
    """
    home = Path(folder)
    sound = home / "wav48_silence_trimmed"
    if not sound.is_dir() or mic not in (1, 2):
        raise UserError(f"{folder}: wanted VCTK 0.92 with wav48_silence_trimmed/, and mic 1 or 2")
    found: list[Utterance] = []
    left_out: dict[str, int] = {}
    for place in sorted(path for path in sound.iterdir() if path.is_dir()):
        speaker = place.name
        names = sorted({path.name.rsplit("_mic", 1)[0] for path in place.glob("*_mic*.flac")})
        for name in names:
            path = place / f"{name}_mic{mic}.flac"
            said = home / "txt" / speaker / f"{name}.txt"
            if path.is_file() and said.is_file():
                number = name.removeprefix(f"{speaker}_")
                found.append(Utterance(path, speaker, number, read_text(said).strip()))
            else:
                left_out[speaker] = left_out.get(speaker, 0) + 1
    if not found:
        raise UserError(f"{folder}: no recording with a text in txt/")
    return found, left_out
