"""A program: recordings of one part at many rates and block lengths, as one, with formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree

from dspcore.export.numbers import Formula, over_rate, over_samples
from dspcore.export.record import CannotExportError, Node, Recording, Ref
from dspcore.export.tables import Table

Grid = tuple[int, int]  # rate, samples
Whole = tuple[Formula, Formula]  # a and b of a + b n


@dataclass(frozen=True)
class Slot:
    """A piece of memory: `count` numbers of 32 or 64 bits."""

    kind: str
    name: str
    dtype: torch.dtype
    values: tuple[Formula, ...] = ()  # of a constant, one where all are the same
    count: Whole | None = None  # of a constant: its numbers, of which tensors may see a part
    table: int | None = None  # which of the effect's tables a constant is


@dataclass(frozen=True)
class Shown:
    """A tensor: how a slot is seen."""

    slot: int
    dtype: torch.dtype
    size: tuple[Whole, ...]
    stride: tuple[Whole, ...] | None  # None: without gaps
    offset: Whole


@dataclass(frozen=True)
class Step:
    """One operation; `Shown` in place of tensors, `Formula` in place of numbers."""

    op: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    results: tuple[Shown, ...]
    writes: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """What one part does with a block, from `states` to `ends`."""

    least_rate: int

    slots: tuple[Slot, ...]
    steps: tuple[Step, ...]
    inputs: Mapping[str, Shown]
    states: tuple[Shown, ...]
    output: Shown
    ends: tuple[Shown, ...]

    @property
    def unexplained(self) -> int:
        """How many constants have neither a formula nor a table."""
        open_ = (s for s in self.slots if s.kind == "constant" and not s.values)
        return sum(slot.table is None for slot in open_)


def unify(recordings: Mapping[Grid, Recording], tables: Sequence[Table] = ()) -> Program:
    """One program of recordings by (rate, samples), whose constants may be some of `tables`.

    Raises:
        CannotExportError: They differ in more than numbers that have a formula.
    """
    return _Unifier(recordings, tables).program()


class _Unifier:
    def __init__(self, recordings: Mapping[Grid, Recording], tables: Sequence[Table]) -> None:
        self.recordings, self.tables = recordings, tables
        self.first = next(iter(recordings.values()))
        self.constants: dict[int, tuple[Formula, ...]] = {}

    def program(self) -> Program:
        for recording in self.recordings.values():
            if [n.op for n in recording.nodes] != [n.op for n in self.first.nodes] or len(
                recording.storages
            ) != len(self.first.storages):
                raise CannotExportError(
                    "it takes other steps at other sample rates or block lengths"
                )
        for i in range(len(self.first.storages)):
            if found := self._constant(i):
                self.constants[i] = found
        steps = [
            self._step([r.nodes[i] for r in self.recordings.values()])
            for i, node in enumerate(self.first.nodes)
            if not self.constants.keys() >= set(node.writes)
        ]
        slots = [self._slot(i) for i in range(len(self.first.storages))]
        first = self.first
        assert first.output is not None
        return Program(
            min(rate for rate, _ in self.recordings),
            tuple(slots),
            tuple(steps),
            {k: self._shown([r.inputs[k] for r in self._all()]) for k in first.inputs},
            tuple(
                self._shown([r.states[i] for r in self._all()]) for i in range(len(first.states))
            ),
            self._shown([r.output for r in self._all() if r.output is not None]),
            tuple(self._shown([r.ends[i] for r in self._all()]) for i in range(len(first.ends))),
        )

    def _all(self) -> list[Recording]:
        return list(self.recordings.values())

    def _constant(self, index: int) -> tuple[Formula, ...] | None:
        """The values of a storage that depend on the rate alone and have formulas; else None."""
        by_rate: dict[int, torch.Tensor] = {}
        for (rate, _), recording in self.recordings.items():
            storage = recording.storages[index]
            if storage.varies or storage.kind not in ("made", "constant"):
                return None
            values = by_rate.setdefault(rate, storage.tensor)
            same = values.shape == storage.tensor.shape
            if not same or not torch.equal(values.nan_to_num(), storage.tensor.nan_to_num()):
                return None
        if all(v.numel() and bool((v == v[0]).all()) for v in by_rate.values()):
            found = [over_rate({rate: _number(v[0].item()) for rate, v in by_rate.items()})]
            if self.first.storages[index].kind == "made" and found[0].table:
                return None
        elif len({v.numel() for v in by_rate.values()}) > 1:
            return None
        else:
            tables = {rate: v.tolist() for rate, v in by_rate.items()}
            computed = self.first.storages[index].kind == "made"
            found = []
            for i in range(len(next(iter(tables.values())))):
                found.append(over_rate({r: _number(t[i]) for r, t in tables.items()}))
                if computed and found[-1].table:
                    return None  # rather its steps than a table
        return tuple(found)

    def _slot(self, index: int) -> Slot:
        first = self.first.storages[index]
        values = self.constants.get(index, ())
        table = self._table(index) if first.kind == "constant" and not values else None
        kind = "constant" if values else first.kind
        count: Whole | None = None
        if values:
            with suppress(CannotExportError):
                count = self._whole([r.storages[index].count for r in self._all()])
        return Slot(kind, first.name, first.dtype, values, count, table)

    def _table(self, index: int) -> int | None:
        """Which table a constant is whose length depends on the rate."""
        by_rate = {rate: r.storages[index].tensor for (rate, _), r in self.recordings.items()}
        return next((i for i, table in enumerate(self.tables) if table.explains(by_rate)), None)

    def _step(self, nodes: Sequence[Node]) -> Step:
        first = nodes[0]
        flat = [self._flat((n.args, n.kwargs)) for n in nodes]
        if len({len(leaves) for leaves, _ in flat}) > 1:
            raise CannotExportError(f"{first.op} takes other arguments at other rates or lengths")
        leaves = [self._leaf([each[0][i] for each in flat]) for i in range(len(flat[0][0]))]
        args, kwargs = pytree.tree_unflatten(leaves, flat[0][1])
        results = tuple(
            self._shown([n.results[i] for n in nodes]) for i in range(len(first.results))
        )
        return Step(first.op, args, kwargs, results, first.writes)

    @staticmethod
    def _flat(tree: Any) -> tuple[list[Any], Any]:
        return pytree.tree_flatten(tree, is_leaf=lambda x: isinstance(x, Ref))

    def _leaf(self, values: Sequence[Any]) -> Any:
        first = values[0]
        if isinstance(first, Ref):
            return self._shown(values)
        if isinstance(first, (bool, int, float)):
            if isinstance(first, int) and any(v != first for v in values):
                return self._whole(values)
            by_rate: dict[int, float] = {}
            for (rate, _), value in zip(self.recordings, values, strict=True):
                if by_rate.setdefault(rate, value) != value:
                    raise CannotExportError("a number in it depends on the block's length")
            return over_rate(by_rate)
        if any(str(value) != str(first) for value in values):
            raise CannotExportError(f"{first} is another at other rates or lengths")
        return first

    def _shown(self, refs: Sequence[Ref]) -> Shown:
        first = refs[0]
        if len({(r.storage, r.dtype, len(r.size)) for r in refs}) > 1:
            raise CannotExportError("its tensors lie elsewhere at other rates or lengths")
        columns = zip(*(r.size for r in refs), strict=True)
        steps = zip(*(r.stride for r in refs), strict=True)
        return Shown(
            first.storage,
            first.dtype,
            tuple(self._whole(column) for column in columns),
            None if all(map(_dense, refs)) else tuple(self._whole(column) for column in steps),
            self._whole([r.offset for r in refs]),
        )

    def _whole(self, values: Sequence[int]) -> Whole:
        by_grid = dict(zip(self.recordings, (int(v) for v in values), strict=True))
        found = over_samples(by_grid)
        if found is None and any(r.age for r in self._all()):
            since = {at: v - self.recordings[at].age for at, v in by_grid.items()}
            if (later := over_samples(since)) is not None:
                found = Formula(f"age + {later[0].code}", constant=False), later[1]
        if found is None:
            raise CannotExportError("a size in it is no multiple of the block's length and a rest")
        return found


def _number(value: Any) -> float:
    return int(value) if isinstance(value, bool) else value


def _dense(ref: Ref) -> bool:
    stride = 1
    for size, own in zip(ref.size[::-1], ref.stride[::-1], strict=True):
        if own != stride and size != 1:
            return False
        stride *= size
    return True
