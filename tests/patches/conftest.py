"""What the tests of patches share: the small instruments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import small_synths

from dspcore.notes import Note
from dspcore.patches import Renderer, open_renderer


@pytest.fixture
def opened() -> Iterator[Callable[..., Renderer]]:
    """Opens an instrument of small_synths.py; its workers end with the test."""
    made: list[Renderer] = []

    def open_one(name: str, **told: Any) -> Renderer:
        told = {"sample_rate": 8_000, "seconds": 0.5, "note": Note(0.0, 0.4, 60), **told}
        told.setdefault("workers", 1)
        made.append(open_renderer(f"function:{small_synths.HERE}:{name}", **told))
        return made[-1]

    yield open_one
    for renderer in made:
        renderer.close()
