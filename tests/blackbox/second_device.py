"""A device of its own where there is no GPU: tensors on "second" hold their numbers apart from the
CPU's, refuse to be mixed with them as CUDA does, and autograd runs their backward in a thread of
the device, as it does for CUDA. Importing this file registers it in the whole process, for good.

The kernels of dspcore are there, too: those of the CPU, on the numbers held apart.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

from dspcore import _native

NAME = "second"
aten = torch.ops.aten

#: Every copy between the CPU and the device: "to cpu" or "from cpu", and the shape.
moves: list[tuple[str, tuple[int, ...]]] = []


class Second(Tensor):
    """A tensor on the device; `raw` is where its numbers are."""

    raw: Tensor

    @staticmethod
    def __new__(cls, raw: Tensor) -> Second:
        made: Second = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            raw.shape,
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=f"{NAME}:0",
        )
        made.raw = raw
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Second({self.raw})"

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        target = kwargs.get("device")
        if func is aten._to_copy.default and target is not None and target.type == "cpu":
            moves.append(("to cpu", tuple(args[0].shape)))
            return func(args[0].raw, **kwargs)
        if func is aten.copy_.default:
            return _copied(args[0], args[1])
        if target is not None and target.type == NAME:
            kwargs["device"] = torch.device("cpu")
        owners = {id(a.raw): a for a in _pytree.tree_leaves((args, kwargs)) if isinstance(a, cls)}
        raws = _pytree.tree_map(lambda x: _raw(x, str(func)), (args, kwargs))
        out = func(*raws[0], **raws[1])

        def held(x: Any) -> Any:
            if id(x) in owners:  # an op in place gives back the tensor it was given
                return owners[id(x)]
            return cls(x) if isinstance(x, Tensor) else x

        return _pytree.tree_map(held, out)


def _raw(x: Any, who: str) -> Any:
    if isinstance(x, Second):
        return x.raw
    if isinstance(x, Tensor) and x.ndim:  # numbers without a shape may come along, as with CUDA
        raise RuntimeError(f"{who}: all tensors must be on one device, got {NAME}:0 and {x.device}")
    return x


def _copied(to: Tensor, source: Tensor) -> Tensor:
    raws = [x.raw if isinstance(x, Second) else x for x in (to, source)]
    if isinstance(to, Second) != isinstance(source, Second):
        way = "from cpu" if isinstance(to, Second) else "to cpu"
        moves.append((way, tuple(source.shape)))
    raws[0].copy_(raws[1])
    return to


class _Kernels:
    """The CPU's kernels for what is on the device."""

    def __init__(self) -> None:
        self.module = _on_the_cpu("cpu")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    def call(
        self, index: int, which: int, threads: int, stream: int, attrs: Any, *tensors: Any
    ) -> None:
        for x in tensors:
            if isinstance(x, Tensor) and not isinstance(x, Second):
                raise RuntimeError(f"a kernel of {NAME} got a tensor on {x.device}")
        raws = [None if x is None else x.raw for x in tensors]
        self.module.call(index, which, threads, stream, attrs, *raws)


def _empty(size: Any, dtype: Any = None, *_: Any, **__: Any) -> Tensor:
    return Second(torch.empty(size, dtype=dtype))


def _empty_strided(size: Any, stride: Any, dtype: Any = None, *_: Any, **__: Any) -> Tensor:
    return Second(torch.empty_strided(size, stride, dtype=dtype))


def _copy_from(source: Tensor, to: Tensor, non_blocking: bool = False) -> Tensor:
    return _copied(to, source)


class _Module(_DummyBackendModule):
    """torch.second: what checkpoints ask of a device."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16]

    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.zeros(1, dtype=torch.uint8)  # it draws no numbers of its own

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        pass


_setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
_library = torch.library.Library("aten", "IMPL")
_library.impl("empty.memory_format", _empty, "PrivateUse1")
_library.impl("empty_strided", _empty_strided, "PrivateUse1")
_library.impl("_copy_from", _copy_from, "PrivateUse1")
_on_the_cpu = _native.module
_native.module = lambda device: _Kernels() if device == NAME else _on_the_cpu(device)
