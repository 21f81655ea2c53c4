"""Which way an echo swings between two sounds: where `Effect.suggest` of choruses looks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.effects.lfo import within_half

_WINDOW_S = 0.03
_BLUR_S = 2.5e-4  # of echoes, so that a coarse grid meets them
_FOUND = 6
_TRIED = 24  # of each width
_WIDTHS = 6
_ROUNDS = 8  # of the search around the best of the grid


@dataclass(frozen=True)
class Sweep:
    """An echo ``centre + reach sin(2 pi (rate_hz t + phase))`` samples late."""

    rate_hz: float
    phase: float
    centre: float
    reach: float


def sweeps(
    dry: Tensor,
    reference: Tensor,
    rate: int,
    *,
    rates_hz: tuple[float, float],
    centre: tuple[float, float],
    reach: tuple[float, float],
    voices: int = 1,
    soonest: float = 2.0,
) -> list[Sweep]:
    """Sweeps along which the echoes of `reference` are strongest, the best first.

    Each window of the sound has its own response from `dry`; what stands still in it is taken out.
    A sweep is as good as the power of the responses along it is great. One that hardly moves scores
    well where a wider one turns, so the best of every width are kept until they are exact.

    Args:
        dry: (t,).
        reference: (t,), as long.
        rate: Of both, in Hz.
        rates_hz: Least and greatest rate.
        centre: Least and greatest middle of the sweep, in samples.
        reach: Least and greatest distance from there, in samples.
        voices: How many echoes sweep alike, evenly spread over the cycle.
        soonest: Delay in samples before which nothing counts.
    """
    size = 1 << math.ceil(math.log2(_WINDOW_S * rate))
    if len(dry) < 4 * size:
        return []
    power, times = _echoes(dry, reference, size, rate, centre[1] + reach[1])
    power[:, : max(2, math.ceil(soonest))] = 0
    generator = torch.Generator().manual_seed(0)
    duration = float(times[-1])
    count = min(64, math.ceil((rates_hz[1] - rates_hz[0]) * duration * 5) + 1)
    middles = max(20, math.ceil((centre[1] - centre[0]) / (2 * _BLUR_S * rate)))
    grid = torch.cartesian_prod(
        torch.linspace(*rates_hz, count, dtype=torch.float64),
        torch.arange(12 // voices, dtype=torch.float64) / (12 // voices * voices),
        torch.linspace(*centre, middles, dtype=torch.float64),
        torch.linspace(*reach, _WIDTHS, dtype=torch.float64),
    )
    blur = max(1, round(_BLUR_S * rate)) * 2 + 1
    spread = torch.tensor([1 / (8 * duration), 1 / 24, 1.0, 1.0], dtype=torch.float64)
    spread[2:] = torch.tensor([centre[1] - centre[0], reach[1] - reach[0]]) / 24
    least = torch.tensor([rates_hz[0], -9.0, centre[0], reach[0]], dtype=torch.float64)
    greatest = torch.tensor([rates_hz[1], 9.0, centre[1], reach[1]], dtype=torch.float64)
    smooth = _blurred(power, blur)
    scores = _scores(smooth, times, grid, voices)
    by_width = scores.reshape(-1, _WIDTHS).topk(min(_TRIED, len(grid) // _WIDTHS), 0).indices
    best = (
        grid.reshape(-1, _WIDTHS, 4).gather(0, by_width[..., None].expand(-1, -1, 4)).flatten(0, 1)
    )
    for turn in range(_ROUNDS):
        # Nearer and nearer, on sharper and sharper echoes.
        smooth = _blurred(power, max(1, round(blur * 0.7**turn)) | 1)
        moves = torch.randn(best.shape[0], 24, 4, generator=generator, dtype=torch.float64)
        moves[:, 0] = 0
        tried = (best[:, None] + 0.7**turn * spread * moves).clamp(least, greatest)
        ranked = _scores(smooth, times, tried.flatten(0, 1), voices).reshape(best.shape[0], 24)
        best = tried[torch.arange(len(best)), ranked.argmax(1)]
    ranked = _scores(smooth, times, best, voices)
    found = best[ranked.argsort(descending=True)][:_FOUND]
    return [Sweep(f, within_half(p), at, far) for f, p, at, far in found.tolist()]


def _echoes(
    dry: Tensor, reference: Tensor, size: int, rate: int, longest: float
) -> tuple[Tensor, Tensor]:
    """Power of the response of each window by delay, (windows, delays), and their times in s."""
    hop = size // 2
    window = torch.hann_window(size, dtype=torch.float64)
    before, after = (
        torch.stft(s.double(), size, hop, window=window, return_complex=True).T
        for s in (dry, reference)
    )
    power = before.abs().square()
    ratio = after * before.conj() / (power + 0.03 * power.mean(1, keepdim=True) + 1e-12)
    response = torch.fft.irfft(ratio, size)[:, : min(size // 2, math.ceil(longest) + 2)]
    level = power.sum(1, keepdim=True).sqrt()
    response = response - (level * response).sum(0) / level.sum().clamp(min=1e-30)
    times = torch.arange(len(response), dtype=torch.float64) * hop / rate
    return level * response.square(), times


def _blurred(power: Tensor, width: int) -> Tensor:
    return torch.nn.functional.avg_pool1d(power[:, None], width, 1, width // 2)[:, 0]


def _scores(power: Tensor, times: Tensor, tried: Tensor, voices: int) -> Tensor:
    """Power along each of the sweeps (n, 4), (n,)."""
    rows = torch.arange(len(times))
    scores = []
    for part in tried.split(8_192):
        f, phase, centre, reach = (v[:, None] for v in part.unbind(1))
        total = power.new_zeros(len(part))
        for voice in range(voices):
            wave = torch.sin(2 * math.pi * (f * times + phase + voice / voices))
            place = (centre + reach * wave).round().long().clamp(0, power.shape[1] - 1)
            total += power[rows, place].sum(1)
        scores.append(total)
    return torch.cat(scores)
