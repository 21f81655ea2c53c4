"""On CUDA, long rows as more, shorter rows, where what a part begins with is known beforehand.

A thread works on a row, and a GPU wants tens of thousands of them. The phases of a bank of partials
at the parts' starts are a sum over the frames before; an op that remembers a sample or two gets
those again. Recursions are divided in their kernels (csrc/dsp/scan.hpp).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from dspcore.ops import _frames

THREADS = 1 << 16
SHORTEST = 64  # samples of a part


def frames_of_a_part(like: Tensor, rows: int, frames: int, hop: int) -> int:
    """How many frames of a row go into a part; 0 where rows are better left whole."""
    if not like.is_cuda or rows == 0:
        return 0
    parts = min(THREADS // rows, frames * hop // SHORTEST)
    return -(-frames // parts) if parts > 1 else 0


def samples_of_a_part(like: Tensor, rows: int, t: int) -> int:
    """How many samples of a row go into a part; 0 where rows are better left whole."""
    return frames_of_a_part(like, rows, t, 1)


def forgetful(
    op: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]],
    x: Tensor,
    controls: Tensor,
    state: Tensor,
    memory: int,
) -> tuple[Tensor, Tensor]:
    """`op`, whose state depends on the last `memory` samples alone, in parts where that is quicker.

    Arguments and results are those of the kernel, x (b, c, t), controls (b, c, ..., 1 or t), state
    (b, c, ...). The first part goes on from `state`; the others hear the samples before them again,
    and give what one long row does.
    """
    b, c, t = x.shape
    size = samples_of_a_part(x, b * c, t)
    parts = (t - memory - 1) // max(size, 2 * memory) if size else 0
    if parts < 1:
        y, after = op(x, controls, state)
        return y, after
    size = max(size, 2 * memory)
    head = t - parts * size

    def windows(v: Tensor) -> Tensor:
        if v.shape[-1] == t:
            v = v[..., head - memory :].unfold(-1, memory + size, size).movedim(-2, 2)
        else:
            v = v[:, :, None].expand(b, c, parts, *v.shape[2:])
        return v.flatten(1, 2)

    begin, _ = op(x[..., :head], controls[..., :head], state)
    rest, ends = op(windows(x), windows(controls), windows(torch.zeros_like(state)))
    y = torch.cat([begin, rest[..., memory:].reshape(b, c, -1)], -1)
    return y, ends.unflatten(1, (c, parts))[:, :, -1]


class Parts(NamedTuple):
    """Rows in parts: (b, ...) becomes (b * parts, ...)."""

    amplitudes: Tensor  # (b * parts, k, size + 1): frames of the part, and the one after it
    frequencies: Tensor  # the same
    phase: Tensor  # at the parts' starts, (b * parts, k) float64
    after: Tensor  # and after the last sample, (b, k)


def divide(
    amplitudes: Tensor, frequencies: Tensor, phase: Tensor, t: int, hop: int, start: int, size: int
) -> Parts:
    """Parts of `size` frames of t samples from `start`, which lies in the first frame.

    Arguments as the kernel has them: (b, k, f), the same, (b, k).
    """
    frames = (start + t - 1) // hop + 1
    parts = -(-frames // size)
    a, f = (_windows(v, parts, size) for v in (amplitudes, frequencies))
    # Frames add hop f_i + (f_{i+1} - f_i) (hop - 1) / 2 cycles; the second halves cancel inside.
    begin, end = f[..., 0].to(torch.float64), f[..., size].to(torch.float64)
    turned = hop * f[..., :size].sum(-1, dtype=torch.float64) + (end - begin) * ((hop - 1) / 2)
    rise = f[..., 0, 1].to(torch.float64) - begin[..., 0]
    first = phase - (begin[..., 0] * start + rise * (start * (start - 1) / (2 * hop)))
    at = torch.cat([first[..., None], first[..., None] + turned.cumsum(-1)[..., :-1]], -1)
    last = (frames - 1) // size
    rest = start + t - last * size * hop
    _, after = _frames.phases(f[..., last, :].to(torch.float64), at[..., last], rest, hop, 0)
    a, f, at = (v.movedim(2, 1).flatten(0, 1) for v in (a, f, at))
    return Parts(a, f, at, after)


def _windows(v: Tensor, parts: int, size: int) -> Tensor:
    """(b, k, parts, size + 1), of frames (b, k, f); the last frame stays."""
    missing = parts * size + 1 - v.shape[-1]
    if missing > 0:
        v = torch.cat([v, v[..., -1:].expand(*v.shape[:-1], missing)], -1)
    return v.unfold(-1, size + 1, size)[..., :parts, :]
