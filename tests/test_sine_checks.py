"""docs/sine_targets.md: every check of the specification names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "sine_targets.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/\S+?\.py)::(test_\w+)`")


def test_every_check_has_a_test() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+)$", PAGE, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 24))
    for number, row in rows:
        assert NAMED.search(row), number


def test_the_tests_that_are_named_exist() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > 30
    for path, name in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", text, re.MULTILINE), f"{path}::{name}"


def test_every_target_has_a_line() -> None:
    assert [int(n) for n in re.findall(r"^\| M(\d+) \|", PAGE, re.MULTILINE)] == list(range(1, 19))
