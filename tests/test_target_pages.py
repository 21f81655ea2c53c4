"""docs/*_targets.md: every check of a specification names tests that exist, every target stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`(tests/\S+?\.py)::(test_\w+)`")

#: Page, letters before the numbers of its checks and targets, how many there are, tests named.
PAGES = [
    ("sine", "", 23, "M", 18, 30),
    ("patch", "A", 15, "T", 6, 30),
    ("style", "", 21, "M", 11, 30),
]


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}_targets.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "check", "checks", "target", "targets", "least"), PAGES)
def test_checks_and_targets_have_a_line_each_and_tests_that_exist(
    name: str, check: str, checks: int, target: str, targets: int, least: int
) -> None:
    text = page(name)
    rows = re.findall(rf"^\| {check}(\d+) \| (.+)$", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, checks + 1))
    for number, row in rows:
        assert NAMED.search(row), number
    named = NAMED.findall(text)
    assert len(named) >= least
    for path, test in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^def {test}\(", source, re.MULTILINE), f"{path}::{test}"
    found = re.findall(rf"^\| {target}(\d+) \|", text, re.MULTILINE)
    assert [int(number) for number in found] == list(range(1, targets + 1))
