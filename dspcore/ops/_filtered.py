"""Products of spectra: what every convolution by transforms is made of."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

#: Samples from which on SciPy is the quicker one (measured on AMD EPYC).
_MUCH = 100_000
#: Rows a thread takes at once: full vectors on any machine, as SciPy's remainders round otherwise.
_GROUP = 16


def filtered(x: Tensor, h: Tensor, size: int) -> Tensor:
    """`x` with `h` around a circle of `size` samples, (..., size): their spectra multiplied.

    On the CPU the transforms of much sound are SciPy's (pocketfft), for torch's make their tables
    anew in every call: 16 rows of 88,200 samples with as many responses of 44,100 take 25 ms in
    place of 49 (AMD EPYC, AVX2, one thread). Where functorch takes a derivative, or one is taken
    forwards, or a compiler looks, they are torch's.

    Args:
        x: Signals, (..., t) with t up to `size`.
        h: Responses, (..., n) with n up to `size`; dimensions before the last may be 1.
        size: Of the transforms; see `fast_size`.
    """
    if (
        x.device.type != "cpu"
        or x.numel() // x.shape[-1] * size < _MUCH
        or torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack()
        or forward_ad._current_level >= 0
    ):
        return torch.fft.irfft(torch.fft.rfft(x, size) * torch.fft.rfft(h, size), size)
    if torch.is_grad_enabled() and (x.requires_grad or h.requires_grad):
        y: Tensor = _Filtered.apply(x, h, size)  # type: ignore[no-untyped-call]
        return y
    signal = _forth(x, size)
    return _back(_product(signal, _forth(h, size), into=signal), size)


class _Filtered(torch.autograd.Function):
    """`filtered` and its adjoint: both gradients are products of spectra too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, size: int) -> Tensor:
        signal, response = _forth(x, size), _forth(h, size)
        y = _back(_product(signal, response), size)
        ctx.size = size
        ctx.save_for_backward(x, h, signal.conj_physical_(), response.conj_physical_())
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, h, signal, response = ctx.saved_tensors
        forth: Callable[..., Tensor] = _forth
        back: Callable[..., Tensor] = _back
        product: Callable[..., Tensor] = _product
        if (
            torch.is_grad_enabled()  # a derivative of this one will be asked for
            or torch._C._are_functorch_transforms_active()
            or torch._C._functorch.is_legacy_batchedtensor(gradient)  # many directions at once
        ):
            forth, back, product = torch.fft.rfft, torch.fft.irfft, torch.mul
            signal, response = forth(x, ctx.size).conj(), forth(h, ctx.size).conj()
        g = forth(gradient, ctx.size)
        for_x, for_h, _ = ctx.needs_input_grad
        gx = back(product(g, response), ctx.size)[..., : x.shape[-1]] if for_x else None
        if not for_h:
            return gx, None, None
        sizes = zip(g.shape[:-1], h.shape[:-1], strict=True)
        shared = [d for d, (a, b) in enumerate(sizes) if a != b]
        together = product(g, signal)
        together = together.sum(shared, keepdim=True) if shared else together
        return gx, back(together, ctx.size)[..., : h.shape[-1]], None


def _product(a: Tensor, b: Tensor, into: Tensor | None = None) -> Tensor:
    """By NumPy, for torch rounds otherwise where a thread's share ends."""
    with np.errstate(all="ignore"):
        out = None if into is None else into.numpy()
        return torch.from_numpy(np.multiply(a.numpy(), b.numpy(), out=out))


def _forth(x: Tensor, size: int) -> Tensor:
    from scipy.fft import rfft

    return _rows(rfft, x, size)


def _back(spectrum: Tensor, size: int) -> Tensor:
    from scipy.fft import irfft

    return _rows(irfft, spectrum, size)


def _rows(transform: Callable[[Any, int], Any], x: Tensor, size: int) -> Tensor:
    """The transforms of all rows, on torch's number of threads, with the same bits on any."""
    array, threads = x.detach().resolve_neg().numpy(), torch.get_num_threads()
    rows = array.reshape(-1, array.shape[-1])
    if threads == 1 or len(rows) <= _GROUP:
        return torch.from_numpy(transform(array, size))
    groups = [rows[i : i + _GROUP] for i in range(0, len(rows), _GROUP)]
    with ThreadPoolExecutor(threads) as pool:
        parts = [torch.from_numpy(part) for part in pool.map(lambda g: transform(g, size), groups)]
    return torch.cat(parts).unflatten(0, array.shape[:-1])


#: Odd factors of good sizes.
_ODD = (1, 3, 5, 9, 15, 25, 27, 45, 75, 81, 125, 135, 225)


def fast_size(least: int) -> int:
    """A product of 2, 3 and 5 with a factor of 4 from `least` on: quick to transform."""
    return min(m << max(2, (-(-least // m) - 1).bit_length()) for m in _ODD)
