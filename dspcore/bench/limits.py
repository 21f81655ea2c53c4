"""What this machine can do at best, measured in the same run, and how much memory a call takes."""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def floor_seconds(moved: int, multiply_adds: float) -> float:
    """The time that no program can beat: each byte moved once, each multiply-add done once.

    Args:
        moved: Bytes of everything read and written, once each.
        multiply_adds: Of float32, at least.
    """
    return max(moved / copy_rate(moved), multiply_adds / multiply_add_rate())


def size_of(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors."""
    return sum(x.numel() * x.element_size() for x in tensors)


def copy_rate(moved: int) -> float:
    """Bytes a second, read and written, of copies that move about so many bytes in all."""
    return _copy_rate(max(12, (moved - 1).bit_length()))


@functools.cache
def _copy_rate(bits: int) -> float:
    source = torch.ones(2**bits // 8)
    target = torch.empty_like(source)
    return 2**bits / _fastest(lambda: target.copy_(source))


@functools.cache
def multiply_add_rate() -> float:
    """Multiply-adds a second of a large matrix product in float32."""
    size = 768
    matrix = torch.ones(size, size)
    return size**3 / _fastest(lambda: matrix @ matrix)


def _fastest(call: Callable[[], object], rounds: int = 7) -> float:
    """CPU seconds of a call: the median of samples that last 20 ms each."""
    begin = time.process_time()
    call()
    calls = max(1, int(0.02 / max(time.process_time() - begin, 1e-7)))
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        for _ in range(calls):
            call()
        taken.append((time.process_time() - begin) / calls)
    return median(taken)


def peak_bytes(call: Callable[[], object]) -> int | None:
    """The most memory that `call` holds beyond what is held now; None where Linux does not tell."""
    if not _RESET.exists():
        return None
    try:
        ctypes.CDLL(None).malloc_trim(0)
        _RESET.write_text("5")
        before = _status("VmRSS")
        call()
        return max(0, _status("VmHWM") - before)
    except (OSError, AttributeError):
        return None


def _status(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(f"{_STATUS} has no {field}")
