"""Which files, folders, tags and scales a loss comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Item:
    """One file: where it lies, what it is tagged with, its loss in all and by part."""

    path: str
    loss: float
    tags: tuple[str, ...] = ()
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """What stands before its name."""
        return self.path.rpartition("/")[0] or "."


def items(
    paths: Sequence[str],
    loss: Tensor,
    *,
    tags: Sequence[Sequence[str]] | None = None,
    parts: Mapping[str, Tensor] | None = None,
) -> list[Item]:
    """Items from losses (n,), the worst first.

    Args:
        paths: Of the files.
        loss: (n,).
        tags: Of each.
        parts: By name (n,): of each scale or term of the loss.
    """
    if loss.shape != (len(paths),):
        raise ValueError(f"items: loss must be ({len(paths)},), got {tuple(loss.shape)}")
    order = torch.nan_to_num(loss, nan=float("inf")).argsort(descending=True).tolist()
    return [
        Item(
            paths[i],
            float(loss[i]),
            tuple(tags[i]) if tags is not None else (),
            {name: float(values[i]) for name, values in (parts or {}).items()},
        )
        for i in order
    ]


def by_group(found: Sequence[Item], of: str = "folder") -> list[tuple[str, int, float, float]]:
    """Name, count, mean and worst loss of each folder or tag, the worst mean first.

    Args:
        found: From `items`.
        of: folder, or tag; an item counts for each of its tags.
    """
    if of not in ("folder", "tag"):
        raise ValueError(f"by_group: of must be folder or tag, got {of!r}")
    groups: dict[str, list[float]] = {}
    for item in found:
        for name in (item.folder,) if of == "folder" else item.tags:
            groups.setdefault(name, []).append(item.loss)
    rows = [(name, len(v), sum(v) / len(v), max(v)) for name, v in groups.items()]
    return sorted(rows, key=lambda row: (-row[2], row[0]))


def by_part(found: Sequence[Item]) -> dict[str, float]:
    """The mean of each part of the loss over the items."""
    names = list(dict.fromkeys(name for item in found for name in item.parts))
    means = {}
    for name in names:
        values = [item.parts[name] for item in found if name in item.parts]
        means[name] = sum(values) / len(values)
    return means


def as_json(found: Sequence[Item]) -> list[dict[str, Any]]:
    """Rows for items.json."""
    return [{"path": i.path, "loss": i.loss, "tags": list(i.tags), "parts": i.parts} for i in found]


def from_json(rows: Sequence[Mapping[str, Any]]) -> list[Item]:
    """The opposite of `as_json`."""
    return [Item(r["path"], r["loss"], tuple(r["tags"]), dict(r["parts"])) for r in rows]
