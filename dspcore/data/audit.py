"""What is wrong with a set of recordings, each finding with its file, its number and its rule."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dspcore.data.alike import near_copies, picture, sets
from dspcore.data.manifest import Row, located

#: What is looked for, and what a finding means for training.
KINDS = {
    "unreadable": "cannot be read as audio, or holds NaN or infinite samples",
    "silent": "never louder than -60 dBFS",
    "clipped": "flat tops near full scale: three equal samples in a row or more",
    "dc": "a constant offset above 1 % of full scale",
    "late onset": "more than 50 ms before the sound comes within 30 dB of its peak",
    "too short": "shorter than 20 ms",
    "wrong rate": "its content ends at half of a lower usual rate: it was resampled from there",
    "odd rate": "another rate than most files of the set",
    "duplicate": "the same bytes as another file",
    "near duplicate": "the same sound as another file at another level, rate or format",
}


@dataclass(frozen=True)
class Limits:
    """Beyond which a file is found."""

    silent_db: float = -60.0
    clipped_samples: int = 3
    dc: float = 0.01
    onset_s: float = 0.05
    least_s: float = 0.02


@dataclass(frozen=True)
class Finding:
    """One fault: its kind, the files it concerns (several for copies), and the number behind it."""

    kind: str
    paths: tuple[str, ...]
    fact: str


def audit(
    rows: Sequence[Row],
    manifest: str | os.PathLike[str],
    limits: Limits | None = None,
    *,
    alike: bool = True,
    progress: Callable[[Iterable[Row]], Iterable[Row]] = iter,
) -> list[Finding]:
    """Look through a manifest.

    Args:
        rows: Of the manifest.
        manifest: Where it lies: near copies are found from the sound.
        limits: Beyond which a file is found.
        alike: Whether to look for near copies, which reads four seconds of each file.
        progress: Wraps the rows as ``tqdm`` does.

    Returns:
        Findings by kind in the order of `KINDS`, then by path.
    """
    limits = limits or Limits()
    sound = [row for row in rows if not row.error]
    found = [Finding("unreadable", (row.path,), row.error) for row in rows if row.error]
    for row in sound:
        found += [Finding(kind, (row.path,), fact) for kind, fact in _faults(row, limits)]
    found += _odd_rates(sound)
    for same in sets(row.sha1 or row.path for row in sound):
        paths = tuple(sorted(sound[i].path for i in same))
        found.append(Finding("duplicate", paths, f"{len(paths)} files with the same bytes"))
    if alike:
        found += _near(sound, manifest, limits, progress)
    order = list(KINDS)
    return sorted(found, key=lambda f: (order.index(f.kind), f.paths))


def _faults(row: Row, limits: Limits) -> list[tuple[str, str]]:
    faults = []
    level = 20 * math.log10(row.peak) if row.peak else -math.inf
    if level < limits.silent_db:
        faults.append(("silent", f"peak {level:.0f} dBFS" if row.peak else "all zeros"))
    if row.clipped >= limits.clipped_samples:
        faults.append(("clipped", f"{row.clipped} samples at {level:.1f} dBFS"))
    if abs(row.dc) > limits.dc:
        faults.append(("dc", f"{100 * row.dc:.1f} % of full scale"))
    if row.onset_s > limits.onset_s:
        faults.append(("late onset", f"{1000 * row.onset_s:.0f} ms"))
    if row.seconds < limits.least_s:
        faults.append(("too short", f"{1000 * row.seconds:.1f} ms"))
    if row.likely_rate:
        edge = row.likely_rate / 2
        faults.append(("wrong rate", f"{row.sample_rate} Hz, but nothing above {edge:.0f} Hz"))
    return faults


def _odd_rates(rows: Sequence[Row]) -> list[Finding]:
    counts: dict[int, int] = {}
    for row in rows:
        counts[row.sample_rate] = counts.get(row.sample_rate, 0) + 1
    usual = max(counts, key=lambda rate: (counts[rate], rate), default=0)
    return [
        Finding("odd rate", (row.path,), f"{row.sample_rate} Hz among {usual} Hz")
        for row in rows
        if row.sample_rate != usual
    ]


def _near(
    rows: Sequence[Row],
    manifest: str | os.PathLike[str],
    limits: Limits,
    progress: Callable[[Iterable[Row]], Iterable[Row]],
) -> list[Finding]:
    floor = 10 ** (limits.silent_db / 20)
    heard = {row.sha1 or row.path: row for row in rows if row.peak >= floor}  # copies once
    kept = list(heard.values())
    if len(kept) < 2:
        return []
    pictures = np.stack([picture(located(manifest, row)) for row in progress(kept)])
    found = []
    for same in near_copies(pictures, [row.seconds for row in kept]):
        paths = tuple(sorted(kept[i].path for i in same))
        cosine = min(float(pictures[same[0]] @ pictures[i]) for i in same[1:])
        found.append(Finding("near duplicate", paths, f"likeness {cosine:.4f}"))
    return found
