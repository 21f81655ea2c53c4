"""What every recipe does with its answer: print a table, draw a figure, write a page."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "questions"
INDEX = ROOT / "docs" / "questions.md"
HEAD = """# Questions about sine networks

A researcher's journal left fifteen open; each is answered by a run of a minute or so on
one core. `python python/questions/qNN_*.py` runs one again, prints its table and writes its page
and figure. [Partials](estimate.md) shows the tools.

| | question | short answer |
| --- | --- | --- |
"""


@dataclass(frozen=True)
class Answer:
    """One question answered.

    Attributes:
        number: 1 to 15.
        question: As asked.
        short: The answer in a sentence.
        text: The answer in a paragraph or two, in Markdown, with what was measured and its limits.
        head: Of the table.
        rows: Of the table.
        caption: Of the figure.
    """

    number: int
    question: str
    short: str
    text: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str

    def publish(self, draw: Callable[[Figure], None], *, script: str) -> None:
        """Print the table and write page, figure and index."""
        name = f"q{self.number:02d}"
        lines = [f"| {' | '.join(self.head)} |", "|" + " --- |" * len(self.head)]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        print(f"Q{self.number}. {self.question}\n\n" + "\n".join(lines) + f"\n\n{self.short}")
        PAGES.mkdir(exist_ok=True)
        (PAGES / f"{name}.png").write_bytes(drawn(draw))
        page = (
            f"# Q{self.number}. {self.question}\n\n**{self.short}**\n\n{self.text}\n\n"
            + "\n".join(lines)
            + f"\n\n![{self.caption}]({name}.png)\n\n{self.caption}\n\n"
            + f"Run again: `python python/questions/{Path(script).name}`.\n"
        )
        (PAGES / f"{name}.md").write_text(page, encoding="utf-8")
        write_index()


def write_index() -> None:
    """Collect the pages that are there."""
    rows = []
    for path in sorted(PAGES.glob("q*.md")):
        title, _, rest = path.read_text(encoding="utf-8").partition("\n\n")
        number, _, question = title.removeprefix("# ").partition(". ")
        short = rest.partition("**\n")[0].removeprefix("**")
        rows.append(f"| [{number}](questions/{path.name}) | {question} | {short} |")
    INDEX.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


def drawn(draw: Callable[[Figure], None]) -> bytes:
    """A small PNG of what `draw` puts on a figure."""
    from matplotlib.figure import Figure

    style = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context({**style, "legend.frameon": False}):  # type: ignore[dict-item]
        figure = Figure(figsize=(6.4, 3.0), dpi=100, layout="constrained")
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
