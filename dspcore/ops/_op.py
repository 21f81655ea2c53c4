"""From a record to a function that autograd, functorch and torch.compile know.

Each op has four kernels: forward, backward, and both on dual numbers. The dual forward is the
forward-mode derivative; the dual backward is the derivative of the backward pass, so second
derivatives of any order of modes need no formula of their own. Third derivatives raise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from dspcore import _native
from dspcore.ops import _compiled
from dspcore.ops._autograd import Eager, Forward, Maybe, derivatives_wanted
from dspcore.ops._record import Dims, Record

_FORWARD, _BACKWARD, _FORWARD_DUAL, _BACKWARD_DUAL = range(4)
_Dim = tuple[tuple[str | int, ...], ...]  # a sum of products


def _parse(spec: str) -> tuple[_Dim, ...]:
    """ "b c d+t" to sums of products of names and numbers."""

    def factor(word: str) -> str | int:
        return int(word) if word.isdigit() else word

    return tuple(
        tuple(tuple(factor(w) for w in term.split("*")) for term in dim.split("+"))
        for dim in spec.split()
    )


def _shape(dims: tuple[_Dim, ...], bound: Dims) -> list[int]:
    return [
        sum(prod(w if isinstance(w, int) else bound[w] for w in term) for term in dim)
        for dim in dims
    ]


@functools.cache
def _index(device: str, name: str) -> int:
    for index, (found, *_) in enumerate(_native.module(device).ops()):
        if found == name:
            return index
    raise RuntimeError(f"{name}: not in this build of dspcore's {device} kernels; build it again")


@functools.cache
def _scans(device: str, name: str) -> bool:
    """Do the kernels of `device` divide rows of the op along time, in memory a call brings?"""
    return device != "cpu" and name in _native.module(device).scans()


@functools.cache
def _chunk(device: str) -> int:
    """Samples between two kept states in the kernels of `device`."""
    return int(_native.module("cuda" if device == "cuda" else "cpu").chunk)


class Op:
    """An op on canonical arguments: every dimension there, every tensor of the right type."""

    def __init__(self, record: Record) -> None:
        """Reads the record and tells torch.library about the op."""
        self.record = record
        self.names = tuple(record.arguments)
        self._dims = {
            group: [_parse(spec) for spec in getattr(record, group).values()]
            for group in ("arguments", "results", "workspaces", "scratches")
        }
        self._wide = {
            group: [name in record.precise for name in getattr(record, group)]
            for group in ("results", "workspaces", "scratches")
        }
        self.counts = {group: len(dims) for group, dims in self._dims.items()}
        self._plain: Callable[..., bool] | None = None
        self._sizes = functools.lru_cache(maxsize=64)(self._find_sizes)
        _compiled.register(self)

    def __call__(self, *arguments: Tensor, attrs: Sequence[int] = ()) -> tuple[Tensor, ...]:
        """The results, differentiable to every argument."""
        n = self.counts["results"]
        if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack():
            # Somebody traces or counts: the op must be seen.
            return _compiled.call(self.record.name, self.spread(arguments), attrs)[:n]
        if not derivatives_wanted(arguments):
            return self.forward(self.spread(arguments), tuple(attrs), keep=False)[:n]
        if torch._C._are_functorch_transforms_active():
            return Forward.apply(self, tuple(attrs), *self.spread(arguments))[:n]
        return Eager.apply(self, tuple(attrs), *arguments)

    def spread(
        self, arguments: Sequence[Any], tangents: Sequence[Any] | None = None
    ) -> Sequence[Any]:
        """The arguments, or their tangents, with those that are shared repeated for all rows."""
        given = arguments if tangents is None else tangents
        if not self.record.shared:
            return given
        rows = arguments[0].shape[:2]
        return [
            a.expand(*rows, *a.shape[2:]) if name in self.record.shared and a is not None else a
            for name, a in zip(self.names, given, strict=True)
        ]

    def plain(self, *arguments: Maybe) -> bool:
        """Write the results, the last arguments, of a call that is not `watched`.

        The others come as the public function got them, as the record's `forms` allow. False, with
        nothing done, where there is more to do or to say: the longer way does it.
        """
        if self._plain is None:
            self._plain = self._find_plain()
        return bool(self._plain(torch.get_num_threads(), *arguments))

    def _find_plain(self) -> Callable[..., bool]:
        module = _native.module("cpu")
        if not hasattr(module, "plain"):  # the CUDA kernels, emulated
            return lambda *_: False
        forms = [self.record.forms[name] for name in self.names]
        return functools.partial(module.plain, module.plan(_index("cpu", self.record.name), forms))

    def bind(self, arguments: Sequence[Tensor], attrs: Sequence[int]) -> Dims:
        """The size of every named dimension."""
        return self._bind(_chunk(arguments[0].device.type), [a.shape for a in arguments], attrs)

    def _bind(self, chunk: int, shapes: Sequence[Sequence[int]], attrs: Sequence[int]) -> Dims:
        bound: Dims = dict(zip(self.record.attributes, attrs, strict=False))
        for shape, dims in zip(shapes, self._dims["arguments"], strict=True):
            for dim, size in zip(dims, shape, strict=True):
                name = dim[0][0]
                if len(dim) == len(dim[0]) == 1 and isinstance(name, str) and name not in bound:
                    bound[name] = size
        if "t" in bound:
            bound["chunk"], bound["chunks"] = chunk, (bound["t"] + chunk - 1) // chunk
        return bound

    def _find_sizes(
        self, chunk: int, attrs: tuple[int, ...], *shapes: torch.Size
    ) -> dict[str, list[list[int]]]:
        """The shapes of all that a call makes."""
        bound = self._bind(chunk, shapes, attrs)
        return {group: [_shape(d, bound) for d in dims] for group, dims in self._dims.items()}

    def fresh(
        self, arguments: Sequence[Tensor], attrs: tuple[int, ...], *groups: str
    ) -> list[Tensor]:
        """Uninitialised results, workspaces or scratches, one after the other."""
        like = arguments[0]
        shapes = self._sizes(_chunk(like.device.type), attrs, *[a.shape for a in arguments])
        return [
            torch.empty(shape, dtype=torch.float64 if wide else like.dtype, device=like.device)
            for group in groups
            for shape, wide in zip(shapes[group], self._wide[group], strict=True)
        ]

    def empty(self, group: str, like: Tensor, bound: Dims) -> list[Tensor]:
        """Uninitialised tensors for results, workspaces or scratches."""
        return [
            torch.empty(
                _shape(dims, bound), dtype=torch.float64 if wide else like.dtype, device=like.device
            )
            for dims, wide in zip(self._dims[group], self._wide[group], strict=True)
        ]

    def _run(self, which: int, attrs: Sequence[int], tensors: Sequence[Maybe]) -> None:
        first = tensors[0]
        assert first is not None
        device = first.device.type
        stream = torch.cuda.current_stream(first.device).cuda_stream if device == "cuda" else 0
        module, index = _native.module(device), _index(device, self.record.name)
        if _scans(device, self.record.name):
            size = module.scan_memory(index, which, attrs, *tensors)
            if size:
                tensors = [*tensors, first.new_empty(size, dtype=torch.float64)]
        module.call(index, which, torch.get_num_threads(), stream, attrs, *tensors)

    def forward(
        self, arguments: Sequence[Tensor], attrs: tuple[int, ...], *, keep: bool = True
    ) -> tuple[Tensor, ...]:
        """Results and, when `keep`, what the backward pass wants to find again."""
        if keep or self.record.works_in_kept:
            made = self.fresh(arguments, attrs, "results", "workspaces")
            self._run(_FORWARD, attrs, [*arguments, *made])
        else:
            made = self.fresh(arguments, attrs, "results")
            blanks = [None] * self.counts["workspaces"]
            self._run(_FORWARD, attrs, [*arguments, *made, *blanks])
        return tuple(made)

    def into(
        self, arguments: Sequence[Tensor], made: Sequence[Maybe], attrs: tuple[int, ...] = ()
    ) -> None:
        """Write results and workspaces into tensors that are there: for calls that are `unseen`.

        None stands for a workspace that only the backward pass reads.
        """
        self._run(_FORWARD, attrs, [*arguments, *made])

    def backward(
        self,
        arguments: Sequence[Tensor],
        kept: Sequence[Tensor],
        gresults: Sequence[Tensor],
        attrs: tuple[int, ...],
        wanted: Sequence[bool],
    ) -> tuple[Maybe, ...]:
        """Gradients of the wanted arguments."""
        full = self.spread(arguments)
        scratch = self.fresh(full, attrs, "scratches")
        out = [
            torch.empty(self._gradient_shape(full[0], a, f), dtype=a.dtype, device=a.device)
            if w
            else None
            for a, f, w in zip(arguments, full, wanted, strict=True)
        ]
        self._run(_BACKWARD, attrs, [*full, *kept, *scratch, *gresults, *out])
        return tuple(
            g.sum((0, 1), keepdim=True) if g is not None and g.shape != a.shape else g
            for g, a in zip(out, arguments, strict=True)
        )

    @staticmethod
    def _gradient_shape(audio: Tensor, given: Tensor, full: Tensor) -> Sequence[int]:
        """As `full`; of a shared argument the CPU's kernels add up the rows on their lanes."""
        if given.shape == full.shape or not full.is_cpu:
            return full.shape
        module = _native.module("cpu")
        if not hasattr(module, "lanes"):  # the CUDA kernels, emulated
            return full.shape
        lanes = module.lanes(8 * audio.element_size())
        return [-(-full.shape[0] * full.shape[1] // lanes), 1, *given.shape[2:]]

    def forward_dual(
        self, arguments: Sequence[Tensor], tangents: Sequence[Maybe], attrs: tuple[int, ...]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Tangents of the results; the workspaces and their tangents."""
        bound = self.bind(arguments, attrs)
        results, kept, kept_tangents = (
            self.empty(group, arguments[0], bound)
            for group in ("results", "workspaces", "workspaces")
        )
        values = [*arguments, *self.empty("results", arguments[0], bound), *kept]
        self._run(_FORWARD_DUAL, attrs, [*values, *tangents, *results, *kept_tangents])
        return results, kept, kept_tangents

    def backward_dual(
        self,
        arguments: Sequence[Tensor],
        gresults: Sequence[Tensor],
        tangents: Sequence[Maybe],
        gtangents: Sequence[Maybe],
        attrs: tuple[int, ...],
    ) -> list[Tensor]:
        """Tangents of the arguments' gradients."""
        _, kept, kept_tangents = self.forward_dual(arguments, tangents, attrs)
        bound = self.bind(arguments, attrs)
        scratch, scratch_tangents = (self.empty("scratches", arguments[0], bound) for _ in range(2))
        out = [torch.empty(a.shape, dtype=a.dtype, device=a.device) for a in arguments]
        blanks = [None] * len(out)
        values = [*arguments, *kept, *scratch, *gresults, *blanks]
        moves = [*tangents, *kept_tangents, *scratch_tangents, *gtangents, *out]
        self._run(_BACKWARD_DUAL, attrs, [*values, *moves])
        return out


def watched(*arguments: Maybe) -> bool:
    """Does anything differentiate or trace a function of these?"""
    traced = torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack()
    return bool(traced) or derivatives_wanted(arguments)
