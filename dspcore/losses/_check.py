"""What every loss asks of its sounds."""

from __future__ import annotations

import torch
from torch import Tensor


def pair(name: str, sound: Tensor, target: Tensor) -> Tensor:
    """The error ``sound - target`` of two sounds of the same shape (b, c, t) and type."""
    if sound.shape != target.shape or sound.ndim != 3 or sound.numel() == 0:
        raise ValueError(
            f"{name}: sound and target must be (b, c, t) alike and not empty, "
            f"got {tuple(sound.shape)} and {tuple(target.shape)}"
        )
    if sound.dtype not in (torch.float32, torch.float64) or target.dtype != sound.dtype:
        raise TypeError(
            f"{name}: sound and target must both be float32 or float64, "
            f"got {sound.dtype} and {target.dtype}"
        )
    return sound - target


def cosine(a: Tensor, b: Tensor, dims: tuple[int, ...] = (1, 2)) -> Tensor:
    """Cosine of the angle between two (b, ...) as vectors, 0 where one of them is silent."""
    power = a.square().sum(dims) * b.square().sum(dims)
    tiny = torch.finfo(a.dtype).tiny
    return (a * b).sum(dims) / power.clamp(min=tiny).sqrt()
