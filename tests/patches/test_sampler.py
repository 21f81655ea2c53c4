"""Patches by number: numpy's own generator, no two splits alike, a known leak seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator, Philox

from dspcore.errors import UserError
from dspcore.notes import Note
from dspcore.patches import (
    Continuous,
    NoteRange,
    ParamSpace,
    Sampler,
    check_disjoint,
    shared_rows,
    split_key,
)
from dspcore.patches.philox import uniform


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**64 - 1) | st.just(split_key(7, "test")),
    st.lists(st.integers(0, 2**63), min_size=1, max_size=5),
    st.integers(0, 1_000),
    st.integers(1, 40),
)
def test_numbers_are_those_of_numpy(key: int, indices: list[int], attempt: int, k: int) -> None:
    rows = uniform(key, indices, k, attempt)
    for row, index in zip(rows, indices, strict=True):
        counter = np.array([0, 0, attempt, index], np.uint64)
        words = np.array([key % 2**64, key >> 64], np.uint64)
        own = Generator(Philox(key=words, counter=counter)).random(k)
        np.testing.assert_array_equal(row, own)


def plain(k: int) -> ParamSpace:
    return ParamSpace("plain", tuple(Continuous(name=f"p{i}", low=0, high=1) for i in range(k)))


def test_a_row_does_not_depend_on_what_was_drawn_before() -> None:
    notes = NoteRange(pitch=(36, 72), velocity=(40, 120))
    sampler = Sampler(plain(3), 5, "valid", notes)
    rows = [(9, 0), (2, 1), (9, 0), (0, 0)]
    encoded, played = sampler.draws(rows)
    for i, row in enumerate(rows):
        alone, note = Sampler(plain(3), 5, "valid", notes).draw(*row)
        np.testing.assert_array_equal(alone, encoded[i])
        assert note == played[i]
    assert len({note.pitch for note in sampler.draws([(i, 0) for i in range(500)])[1]}) == 37


def test_the_note_does_not_move_the_patch() -> None:
    one = Sampler(plain(4), 1, notes=NoteRange.of(Note(0.0, 1.0, 50))).draw(3)
    other = Sampler(plain(4), 1, notes=NoteRange(pitch=(0, 127))).draw(3)
    np.testing.assert_array_equal(one[0], other[0])


def test_splits_have_other_keys() -> None:
    keys = {split_key(seed, split) for seed in range(200) for split in ("train", "valid", "test")}
    assert len(keys) == 600
    assert split_key(7) == 7
    with pytest.raises(UserError, match="seed: must be 0 to"):
        split_key(-1)


@pytest.mark.slow
def test_a_million_draws_have_no_duplicate() -> None:
    count = 500_000
    rows = np.concatenate([Sampler(plain(2), 7, s).patches(0, count) for s in ("train", "test")])
    assert len(np.unique(rows.view(np.complex128))) == 2 * count


def test_arithmetic_on_seeds_leaks_and_is_refused() -> None:
    """The published generator: patch i of a split has the seed ``split_seed * i``."""

    def patches(split_seed: int, count: int) -> np.ndarray:
        seeds = [(split_seed * i) % (2**31 - 1) for i in range(1, count + 1)]
        return uniform(0, seeds, 4)

    train, valid = patches(123, 40_000), patches(456, 10_240)
    assert shared_rows(train, valid) == pytest.approx(0.0244, abs=2e-4)
    with pytest.raises(UserError, match=r"2\.4.* of its 10240 patches are in the training set"):
        check_disjoint(train, valid, "valid")
    own = [Sampler(plain(4), 123, split).patches(0, 10_240) for split in ("train", "valid")]
    check_disjoint(own[0], own[1], "valid")
