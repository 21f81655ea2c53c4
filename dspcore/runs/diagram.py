"""The tree of modules as boxes in HTML and as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

#: Of a module with more children than these, the middle ones are folded.
_SHOWN = 12


def boxes(modules: Sequence[dict[str, Any]], depth: int = 3) -> str:
    """Nested boxes, each with name, class and number of parameters; `depth` levels are open."""
    return (
        '<div class="tree">' + "".join(_box(branch, depth) for branch in modules) + "</div>"
        "<style>.tree details, .tree p { border: 1px solid #d1d5db; border-radius: .4rem; margin: "
        ".25rem 0 .25rem .6rem; padding: .15rem .6rem; font-size: .85rem; } .tree summary "
        "{ cursor: pointer; }</style>"
    )


def lines(modules: Sequence[dict[str, Any]], depth: int = 2) -> Iterator[str]:
    """The same for a text, two spaces for each level."""
    for branch in modules:
        yield from _lines(branch, depth, "")


def parameters(modules: Sequence[dict[str, Any]]) -> int:
    """Parameters of all modules."""
    return sum(branch["parameters"] for branch in modules)


def _box(branch: dict[str, Any], depth: int) -> str:
    count = branch["parameters"]
    still = "" if branch["trained"] else ", frozen"
    fact = f"{count:,} parameters{still}" if count else ""
    if branch["facts"] and not branch["children"]:
        fact = f"{branch['facts']}{'; ' if fact else ''}{fact}"
    label = (
        f"<b>{escape(branch['name'])}</b> {escape(branch['type'])} "
        f'<span class="quiet">{escape(fact)}</span>'
    )
    children = branch["children"]
    if not children:
        return f"<p>{label}</p>"
    kept = children
    if len(children) > _SHOWN:
        kept = [*children[: _SHOWN // 2], None, *children[-_SHOWN // 2 :]]
    inner = "".join(
        f'<p class="quiet">{len(children) - _SHOWN} more</p>' if c is None else _box(c, depth - 1)
        for c in kept
    )
    return f"<details{' open' if depth > 1 else ''}><summary>{label}</summary>{inner}</details>"


def _lines(branch: dict[str, Any], depth: int, before: str) -> Iterator[str]:
    yield f"{before}{branch['name']} ({branch['type']}, {branch['parameters']:,})"
    for child in branch["children"] if depth > 0 else ():
        yield from _lines(child, depth - 1, before + "  ")
