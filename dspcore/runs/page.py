"""One page about one or several runs: HTML that holds all it shows, Markdown, results.json."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from dspcore.files import write_text
from dspcore.report import numbers, page
from dspcore.runs.comparison import Align, titles
from dspcore.runs.results import results
from dspcore.runs.sections import Section, overview, sections
from dspcore.runs.style import HEAD, head_scores, score_rows
from dspcore.runs.tables import html_table, markdown_table
from dspcore.train import read_run

#: What every run has written.
METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class Report:
    """A report, to be saved.

    Attributes:
        html: A page that holds all it shows.
        markdown: The same without sounds, pictures by name.
        results: All numbers.
        pictures: PNGs by name, of the Markdown.
    """

    html: str
    markdown: str
    results: dict[str, Any]
    pictures: dict[str, bytes]

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write report.html, report.md, results.json and figures/ into a folder."""
        place = Path(folder)
        (place / "figures").mkdir(parents=True, exist_ok=True)
        for name, png in self.pictures.items():
            (place / "figures" / f"{name}.png").write_bytes(png)
        write_text(place / "results.json", json.dumps(self.results, indent=1) + "\n")
        write_text(place / "report.md", self.markdown)
        write_text(place / "report.html", self.html)


def report(
    folders: Sequence[str | os.PathLike[str]],
    *,
    align: Align = "step",
    latent_map: str = "pca",
    seed: int = 0,
) -> Report:
    """What there is to see of runs, from the files in their folders alone.

    No model is built and no training data is read, so it works without a GPU and elsewhere.

    Args:
        folders: Of runs of `dspcore.train.fit`, finished or going on; or of heads of controllers,
            whose scores are shown beside doing nothing, chance, one setting for all and the truth.
        align: How curves of several runs lie above each other: by step, or by items seen (data).
        latent_map: pca or umap.
        seed: Of the map by UMAP.

    Raises:
        UserError: A folder is no run, runs cannot be aligned, or UMAP is not installed.
    """
    places = [Path(folder) for folder in folders]
    heads = {f: s for f in places if not (f / METRICS).exists() and (s := head_scores(f))}
    runs = [read_run(folder) for folder in places if folder not in heads]
    names = titles(runs)
    found = results(runs)
    parts: list[tuple[str, list[Section]]] = []
    if len(runs) > 1:
        parts.append(("All runs", overview(runs, names, found, align)))
    for name, run in zip(names, runs, strict=True):
        parts.append((name, sections(run, found["runs"][name], latent_map, seed)))
    for folder, scores in heads.items():
        name = folder.resolve().name
        found.setdefault("style", {})[name] = scores
        parts.append((name, [Section("style", "Style transfer", head=HEAD, rows=score_rows(scores),
                                     words=2)]))  # fmt: skip
    names += [folder.resolve().name for folder in heads]
    title = names[0] if len(names) == 1 else f"{len(names)} runs: {', '.join(names)}"
    pictures: dict[str, bytes] = {}
    html, text = [], [f"# {title}", ""]
    for heading, listed in parts:
        if len(parts) > 1:
            html.append(f'<h2 style="font-size:1.4rem">{escape(heading)}</h2>')
            text += [f"## {heading}", ""]
        for section in listed:
            html.append(_html(section))
            text += _markdown(section, f"{heading}-{section.key}".replace("/", "-"), pictures)
    return Report(page(title, html), "\n".join(text).rstrip() + "\n", found, pictures)


def _html(section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"] if section.title else []
    if section.cards:
        parts.append(numbers(section.cards))
    if section.lines:
        parts.append("<ul>" + "".join(f"<li>{escape(x)}</li>" for x in section.lines) + "</ul>")
    if section.rows:
        parts.append(html_table(section.head, section.rows, section.words))
    if section.png is not None:
        parts.append(section.figure())
    return "\n".join([*parts, section.html])


def _markdown(section: Section, name: str, pictures: dict[str, bytes]) -> list[str]:
    out = [f"### {section.title}", ""] if section.title else []
    if section.cards:
        out += [*(f"- {k}: {v}" for k, v in section.cards), ""]
    out += [*(f"- {line}" for line in section.lines), ""] if section.lines else []
    if section.rows:
        out += [markdown_table(section.head, section.rows, section.words), ""]
    if section.png is not None:
        safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
        pictures[safe] = section.png
        out += [f"![{section.title}](figures/{safe}.png)", "", section.caption, ""]
    out += ["```", *section.text, "```", ""] if section.text else []
    return out
