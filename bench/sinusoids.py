"""Sums of sinusoids with known parameters, drawn as the sine-network studies draw them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dspcore.estimate import Estimate


def problems(
    b: int,
    k: int,
    *,
    t: int = 512,
    separation: float = 2.0,
    snr_db: float | None = None,
    seed: int = 0,
) -> tuple[Tensor, Estimate]:
    """Signals (b, t) in float32 and the truth, with frequencies in 0.05 .. 0.45.

    Amplitudes are even in 0.1 .. 1, phases anywhere; neighbours are at least `separation` bins
    apart, every such set being as likely as another.
    """
    g = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=g, dtype=torch.float64)

    room = 0.4 - (k - 1) * separation / t
    gaps = torch.arange(k, dtype=torch.float64) * separation / t
    f = 0.05 + (room * uniform(b, k)).sort(1).values + gaps
    a, p = 0.1 + 0.9 * uniform(b, k), 2 * math.pi * uniform(b, k)
    truth = Estimate(f, a, p, torch.zeros_like(f), torch.full((b,), k), t)
    y = truth.render()
    if snr_db is not None:
        power = y.square().mean(1, keepdim=True) * 10 ** (-snr_db / 10)
        y = y + power.sqrt() * torch.randn(y.shape, generator=g, dtype=torch.float64)
    return y.float(), truth


def solved(found: Estimate, truth: Estimate) -> Tensor:
    """Whether the number is right and every frequency within half a bin, (b,)."""
    k = truth.frequencies.shape[1]
    if found.frequencies.shape[1] < k:
        return torch.zeros(len(truth.counts), dtype=torch.bool)
    near = (found.frequencies[:, :k] - truth.frequencies).abs() < 0.5 / truth.num_samples
    return near.all(1) & (found.counts == k)


def plain_descent(y: Tensor, k: int, *, steps: int = 400, seed: int = 0) -> Estimate:
    """Adam on frequencies and amplitudes of real sinusoids by the squared error: what fails."""
    b, t = y.shape
    g = torch.Generator().manual_seed(seed)
    f = (0.05 + 0.4 * torch.rand(b, k, generator=g)).requires_grad_()
    w = (0.1 * torch.randn(b, 2 * k, generator=g)).requires_grad_()
    optimizer = torch.optim.Adam([{"params": [f], "lr": 2e-4}, {"params": [w], "lr": 1e-2}])
    n = torch.arange(t) - (t - 1) / 2
    for _ in range(steps):
        angle = 2 * math.pi * f[..., None] * n
        rows = torch.cat([angle.cos(), angle.sin()], 1)
        loss = ((w[:, None] @ rows)[:, 0] - y).square().mean(1).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = f.detach().double().sort(1).values
    zero = torch.zeros_like(found)
    return Estimate(found, zero, zero, zero, torch.full((b,), k), t)


def recall(found: Estimate, truth: Estimate) -> Tensor:
    """Share of the sinusoids that have one within half a bin, (b,)."""
    apart = (found.frequencies[:, None] - truth.frequencies[..., None]).abs().amin(2)
    return (apart < 0.5 / truth.num_samples).double().mean(1)


def vibrato_tone(seed: int, t: int = 16_000, sample_rate: int = 16_000) -> Tensor:
    """Ten partials on one pitch that swings by 10 to 80 cents, 4 to 7 times a second, (t,)."""
    g = torch.Generator().manual_seed(seed)

    def within(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=g))

    f0, rate, cents, turn = within(110, 440), within(4, 7), within(10, 80), within(0, 2 * math.pi)
    n = torch.arange(t, dtype=torch.float64)
    swing = (2 ** (cents / 1200) - 1) * torch.sin(2 * math.pi * rate * n / sample_rate + turn)
    angle = 2 * math.pi * (f0 * (1 + swing) / sample_rate).cumsum(0)
    h = torch.arange(1, 11, dtype=torch.float64)
    a = (0.1 + 0.9 * torch.rand(10, generator=g, dtype=torch.float64)) / h
    p = 2 * math.pi * torch.rand(10, generator=g, dtype=torch.float64)
    return (a[:, None] * torch.sin(h[:, None] * angle + p[:, None])).sum(0)
