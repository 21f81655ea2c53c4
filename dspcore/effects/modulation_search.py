"""How fast something swings between two sounds: where `Effect.suggest` of moving effects looks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dspcore.effects.lfo import within_half

_FOUND = 4  # candidates given back
_WINDOW_S = 0.005  # over which levels are taken
Swings = list[tuple[float, float]]


def gain_swings(dry: Tensor, reference: Tensor, rate: int, low: float, high: float) -> Swings:
    """Frequencies in Hz and phases in cycles of a sine in the gain from `dry` to `reference`.

    The gain of each window is weighted by what sounds there; for every frequency a constant, a
    cosine and a sine are fitted to it. The best comes first.

    Args:
        dry: (t,).
        reference: (t,), as long.
        rate: Of both, in Hz.
        low: Least frequency looked for, in Hz.
        high: Greatest one.
    """
    size = max(1, round(_WINDOW_S * rate))
    count = len(dry) // size
    before, after = (
        s.double()[: count * size].reshape(count, size).square().mean(1).sqrt()
        for s in (dry, reference)
    )
    times = (torch.arange(count, dtype=torch.float64) + 0.5) * size / rate
    return _fitted(after, before, times, low, high)


def delay_swings(dry: Tensor, reference: Tensor, rate: int, low: float, high: float) -> Swings:
    """The same of a sine in the delay of `reference` after `dry`, up to 25 ms.

    The delay of a window is where its correlation with the dry sound, for its level, has its peak.
    """
    size = 1 << math.ceil(math.log2(0.02 * rate))
    hop, longest = size // 8, round(0.025 * rate)
    if len(dry) < 2 * size:
        return []
    window = torch.hann_window(size, dtype=torch.float64)
    frames = reference.double().unfold(0, size, hop) * window
    # What a frame may have been made of lies up to `longest` samples before it.
    padded = torch.nn.functional.pad(dry.double(), (longest, 0)).unfold(0, size + longest, hop)
    length = 2 * size + longest

    def correlation(a: Tensor, b: Tensor) -> Tensor:
        """By delay, (frames, longest + 1)."""
        product = torch.fft.rfft(a, length) * torch.fft.rfft(b, length).conj()
        return torch.fft.irfft(product, length)[:, : longest + 1].flip(1)

    level = correlation(padded.square(), window.square()[None]).clamp(min=0)
    lags = correlation(padded, frames) / (level + 1e-3 * level.mean() + 1e-30).sqrt()
    peak = lags.argmax(1).clamp(1, longest - 1)
    left, top, right = (lags.gather(1, (peak + i)[:, None])[:, 0] for i in (-1, 0, 1))
    bend = left - 2 * top + right
    offset = torch.where(bend < 0, 0.5 * (left - right) / bend, 0.0).clamp(-0.5, 0.5)
    strength = top.clamp(min=0) ** 0.5
    times = (torch.arange(len(peak), dtype=torch.float64) * hop + size / 2) / rate
    return _fitted(strength * (peak + offset), strength, times, low, high)


def rates(dry: Tensor, reference: Tensor, rate: int, low: float, high: float) -> list[float]:
    """Frequencies in Hz at which the response from `dry` to `reference` swings, most likely first.

    Level and phase of every band over time, as a series of complex numbers weighted by what sounds.
    """
    size = 1 << math.ceil(math.log2(0.02 * rate))
    hop = size // 4
    if dry.shape[1] < 2 * size:
        return []
    window = torch.hann_window(size, dtype=torch.float64)
    before, after = (
        torch.stft(s.double().sum(0), size, hop, window=window, return_complex=True)
        for s in (dry, reference)
    )
    power = before.abs().square()
    ratio = after * before.conj() / (power + 1e-3 * power.mean())
    ratio = ratio / ratio.abs().clamp(min=1.0)  # where little sounds it means little
    weight = power.sqrt()
    weight = weight / weight.sum(1, keepdim=True).clamp(min=1e-30)
    ratio = ratio - (weight * ratio).sum(1, keepdim=True)
    loud = power.sum(1).sqrt()
    times = torch.arange(ratio.shape[1], dtype=torch.float64) * hop / rate
    grid = _grid(times, low, high)
    turn = torch.exp(-2j * math.pi * times[:, None] * grid)
    series = (weight * ratio).to(turn.dtype)
    swings = (series @ turn).abs().square() + (series @ turn.conj()).abs().square()
    return [float(grid[i]) for i in _peaks((loud[:, None] * swings).sum(0))]


def carriers(dry: Tensor, reference: Tensor, rate: int, low: float, high: float) -> Swings:
    """Frequencies and phases of a sine that `dry` (c, t) was multiplied by, the strongest first.

    ``dry * reference`` then holds the sine times a square, whose mean is not 0.
    """
    x, y = dry.double(), reference.double()
    square, product = x.square().sum(0), (x * y).sum(0)
    product = product - square * (square @ product) / (square @ square).clamp(min=1e-30)
    size = 4 * len(product)
    spectrum = torch.fft.rfft(product, size).abs()
    hz = torch.arange(len(spectrum), dtype=torch.float64) * rate / size
    spectrum = torch.where((hz >= low) & (hz <= high), spectrum, 0.0)
    times = torch.arange(len(product), dtype=torch.float64) / rate
    found = []
    for peak in _peaks(spectrum, apart=16):
        left, top, right = spectrum[peak - 1 : peak + 2].tolist()
        bend = left - 2 * top + right
        f = float(hz[peak]) + (0.5 * (left - right) / bend if bend else 0.0) * rate / size
        c = complex((product * torch.exp(-2j * math.pi * f * times)).sum())
        found.append((f, within_half(math.atan2(c.imag, c.real) / (2 * math.pi) + 0.25)))
    return found


def _fitted(values: Tensor, weight: Tensor, times: Tensor, low: float, high: float) -> Swings:
    """Where ``weight (a + b cos + c sin)`` comes nearest to `values`, all (m,)."""
    if len(times) < 8 or not bool(weight.any()):
        return []
    grid = _grid(times, low, high)
    angle = 2 * math.pi * grid[:, None] * times
    basis = weight * torch.stack([torch.ones_like(angle), torch.cos(angle), torch.sin(angle)], 1)
    normal = basis @ basis.mT
    ridge = 1e-6 * normal.diagonal(dim1=1, dim2=2).amax(1)[:, None, None] * torch.eye(3)
    answer = torch.linalg.solve(normal + ridge, (basis @ values)[..., None])
    left = (values - (answer * basis).sum(1)).square().sum(1)
    found = []
    for i in _peaks(-left - (-left).min()):
        _, cosine, sine = answer[i, :, 0].tolist()
        found.append((float(grid[i]), math.atan2(cosine, sine) / (2 * math.pi)))
    return found


def _grid(times: Tensor, low: float, high: float) -> Tensor:
    """Frequencies an eighth of a cycle over the whole sound apart."""
    step = 1 / (8 * float(times[-1] - times[0]))
    return torch.arange(low, high + step, step, dtype=torch.float64)


def _peaks(score: Tensor, apart: int = 6) -> list[int]:
    """Indices of the greatest entries, each so far from the ones before, away from the ends."""
    score = score.clone()
    score[[0, -1]] = 0
    found: list[int] = []
    for _ in range(_FOUND):
        best = int(score.argmax())
        if float(score[best]) <= 0:
            break
        found.append(best)
        score[max(0, best - apart) : best + apart + 1] = 0
    return found
