"""Things that can be added from outside by kind and name: hosts, controllers, estimators.

A package adds its own by an entry point of the group ``dspcore.<kind>``; a script by `register`.
"""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from dspcore.errors import UserError, nearest

_registered: dict[str, dict[str, Any]] = {}


def register(kind: str, name: str, item: Any = None) -> Any:
    """Make `item` known as `name`; without an item, a decorator that does so.

    Args:
        kind: "hosts", "estimators", or another that a part of dspcore asks for.
        name: What users write.
        item: The thing itself, or ``"module:attribute"``, which is imported when first asked for.

    Returns:
        The item, or the decorator.

    Raises:
        ValueError: The name is taken by something else.
    """
    if item is None:
        return lambda given: register(kind, name, given)
    there = _registered.setdefault(kind, {})
    if name in there and there[name] != item:
        raise ValueError(f"registry: {kind} {name!r} is {there[name]!r} already; take another name")
    there[name] = item
    return item


def get(kind: str, name: str) -> Any:
    """What is registered as `name`; `UserError` with the nearest names when nothing is."""
    there = _registered.get(kind, {})
    item = there[name] if name in there else _installed(kind).get(name)
    if item is None:
        raise UserError(f"unknown {kind.removesuffix('s')} {name!r}; {nearest(name, names(kind))}")
    return imported(item) if isinstance(item, str) else _loaded(kind, item)


def names(kind: str) -> list[str]:
    """Every name of a kind, sorted; nothing is imported for it."""
    return sorted({*_registered.get(kind, {}), *_installed(kind)})


def imported(target: str) -> Any:
    """The attribute that ``"module:attribute"`` names; `UserError` when there is none."""
    module, _, attribute = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{target}: cannot be imported: {error}") from error
    return found


def _installed(kind: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"dspcore.{kind}")}


def _loaded(kind: str, item: Any) -> Any:
    if not isinstance(item, EntryPoint):
        return item
    try:
        return item.load()
    except (ImportError, AttributeError) as error:
        maker = item.dist.name if item.dist else "an installed package"
        raise UserError(f"{kind} {item.name!r} of {maker} cannot be imported: {error}") from error
