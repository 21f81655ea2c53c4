"""What an effect's `process` computes, operation by operation: what C++ is made from.

The effect runs as it is, on real numbers, and every operation of torch and of `dspcore.ops` that it
calls is written down: which memory it reads, which it writes, and with what sizes. Views need no
entry; they are another way to see the same memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

# What takes from its argument the shape and the type, but no values.
_SHAPE_ONLY = frozenset(
    ["new_zeros", "new_ones", "new_full", "new_empty", "zeros_like", "ones_like", "full_like"]
)


class CannotExportError(Exception):
    """Something in an effect has no C++ counterpart; says what, in words."""


class Ref(NamedTuple):
    """A tensor as an operation sees it: a part of one memory."""

    storage: int
    dtype: torch.dtype
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


@dataclass
class Storage:
    """A piece of memory: where it comes from and how long it is."""

    kind: str  # "sound", "setting", "state", "constant", "part" or "made"
    name: str
    dtype: torch.dtype
    count: int
    varies: bool  # with the audio, the parameters or the state
    tensor: Tensor  # keeps it alive, and has the values of constants


@dataclass
class Node:
    """One operation, its arguments with `Ref` in place of tensors, and its results."""

    op: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[Ref, ...]
    writes: tuple[int, ...]  # storages


@dataclass
class Recording:
    """One run: operations in order, what they start from and what they end with."""

    nodes: list[Node] = field(default_factory=list)
    storages: list[Storage] = field(default_factory=list)
    inputs: dict[str, Ref] = field(default_factory=dict)
    states: list[Ref] = field(default_factory=list)
    output: Ref | None = None
    ends: list[Ref] = field(default_factory=list)
    age: int = 0  # samples since the beginning, where that is another number of the recording


class Recorder(TorchDispatchMode):
    """Writes down what happens while it is active; inputs are named before."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recording = Recording()
        self._known: dict[int, int] = {}
        self._alive: list[Tensor] = []

    def sound(self, name: str, tensor: Tensor) -> Tensor:
        """A copy of audio that the recording knows as its input."""
        return self._input("sound", name, tensor)

    def setting(self, name: str, tensor: Tensor) -> Tensor:
        """The same of a parameter."""
        return self._input("setting", name, tensor)

    def _input(self, kind: str, name: str, tensor: Tensor) -> Tensor:
        own = tensor.detach().clone(memory_format=torch.contiguous_format)
        self.recording.inputs[name] = self._ref(own, kind, name)
        return own

    def state(self, leaf: Any) -> Any:
        """The same for a leaf of a state; what is not a tensor stays as it is."""
        if not isinstance(leaf, Tensor):
            return leaf
        own = leaf.detach().clone(memory_format=torch.contiguous_format)
        states = self.recording.states
        states.append(self._ref(own, "state", str(len(states))))
        return own

    def finish(self, output: Tensor, ends: list[Tensor]) -> Recording:
        """What was written down, ending with these."""
        self.recording.output = self._ref(output)
        self.recording.ends = [self._ref(end) for end in ends]
        return self.recording

    def part(self, index: int, audio: Tensor, further: Mapping[str, Tensor], made: Tensor) -> None:
        """Another program makes `made` of `audio` and of its further inputs."""
        heard = (index, self._ref(audio), {key: self._ref(v) for key, v in further.items()})
        result = self._ref(made, "part", str(index))
        self.recording.storages[result.storage].varies = True
        self.recording.nodes.append(Node("part", heard, {}, (result,), (result.storage,)))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        seen = pytree.tree_map_only(Tensor, self._ref, (args, kwargs))
        out = func(*args, **kwargs)
        storages = self.recording.storages
        varies = func.overloadpacket.__name__ not in _SHAPE_ONLY and any(
            storages[ref.storage].varies
            for ref in pytree.tree_leaves(seen, is_leaf=lambda x: isinstance(x, Ref))
            if isinstance(ref, Ref)
        )
        results = [t for t in pytree.tree_leaves(out) if isinstance(t, Tensor)]
        if not results:
            if varies and str(func) != "aten._linalg_check_errors.default":
                raise CannotExportError(
                    f"it looks at a value of its audio or parameters to decide what to do ({func})"
                )
            return out
        written = [
            arg
            for arg, declared in zip(args, func._schema.arguments, strict=False)
            if declared.alias_info is not None and declared.alias_info.is_write
        ]
        fresh = [t for t in results if t.untyped_storage()._cdata not in self._known]
        refs = tuple(self._ref(t, "made", str(func)) for t in results)
        writes = {self._ref(t).storage for t in (*written, *fresh)}
        for index in writes:
            storages[index].varies = storages[index].varies or varies
        if writes:
            node = Node(str(func), seen[0], seen[1], refs, tuple(sorted(writes)))
            self.recording.nodes.append(node)
        return out

    def _ref(self, t: Tensor, kind: str = "constant", name: str = "") -> Ref:
        memory = t.untyped_storage()
        storages = self.recording.storages
        index = self._known.setdefault(memory._cdata, len(storages))
        if index == len(storages):
            with _disable_current_modes():
                count = memory.nbytes() // t.element_size()
                whole = torch.empty(0, dtype=t.dtype).set_(memory, 0, (count,))  # type: ignore[call-overload]
            varies = kind in ("sound", "setting", "state")
            storages.append(Storage(kind, name, t.dtype, count, varies, whole))
            self._alive.append(t)
        return Ref(index, t.dtype, tuple(t.shape), tuple(t.stride()), int(t.storage_offset()))


@contextmanager
def unseen() -> Iterator[None]:
    """Nothing in here is written down."""
    with _disable_current_modes():
        yield
