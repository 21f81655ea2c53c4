"""What is said about an op once: its arguments by named dimensions, and what proves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Dims = dict[str, int]


@dataclass(frozen=True)
class Sample:
    """Arguments for a public op function, made in float64 on the CPU."""

    arguments: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    smooth: bool = True  # False where a kink may lie within a finite difference: no gradcheck


@dataclass(frozen=True)
class Record:
    """One op: what its kernels take and give, and what proves it.

    Dimensions are words: a letter bound by an argument (`t`), an attribute's name, `chunk` and
    `chunks` (samples between two states kept for the backward pass, and how many there are), a
    number, or a sum of products of those (`d+t`). Tensors named in `precise` are float64 whatever
    the audio is; the others have the audio's type, which is that of the first argument. Arguments
    in `shared` may come once for all rows, with b = c = 1.
    """

    name: str
    arguments: Mapping[str, str]
    results: Mapping[str, str]
    workspaces: Mapping[str, str] = field(default_factory=dict)
    scratches: Mapping[str, str] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    precise: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    public: Callable[..., Any] | None = None
    reference: Callable[..., Tensor] | None = None
    samples: Callable[[torch.Generator], Iterator[Sample]] | None = None
    audio: int | None = 0  # the public argument whose type decides that of the result, if one does
    lean: bool = False  # whether forward does without workspaces, though there are scratches
    forms: Mapping[str, tuple[str, Mapping[int, int]]] = field(default_factory=dict)  # for Op.plain
    budget_db: float = -100.0  # error of float32 against the reference, relative to its peak

    @property
    def works_in_kept(self) -> bool:
        """Whether the forward pass itself works in the workspaces, and must be given them."""
        return bool(self.scratches) and not self.lean


def draws(
    generator: torch.Generator,
) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    """What samples are made of: `noise(*shape)` and even `spans(low, high, *shape)`, float64."""

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def spans(low: float, high: float, *shape: int) -> Tensor:
        u = torch.rand(shape, generator=generator, dtype=torch.float64)
        return low + (high - low) * u

    return noise, spans


RECORDS: dict[str, Record] = {}


def record(entry: Record) -> Record:
    """Adds `entry` to the table that tests, docs and benchmarks read."""
    RECORDS[entry.name] = entry
    return entry
