"""Plain tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows in aligned columns under their heads; a column without any content is left out."""
    kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
    lines = [[line[i] for i in kept] for line in [head, *rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(kept))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
