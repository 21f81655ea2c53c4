"""Checks that public ops make of their arguments: who, what came, what was wanted, the fix."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_FLOATS = (torch.float32, torch.float64)


def audio(op: str, x: Tensor, name: str = "x", dims: str = "(b, c, t)") -> tuple[int, int, int]:
    """The three sizes of a signal of float32 or float64."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{op}: {name} must be a torch.Tensor, got {type(x).__name__}")
    if x.dtype not in _FLOATS:
        raise TypeError(
            f"{op}: {name} must be float32 or float64, got {x.dtype}; use {name}.float()"
        )
    if x.ndim != 3:
        raise ValueError(f"{op}: {name} must have the shape {dims}, got {tuple(x.shape)}")
    b, c, t = x.shape
    return b, c, t


def signal_state(op: str, state: Tensor | None, x: Tensor, shape: Sequence[int]) -> Tensor:
    """`state` as it came, or silence, in the type of `x`."""
    if state is None:
        return x.new_zeros(shape)
    if tuple(state.shape) != tuple(shape):
        raise ValueError(
            f"{op}: state must have the shape {tuple(shape)} for x of shape {tuple(x.shape)}, "
            f"got {tuple(state.shape)}; pass the state that the same op returned"
        )
    return state.to(x.dtype)


def broadcast(
    op: str, name: str, value: Tensor | float, like: Tensor, shape: Sequence[int]
) -> Tensor:
    """A float64 tensor of `shape` from a number or a tensor that broadcasts to it."""
    tensor = torch.as_tensor(value, dtype=torch.float64, device=like.device)
    if tensor.ndim not in (0, len(shape)) or any(
        n not in (1, m) for n, m in zip(tensor.shape, shape, strict=False)
    ):
        raise ValueError(
            f"{op}: {name} must be a number or have the shape {tuple(shape)}, "
            f"got {tuple(tensor.shape)}"
        )
    return tensor.expand(*shape)


def row_controls(op: str, x: Tensor, **controls: Tensor | float) -> Tensor:
    """Controls of a one-stage recursion, stacked as (b, c, 1, p, n) float64: n is 1 or t.

    Each is a number, (b, c) or (b, c, t), where b and c may be 1.
    """
    b, c, t = x.shape
    tensors = {}
    for name, value in controls.items():
        v = torch.as_tensor(value, dtype=torch.float64, device=x.device)
        if v.ndim not in (0, 2, 3) or any(
            n not in (1, m) for n, m in zip(v.shape, (b, c, t), strict=False)
        ):
            raise ValueError(
                f"{op}: {name} must be a number, ({b}, {c}) or ({b}, {c}, {t}) for x of shape "
                f"{tuple(x.shape)}, got {tuple(v.shape)}"
            )
        tensors[name] = v.reshape(1, 1, 1) if v.ndim == 0 else v[..., None] if v.ndim == 2 else v
    n = next((v.shape[2] for v in tensors.values() if v.shape[2] != 1), 1)  # 0 is a length too
    return torch.stack([v.expand(b, c, n) for v in tensors.values()], 2)[:, :, None]


def row_control(op: str, x: Tensor, name: str, value: Tensor | float) -> Tensor:
    """One control of a row as (b, c, n) in the type it came in: n is 1 or t; a number is float64.

    It is a number, (b, c) or (b, c, t), where b and c may be 1.
    """
    b, c, t = x.shape
    kept = isinstance(value, Tensor) and value.dtype in _FLOATS
    v = torch.as_tensor(value, dtype=None if kept else torch.float64, device=x.device)
    if v.ndim not in (0, 2, 3) or any(
        n not in (1, m) for n, m in zip(v.shape, (b, c, t), strict=False)
    ):
        raise ValueError(
            f"{op}: {name} must be a number, ({b}, {c}) or ({b}, {c}, {t}) for x of shape "
            f"{tuple(x.shape)}, got {tuple(v.shape)}"
        )
    v = v.reshape(1, 1, 1) if v.ndim == 0 else v[..., None] if v.ndim == 2 else v
    return v.expand(b, c, v.shape[2])
