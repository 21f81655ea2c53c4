"""The page of an audit: findings by kind, with players."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from html import escape

from dspcore import audio
from dspcore.data.audit import KINDS, Finding
from dspcore.data.manifest import Row, located
from dspcore.errors import UserError
from dspcore.report import numbers, page, player, players

#: So many files of a kind can be listened to; all are listed.
PLAYED = 6
_PLAYED_SECONDS = 10


def audit_page(
    rows: Sequence[Row], findings: Sequence[Finding], manifest: str | os.PathLike[str]
) -> str:
    """HTML that holds all it shows: what the set is, what was found, and how it sounds."""
    by_path = {row.path: row for row in rows}
    kinds: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        kinds[finding.kind].append(finding)
    sound = [row for row in rows if not row.error]
    faulty = {path for finding in findings for path in finding.paths}
    cards = [
        ("files", str(len(rows))),
        ("length", f"{sum(row.seconds for row in sound) / 60:.1f} min"),
        ("groups", str(len({row.group for row in sound}))),
        ("without a finding", str(len(rows) - len(faulty))),
    ]
    parts = [numbers(cards), _summary(kinds)]
    for kind, meaning in KINDS.items():
        if kind in kinds:
            parts.append(f"<h2>{escape(kind)} ({len(kinds[kind])})</h2><p>{escape(meaning)}</p>")
            parts.append(_players(kinds[kind], by_path, manifest))
            parts.append(_listing(kinds[kind]))
    return page("Audit", parts, ["Levels are of the loudest channel, full scale at 0 dBFS."])


def _summary(kinds: dict[str, list[Finding]]) -> str:
    lines = "".join(
        f'<tr><td class="word">{escape(kind)}</td><td>{len(kinds.get(kind, []))}</td>'
        f'<td class="word">{escape(meaning)}</td></tr>'
        for kind, meaning in KINDS.items()
    )
    head = '<tr><th class="word">finding</th><th>found</th><th class="word">rule</th></tr>'
    return f'<div class="scroll"><table>{head}{lines}</table></div>'


def _players(
    found: list[Finding], by_path: dict[str, Row], manifest: str | os.PathLike[str]
) -> str:
    blocks: list[str] = []
    for finding in found:
        for path in finding.paths[:2]:
            if len(blocks) >= PLAYED or by_path[path].error:
                continue
            try:
                sound, rate = audio.read(located(manifest, by_path[path]))
            except UserError:
                continue
            cut = sound[:, : _PLAYED_SECONDS * rate]
            blocks.append(player(path.rsplit("/", 1)[-1], finding.fact, cut, rate))
    return players(blocks) if blocks else ""


def _listing(found: list[Finding]) -> str:
    lines = "".join(
        f'<tr><td class="word">{"<br>".join(escape(path) for path in finding.paths)}</td>'
        f"<td>{escape(finding.fact)}</td></tr>"
        for finding in found
    )
    return f'<div class="scroll"><table>{lines}</table></div>'
