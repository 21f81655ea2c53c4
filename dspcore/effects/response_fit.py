"""Settings of an equaliser whose response is near a wanted one, by many small searches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_BANDS = 96
_RESTARTS = 32
_STEPS = 250


def band_difference(dry: Tensor, reference: Tensor, rate: int) -> tuple[Tensor, Tensor, Tensor]:
    """How many dB louder the reference is, band by band, with how much that counts.

    Args:
        dry: (c, t).
        reference: (c, t), as long.
        rate: Of both, in Hz.

    Returns:
        Band centres in Hz, evenly over the logarithm from 20 Hz up; the difference in dB; and
        weights from 0, where nothing sounds, to 1.
    """
    before, after = (torch.fft.rfft(s.double()).abs().square().sum(0) for s in (dry, reference))
    hz = torch.arange(len(before), dtype=torch.float64) * rate / dry.shape[1]
    edges = torch.logspace(1.3, torch.log10(torch.tensor(0.45 * rate)).item(), _BANDS + 1).double()
    band = torch.bucketize(hz, edges) - 1
    inside = (band >= 0) & (band < _BANDS)
    powers = []
    for power in (before, after):
        sums = torch.zeros(_BANDS, dtype=torch.float64)
        powers.append(sums.index_add(0, band[inside], power[inside]))
    floor = 1e-9 * powers[0].max()
    difference = 10 * torch.log10((powers[1] + floor) / (powers[0] + floor))
    weight = (1 + torch.log10(powers[0] / powers[0].max() + 1e-9) / 8).clamp(0, 1)
    weight = torch.where(powers[0] > 0, weight, 0.0)
    return (edges[1:] * edges[:-1]).sqrt(), difference, weight


def response_db(sos: Tensor, hz: Tensor, rate: int) -> Tensor:
    """The response of sections (..., k, 6) in series at frequencies (f,), in dB, (..., f)."""
    z = torch.exp(-2j * torch.pi * hz / rate)
    powers = torch.stack([torch.ones_like(z), z, z * z])
    over, under = (part.to(z.dtype) @ powers for part in (sos[..., :3], sos[..., 3:]))
    return 10 * torch.log10(over.abs().square() / under.abs().square()).sum(-2)


def fit_response(
    sections: Callable[[Tensor], Tensor],
    starts: Tensor,
    hz: Tensor,
    target_db: Tensor,
    weight: Tensor,
    rate: int,
) -> Tensor:
    """Settings (n, p) in [0, 1] that bring the response near `target_db`, the best first.

    Half of the searches leave the overall level free: another effect may set it.

    Args:
        sections: From settings (n, p) to sections (n, k, 6).
        starts: Where the searches begin, (n, p) in (0, 1).
        hz: Frequencies, (f,).
        target_db: Wanted response there, (f,).
        weight: How much each counts, (f,).
        rate: Sample rate in Hz.
    """
    free = torch.logit(starts.double()).requires_grad_()
    level_free = (torch.arange(len(starts)) % 2).double()[:, None]
    share = weight / weight.sum()
    optimizer = torch.optim.Adam([free], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS, 2e-3)
    losses = free.new_zeros(len(starts))
    for _ in range(_STEPS):
        error = response_db(sections(torch.sigmoid(free)), hz, rate) - target_db
        error = error - level_free * (error * share).sum(-1, keepdim=True)
        losses = ((error.square() + 0.01).sqrt() * share).sum(-1)
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
        schedule.step()
    found = torch.sigmoid(free.detach())
    kept = [found[i::2][losses.detach()[i::2].argsort()] for i in (0, 1)]
    return torch.stack(kept, 1).flatten(0, 1)


def near(own: Tensor, generator: torch.Generator, count: int = _RESTARTS) -> Tensor:
    """Settings around `own`, (p,), to start searches from, (count, p)."""
    reach = torch.rand(count, len(own), generator=generator).double() - 0.5
    return (own + 0.7 * reach).clamp(0.02, 0.98)


def thrown(
    own: Tensor, groups: list[list[int]], generator: torch.Generator, count: int = _RESTARTS
) -> Tensor:
    """Copies of `own`, (count, p), with the parameters of one group anywhere.

    A bell that found nothing to do may be missing elsewhere.
    """
    starts = own.clamp(0.02, 0.98).repeat(count, 1).double()
    for row in range(count):
        group = groups[row % len(groups)]
        starts[row, group] = 0.1 + 0.8 * torch.rand(len(group), generator=generator).double()
    return starts
