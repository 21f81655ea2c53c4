"""Tables of a report, as HTML and as Markdown from the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

Row = Sequence[str]


def html_table(head: Row, rows: Sequence[Row], words: int = 1) -> str:
    """A table whose first `words` columns are words."""

    def cells(row: Row, kind: str) -> str:
        return "".join(
            f"<{kind}{' class=word' if i < words else ''}>{escape(cell)}</{kind}>"
            for i, cell in enumerate(row)
        )

    lines = [f"<tr>{cells(head, 'th')}</tr>", *(f"<tr>{cells(row, 'td')}</tr>" for row in rows)]
    return '<div class="scroll"><table>' + "\n".join(lines) + "</table></div>"


def markdown_table(head: Row, rows: Sequence[Row], words: int = 1) -> str:
    """The same in Markdown."""
    rule = ["---" if i < words else "---:" for i in range(len(head))]
    lines = [head, rule, *rows]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in lines)


def number(value: object) -> str:
    """A setting or a result as a cell shows it."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)
