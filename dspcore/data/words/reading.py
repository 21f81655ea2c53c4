"""Read what aligners write: TextGrid, and the JSON, CSV and SMIL of several programs."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from dspcore.data.words.word import Word, checked
from dspcore.errors import UserError, nearest
from dspcore.files import check_readable, read_text

#: Labels of aligners for no speech.
SILENCE = {"", "<eps>", "sil", "sp", "spn", "<unk>", "[silence]"}


def read_words(path: str | os.PathLike[str], tier: str = "") -> list[Word]:
    """Read the words of an alignment, in the order they are said; silence is left out.

    Known are TextGrid, long and short, praatio's and the Montreal Forced Aligner's JSON and CSV;
    the JSON of Qwen3-ForcedAligner, of CTC aligners and WhisperX, and of dspcore itself; aeneas'
    JSON and SMIL (whose words are the fragments' names). The file's content decides, not its name.

    Args:
        path: The file.
        tier: Of a file with tiers; by default the one called "words", or the only one.

    Raises:
        UserError: The file is missing or in none of these forms, a tier is missing, or times are
            not in order.
        RuntimeError: praatio, of the extra `data`, is missing for a TextGrid.
    """
    if Path(path).suffix.lower() == ".textgrid":
        check_readable(path)
        return checked(_tiers(path, tier), path)
    text = read_text(path)
    start = text.lstrip("\ufeff \t\r\n")[:200]
    if start.startswith(("File type", '"ooTextFile')):
        found: Iterable[Word] = _tiers(path, tier)
    elif start.startswith("<"):
        found = _smil(text, path)
    elif start.startswith(("{", "[")):
        found = _json(text, path, tier)
    elif start.lower().startswith("begin,end"):
        found = _csv(text, tier)
    else:
        raise UserError(f"{path}: no alignment that is known: TextGrid, JSON, SMIL or CSV")
    return checked(list(found), path)


def _tiers(path: str | os.PathLike[str], tier: str) -> list[Word]:
    try:
        from praatio import textgrid
        from praatio.utilities.errors import PraatioException
    except ImportError as error:
        raise RuntimeError(
            f"{path}: TextGrids are read by praatio: pip install 'dspcore[data]'"
        ) from error
    try:
        grid = textgrid.openTextgrid(os.fspath(path), includeEmptyIntervals=False)
    except (PraatioException, ValueError, IndexError, KeyError) as error:
        raise UserError(f"{path}: is no TextGrid ({type(error).__name__}: {error})") from error
    name = _tier_name(grid.tierNames, tier, path)
    entries = grid.getTier(name).entries
    return [_word(e.label, e.start, e.end) for e in entries if hasattr(e, "end") and _said(e.label)]


def _tier_name(names: Iterable[str], tier: str, path: str | os.PathLike[str]) -> str:
    known = list(names)
    if tier:
        if tier not in known:
            raise UserError(f"{path}: no tier {tier!r}; {nearest(tier, known)}")
        return tier
    words = [n for n in known if n.lower() == "words" or n.lower().endswith("- words")]
    if len(words) == 1 or len(known) == 1:
        return (words or known)[0]
    raise UserError(f"{path}: which tier holds the words? --tier, one of: {', '.join(known)}")


def _json(text: str, path: str | os.PathLike[str], tier: str) -> Iterable[Word]:
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: is no JSON ({error})") from error
    if isinstance(given, dict) and "tiers" in given:
        return _tier_json(given["tiers"], path, tier)
    for form in (_ours, _aeneas, _segments):
        try:
            found = form(given)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        if found:
            return found
    raise UserError(
        f"{path}: JSON, but no alignment that is known: dspcore, Qwen, CTC, WhisperX, aeneas, MFA"
    )


def _tier_json(tiers: Any, path: str | os.PathLike[str], tier: str) -> list[Word]:
    """MFA's and praatio's: tiers by name, or a list of tiers with names."""
    by_name = tiers if isinstance(tiers, dict) else {t["name"]: t for t in tiers}
    entries = by_name[_tier_name(by_name, tier, path)]["entries"]
    return [_word(label, start, end) for start, end, label in entries if _said(label)]


def _ours(given: Any) -> list[Word]:
    return [
        Word(w["text"], float(w["start_s"]), float(w["end_s"]), w.get("score"))
        for w in given["words"]
    ]


def _aeneas(given: Any) -> list[Word]:
    return [
        _word(" ".join(f["lines"]), f["begin"], f["end"])
        for f in given["fragments"]
        if _said(" ".join(f["lines"]))
    ]


#: What programs call a word, its start, its end and its score.
_TEXT = ("text", "word", "label")
_START = ("start_time", "start", "begin")
_END = ("end_time", "end")
_SCORE = ("score", "probability", "confidence")


def _segments(given: Any) -> list[Word]:
    """A list of words, or of segments with words, under any of the usual keys."""
    if isinstance(given, Mapping):
        for key in ("words", "word_segments", "segments", "items", "alignment", "results"):
            if given.get(key):
                return _segments(given[key])
        raise KeyError("no list of words")
    found = []
    for item in given:
        if isinstance(item, Mapping) and item.get("words"):
            found += _segments(item["words"])
            continue
        text = _first(item, _TEXT)
        if _said(text):
            score = next((float(item[k]) for k in _SCORE if item.get(k) is not None), None)
            found.append(_word(text, _first(item, _START), _first(item, _END), score))
    return found


def _first(item: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next(item[name] for name in names if name in item)


def _csv(text: str, tier: str) -> list[Word]:
    """MFA's: Begin, End, Label, Type, Speaker."""
    rows = csv.DictReader(io.StringIO(text))
    return [
        _word(row["Label"], row["Begin"], row["End"])
        for row in rows
        if row.get("Type", "words") == (tier or "words") and _said(row["Label"])
    ]


def _smil(text: str, path: str | os.PathLike[str]) -> list[Word]:
    """aeneas': the text of a word stands in another document; its fragment's name stands for it."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UserError(f"{path}: has a document type; SMIL of an aligner has none")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise UserError(f"{path}: is no SMIL ({error})") from error
    found = []
    for pair in root.iter():
        if not pair.tag.endswith("par"):
            continue
        parts = {child.tag.rsplit("}", 1)[-1]: child for child in pair}
        if "text" in parts and "audio" in parts:
            name = parts["text"].get("src", "").partition("#")[2]
            heard = parts["audio"]
            found.append(_word(name, _clock(heard.get("clipBegin")), _clock(heard.get("clipEnd"))))
    if not found:
        raise UserError(f"{path}: no pair of text and audio in it")
    return found


def _clock(value: str | None) -> float:
    """Seconds of "0:00:01.250", "1.25s" or "1250ms"."""
    text = value or "0"
    for unit, scale in (("ms", 1e-3), ("s", 1.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * scale
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def _said(label: str) -> bool:
    return label.strip().lower() not in SILENCE


def _word(text: str, start: Any, end: Any, score: float | None = None) -> Word:
    return Word(text.strip(), float(start), float(end), score)
