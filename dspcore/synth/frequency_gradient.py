"""Slopes for the frequencies of a bank that lead from afar, where the derivative does not."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: Half width of a wave that dies away, in cycles per sample: after 8 samples it is at 1/e.
REACH = 0.02
#: Least length of a window in samples, and numbers held at a time.
_WINDOW, _HELD = 1_024, 1 << 22


def pulled(y: Tensor, frequencies: Tensor, hop: int, start: int, kind: str) -> Tensor:
    """The sound as it is; backward, its frequencies get a slope that points at what is missing.

    The gradient of the sound is taken apart in a window around every frame. What the partials
    themselves could make of it says how much of each is too much; the rest is where sound is
    missing, whatever the loss. For the mean square the rest is the target's other partials.

    - surrogate: each partial climbs that rest as it is heard through a wave that dies away, whose
      band is a Lorentzian of half width `REACH`: the magnitude of Hayes' surrogate.
    - transport: what is too much is carried to the rest in order along the axis, which is
      cheapest; the cost is the distance.

    Neither is a derivative: directions are right and sizes are not, so use a rule that does not
    mind, such as Adam. They end about a bin of the window from the truth; go on with the true one.

    Args:
        y: The bank's sound, (b, t), its frequencies detached.
        frequencies: In cycles per sample, (b, f, k).
        hop: Samples from frame to frame.
        start: Sample of the frame grid at which `y` begins.
        kind: surrogate or transport.

    Source:
        B. Hayes, C. Saitis, G. Fazekas, ICASSP 2023; B. Torres, G. Peeters, G. Richard,
        ICASSP 2024.
    """
    found: Tensor = _Pulled.apply(y, frequencies, hop, start, kind)  # type: ignore[no-untyped-call]
    return found


class _Pulled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, y: Tensor, frequencies: Tensor, hop: int, start: int, kind: str
    ) -> Tensor:
        ctx.save_for_backward(y, frequencies)
        ctx.grid = hop, start, kind
        return y.view_as(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        y, frequencies = ctx.saved_tensors
        hop, start, kind = ctx.grid
        b, f, k = frequencies.shape
        t = y.shape[1]
        size = t if f == 1 else max(_WINDOW, 2 * hop)
        middle = torch.arange(f, device=y.device) * hop - start if f > 1 else (t // 2)
        at = torch.as_tensor(middle, device=y.device).reshape(-1, 1) - size // 2
        at = at + torch.arange(size, device=y.device)
        inside = (at >= 0) & (at < t)
        both = torch.stack([slope, y]).double()[:, :, at.clamp(0, max(0, t - 1))] * inside
        window = torch.hann_window(size, periodic=False, dtype=torch.float64, device=y.device)
        rows = (both * window).reshape(2, b * f, size)
        places = frequencies.detach().double().reshape(b * f, k)
        count = max(1, _HELD // (2 * k * size))
        parts = [
            _slopes(g, own, p, window, kind)
            for g, own, p in zip(
                rows[0].split(count), rows[1].split(count), places.split(count), strict=True
            )
        ]
        return slope, torch.cat(parts).reshape(b, f, k).to(frequencies.dtype), None, None, None


def _slopes(slope: Tensor, own: Tensor, f: Tensor, window: Tensor, kind: str) -> Tensor:
    """Slopes (r, k) at frequencies (r, k) of windowed pieces of the gradient and sound, (r, t)."""
    size, k = slope.shape[1], f.shape[1]
    n = torch.arange(size, dtype=torch.float64, device=f.device) - (size - 1) / 2
    angle = 2 * math.pi * f[..., None] * n
    basis = torch.cat([angle.cos(), angle.sin()], 1) * window
    gram = basis @ basis.mT
    ridge = 1e-6 * gram.diagonal(dim1=1, dim2=2).mean(1) + 1e-30
    gram = gram + torch.diag_embed(ridge[:, None].expand(-1, 2 * k))
    right = basis @ torch.stack([slope, own], 2)
    weights = torch.linalg.solve(gram, right)
    rest = slope - (weights[:, None, :, 0] @ basis)[:, 0]
    # Positive where the loss wants less of a partial: its gradient points along it.
    much = (weights[..., 0] * weights[..., 1]).unflatten(1, (2, k)).sum(1).relu()
    much = much + 1e-6 * much.amax(1, keepdim=True) + 1e-30
    share = much / much.sum(1, keepdim=True)
    power = torch.fft.rfft(rest, 2 * size).abs().square()
    missing = power / (power.sum(1, keepdim=True) + 1e-300)
    axis = torch.linspace(0, 0.5, power.shape[1], dtype=f.dtype, device=f.device)
    if kind == "surrogate":
        away = (axis - f[..., None]) / REACH
        way = -(missing[:, None] * 2 * away / (1 + away.square()).square()).sum(2)
    else:
        away = f - _carried(share, missing, axis, f)
        way = away / (away.abs() + 1 / size)  # the cost is the distance, but for the last bin
    return rest.norm(dim=1)[:, None] * share * way


def _carried(share: Tensor, missing: Tensor, axis: Tensor, f: Tensor) -> Tensor:
    """Where each partial's share goes on average when shares are carried in order, (r, k)."""
    order = f.argsort(1)
    zero = torch.zeros_like(missing[:, :1])
    levels = torch.cat([zero, missing.cumsum(1)], 1)
    moments = torch.cat([zero, (missing * axis).cumsum(1)], 1)
    ends = torch.cat([zero, share.gather(1, order).cumsum(1)], 1).clamp(max=1)
    right = torch.searchsorted(levels.contiguous(), ends.contiguous())
    right = right.clamp(1, levels.shape[1] - 1)
    low, high = levels.gather(1, right - 1), levels.gather(1, right)
    way = ((ends - low) / (high - low).clamp(min=1e-300)).clamp(0, 1)
    moment = torch.lerp(moments.gather(1, right - 1), moments.gather(1, right), way)
    mean = moment.diff(dim=1) / ends.diff(dim=1).clamp(min=1e-300)
    return torch.empty_like(f).scatter(1, order, mean)
