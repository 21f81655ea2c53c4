"""Threads before and behind: order, errors, and that no thread outlives its block."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dspcore.overlap import ahead, behind


def alive() -> int:
    return sum(thread.name.startswith("dspcore ") for thread in threading.enumerate())


def broken() -> Iterator[int]:
    yield from (1, 2)
    raise ValueError("three")


def test_items_come_in_order() -> None:
    with ahead(range(100)) as items:
        assert list(items) == list(range(100))
    assert alive() == 0


def test_an_error_comes_where_its_item_would_have() -> None:
    with ahead(broken()) as items:
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(ValueError, match="three"):
            next(items)
    assert alive() == 0


def test_leaving_early_stops_the_thread() -> None:
    made: list[int] = []

    def counted() -> Iterator[int]:
        for i in range(1_000):
            made.append(i)
            yield i

    with ahead(counted()) as items:
        assert next(items) == 0
    assert alive() == 0
    assert len(made) < 10


def test_everything_is_used_in_order_by_the_end() -> None:
    used: list[int] = []
    with behind(used.append) as hand:
        for i in range(100):
            hand(i)
    assert used == list(range(100))
    assert alive() == 0


def test_what_the_user_raises_is_raised() -> None:
    def refuse(i: int) -> None:
        if i == 1:
            raise ValueError("one")

    def hand_over(items: range) -> None:
        with behind(refuse) as hand:
            for i in items:
                hand(i)

    for items in (range(100), range(1, 2)):
        with pytest.raises(ValueError, match="one"):
            hand_over(items)
    assert alive() == 0


def test_an_error_inside_wins() -> None:
    def interrupted() -> None:
        with behind(lambda _: None) as hand:
            hand(0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert alive() == 0
