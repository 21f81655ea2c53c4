"""What must hold for every op at any parameters and shapes, read from its record."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_records import error_db, first, leaves, on_tensors, shrink
from torch import Tensor

from dspcore.ops._record import RECORDS, Record

BOUNDED: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
OPS = st.sampled_from(sorted(RECORDS))
SEEDS = st.integers(0, 2**31)
WILD = [0.0, -1.0, 1e-300, -1e30, 1e300, math.inf, -math.inf, math.nan]


def drawn(name: str, seed: int, which: int, most: int) -> tuple[Record, tuple[Any, ...]]:
    """An op and arguments for it: one of its samples with other numbers, up to `most` long."""
    entry = RECORDS[name]
    assert entry.samples is not None
    samples = list(entry.samples(torch.Generator().manual_seed(seed)))
    return entry, shrink(samples[which % len(samples)], most)


def typed(entry: Record, arguments: tuple[Any, ...], dtype: torch.dtype) -> list[Any]:
    return [a.to(dtype) if i == entry.audio else a for i, a in enumerate(arguments)]


def by_rows(entry: Record, arguments: tuple[Any, ...]) -> list[bool]:
    """Which arguments have a row for every item of the batch."""
    table = entry.name == "wavetable"  # (n,) serves all rows
    first_audio = 0 if table else entry.audio or 0
    items = next(a for a in arguments[first_audio:] if isinstance(a, Tensor)).shape[0]
    shared = 2 if entry.name == "sosfilt" else 0  # (k, 6) serves all rows
    weights = entry.name == "sine_layer"  # one set for all rows
    return [
        isinstance(a, Tensor)
        and a.ndim > 0
        and a.ndim != shared
        and a.shape[0] == items
        and not (weights and i > 0)
        and not (table and i == 1 and a.ndim == 1)
        for i, a in enumerate(arguments)
    ]


@settings(max_examples=90, **BOUNDED)
@given(
    name=OPS,
    seed=SEEDS,
    which=st.integers(0, 9),
    most=st.integers(1, 40),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_any_parameters_give_the_reference(
    name: str, seed: int, which: int, most: int, dtype: torch.dtype
) -> None:
    entry, arguments = drawn(name, seed, which, most)
    assert entry.public is not None
    assert entry.reference is not None
    truth = entry.reference(*arguments)
    y = first(entry.public(*typed(entry, arguments, dtype)))
    assert y.shape == truth.shape
    exact = dtype == torch.float64 and not name.startswith("antialiased")
    # A short cut may leave a quiet beginning of a signal whose scale the budget was made for.
    assert error_db(y, truth) < (-180.0 if exact else entry.budget_db + 15)


@settings(max_examples=120, **BOUNDED)
@given(name=OPS, seed=SEEDS, which=st.integers(0, 9), most=st.integers(1, 100))
def test_backward_is_the_adjoint_of_forward(name: str, seed: int, which: int, most: int) -> None:
    """For any v and w, w . (J v) by forward mode is v . (w J) by reverse mode."""
    entry, arguments = drawn(name, seed, which, most)
    function, tensors = on_tensors(entry, arguments)
    generator = torch.Generator().manual_seed(seed)
    moves = [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in tensors]
    results, pull = torch.func.vjp(function, *(t.detach() for t in tensors))
    weights = [torch.randn(y.shape, generator=generator, dtype=y.dtype) for y in results]
    back = pull(tuple(weights))
    _, along = torch.func.jvp(function, tuple(t.detach() for t in tensors), tuple(moves))
    left = sum((w * a).sum() for w, a in zip(weights, along, strict=True))
    right = sum((g * m).sum() for g, m in zip(back, moves, strict=True))
    size = sum((g * m).abs().sum() for g, m in zip(back, moves, strict=True))
    assert abs(float(left - right)) <= 1e-9 * float(size) + 1e-12


@settings(max_examples=60, **BOUNDED)
@given(
    name=OPS.filter(lambda name: name != "noise"),  # whose rows differ by their number
    seed=SEEDS,
    which=st.integers(0, 9),
    order=st.lists(st.integers(0, 5), min_size=1, max_size=19),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_a_batch_of_any_size_is_its_rows(
    name: str, seed: int, which: int, order: list[int], dtype: torch.dtype
) -> None:
    entry, arguments = drawn(name, seed, which, 40)
    assert entry.public is not None
    given = typed(entry, arguments, dtype)
    rows = by_rows(entry, arguments)
    items = next(a for a, r in zip(given, rows, strict=True) if r).shape[0]
    pick = torch.tensor(order) % items
    many = [a[pick] if r else a for a, r in zip(given, rows, strict=True)]
    found, expected = first(entry.public(*many)), first(entry.public(*given))[pick]
    assert found.shape == expected.shape
    # Rows on lanes and rows alone contract their sums differently.
    assert error_db(found, expected.double()) < (
        entry.budget_db if dtype == torch.float32 else -230.0
    )


@settings(max_examples=60, **BOUNDED)
@given(
    name=OPS,
    seed=SEEDS,
    which=st.integers(0, 9),
    place=st.floats(0, 0.999),
    bad=st.sampled_from(WILD[5:]),
)
def test_what_is_not_finite_stays_in_its_row(
    name: str, seed: int, which: int, place: float, bad: float
) -> None:
    entry, arguments = drawn(name, seed, which, 40)
    assert entry.public is not None
    rows = by_rows(entry, arguments)
    pick = torch.tensor([0, 0, 0])
    many = [a[pick].clone() if r else a for a, r in zip(arguments, rows, strict=True)]
    clean = first(entry.public(*many))
    at = entry.audio if entry.audio is not None else 0
    if not rows[at]:
        return
    many[at][1].view(-1)[int(place * many[at][1].numel())] = bad
    try:
        y = first(entry.public(*many))
    except ValueError:
        return  # a formula that says what it wants
    # Clippers bound it, gains of what is too loud are 0 or 1, lines may hold it beyond the end, and
    # a harmonic above half a cycle per sample is not heard.
    bounded = ("antialiased", "compressor", "feedback_compressor", "gate", "limiter", "reduction")
    deaf = (*bounded, "delay", "freeverb", "harmonics")
    assert not y[1].isfinite().all() or name.startswith(deaf)
    for row in (0, 2):
        assert torch.equal(y[row], clean[row])


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_wild_parameters_are_refused_or_answered(name: str) -> None:
    """Every tensor in turn full of what no one would ask for: an error, or results."""
    entry, arguments = drawn(name, 0, 0, 40)
    for value in WILD:
        for i, argument in enumerate(arguments):
            if not isinstance(argument, Tensor):
                continue
            wild = list(arguments)
            wild[i] = torch.full_like(argument, value)
            function, tensors = on_tensors(entry, tuple(wild))
            _answered(function, tensors, [tuple(y.shape) for y in leaves(_plain(entry, arguments))])


def _plain(entry: Record, arguments: tuple[Any, ...]) -> Any:
    assert entry.public is not None
    return entry.public(*arguments)


def _answered(
    function: Callable[..., Any], tensors: list[Tensor], shapes: list[tuple[int, ...]]
) -> None:
    try:
        results = function(*tensors)
    except ValueError:
        return
    assert [tuple(y.shape) for y in results] == shapes
    found = torch.autograd.grad(sum(y.sum() for y in results), tensors, allow_unused=True)
    assert all(g is None or g.shape == t.shape for g, t in zip(found, tensors, strict=True))
