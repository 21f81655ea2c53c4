"""`match` finds hidden settings on real recordings."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.matching import RECORDINGS, recover


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDINGS[3:])  # python -m bench.matching takes all
def test_match_comes_thirty_db_nearer(name: str, data_folder: Path) -> None:
    _, found = recover(data_folder / name, seconds=1.5, refinements=2, hops=0, refine_steps=60)
    assert found.after_db < found.before_db - 30
