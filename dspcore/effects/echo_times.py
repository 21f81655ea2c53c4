"""When the echoes between two sounds come: where `Effect.suggest` of delays looks."""

from __future__ import annotations

import torch
from torch import Tensor


def echo_times(
    dry: Tensor, reference: Tensor, low: float, high: float, apart: int, count: int = 8
) -> list[float]:
    """Echo times in samples, from the response that would turn `dry` into `reference`.

    The response (a regularised quotient of the spectra) repeats at the echo time, so its cepstrum
    peaks there, whatever the phase of the other effects; exactly so where these are linear.

    Args:
        dry: (c, t).
        reference: (c, t).
        low: Least time looked for, in samples.
        high: Greatest one.
        apart: How far two answers lie apart at least, in samples.
        count: How many answers, the strongest first.
    """
    size = 2 * max(dry.shape[1], reference.shape[1])
    before, after = (torch.fft.rfft(s.double().mean(0), size) for s in (dry, reference))
    power = before.abs().square()
    floor = 1e-4 * power.mean()
    gain = (after * before.conj()).abs().square() / (power + floor).square()
    cepstrum = torch.fft.irfft(torch.log(gain + 1e-4 * gain.mean()), size)
    strength = cepstrum[: min(int(high), size // 2)].abs()
    strength[: int(low)] = 0
    found = []
    for _ in range(count):
        peak = int(strength[1:-1].argmax()) + 1
        left, top, right = cepstrum[peak - 1 : peak + 2].tolist()
        bend = left - 2 * top + right
        found.append(peak + (0.5 * (left - right) / bend if bend else 0.0))
        strength[max(0, peak - apart) : peak + apart] = 0
    return found
