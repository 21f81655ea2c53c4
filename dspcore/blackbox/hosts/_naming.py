"""Symbols that Python takes, and units as the rest of dspcore writes them."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable

UNITS = {
    "db": "dB",
    "decibel": "dB",
    "decibels": "dB",
    "hz": "Hz",
    "hertz": "Hz",
    "khz": "kHz",
    "ms": "ms",
    "milliseconds": "ms",
    "s": "s",
    "sec": "s",
    "seconds": "s",
    "%": "%",
    "pc": "%",
    "percent": "%",
    "semitone": "semitones",
    "semitones": "semitones",
    "st": "semitones",
    "cent": "cents",
    "cents": "cents",
    "ct": "cents",
    "samp": "samples",
    "samples": "samples",
    "bpm": "BPM",
    "deg": "degrees",
    "degree": "degrees",
    "degrees": "degrees",
}


def unit(text: str) -> str:
    """`text` as dspcore writes that unit, or as it came."""
    text = text.strip().strip("()[]").strip()
    return UNITS.get(text.lower(), text)


def unit_in(name: str) -> str:
    """The unit that the name of a control ends with, as in "Cutoff (Hz)" or "Time [ms]"."""
    found = re.search(r"[(\[]\s*([A-Za-z%]+)\s*[)\]]\s*$", name)
    return UNITS.get(found[1].lower(), "") if found else ""


def is_side_chain(name: str) -> bool:
    """Whether an audio input by its name is for another track; it is given the main input."""
    return re.search(r"side.?chain", name, re.IGNORECASE) is not None


def symbols(names: Iterable[str]) -> list[str]:
    """A Python identifier for each name, lower case, unique: "Stereo Det. 1" is stereo_det_1."""
    found: list[str] = []
    for name in names:
        plain = unicodedata.normalize("NFKD", name).replace("#", " sharp ")
        plain = re.sub(r"[^0-9a-z]+", "_", plain.lower()).strip("_") or "param"
        found.append(plain)
    return unique(found)


def unique(names: Iterable[str]) -> list[str]:
    """Names made to identifiers as they stand, a number after those that came before."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"\W", "_", name, flags=re.ASCII)
        if not plain or plain[0].isdigit():
            plain = f"p{plain}"
        if keyword.iskeyword(plain):
            plain += "_"
        candidate, number = plain, 2
        while candidate in found:
            candidate, number = f"{plain}_{number}", number + 1
        found.append(candidate)
    return found
