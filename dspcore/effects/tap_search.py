"""The echoes between two sounds, one after the other: where `Effect.suggest` of many taps looks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_READ = (-1, 0, 1, 2)  # samples around an echo that a third-order reading takes


@dataclass(frozen=True)
class Tap:
    """An echo: its time in samples, and its gain in each channel."""

    samples: float
    gains: tuple[float, ...]


def taps(
    dry: Tensor, reference: Tensor, low: float, high: float, count: int
) -> tuple[Tensor, list[Tap]]:
    """The gains of `dry` in `reference`, (c,), and its echoes, the strongest first.

    Orthogonal matching pursuit (Y. Pati, R. Rezaiifar, P. Krishnaprasad, Asilomar 1993): an echo is
    looked for in what the others leave, by its correlation with the whitened dry sound, and then
    the gains of all are found anew. An echo between two samples is the four samples around it, as
    third-order Lagrange interpolation reads them, so nothing of it is left; their sum is its gain,
    their centre its time.

    Args:
        dry: (c, t).
        reference: (c, t).
        low: Least time looked for, in samples.
        high: Greatest one.
        count: How many echoes, at most.
    """
    x, y = dry.double(), reference.double()
    size = 2 * x.shape[1]
    spectrum = torch.fft.rfft(x, size)
    power = spectrum.abs().square().sum(0)
    white = spectrum.conj() / (power + 1e-3 * power.mean())
    least, most = max(3, int(low)), min(int(high) + 1, x.shape[1] - 3)
    places: list[int] = []
    gains = torch.zeros(len(x), 1, dtype=torch.float64)
    for turn in range(count + 1):
        columns = [x, *(_later(x, n + i) for n in places for i in _READ)]
        basis = torch.stack(columns, -1)  # (c, t, 1 + 4 taps)
        normal = basis.mT @ basis
        scale = normal.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
        ridge = 1e-12 * scale * torch.eye(basis.shape[2], dtype=torch.float64)
        gains = torch.linalg.solve(normal + ridge, basis.mT @ y[..., None])[..., 0]
        if turn == count:
            break
        left = y - (basis @ gains[..., None])[..., 0]
        found = torch.fft.irfft((torch.fft.rfft(left, size) * white), size)
        strength = found.square().sum(0)
        strength[:least] = 0
        strength[most:] = 0
        for n in places:
            strength[n - 3 : n + 5] = 0
        at = int(strength.argmax())
        if not float(strength[at]) > 0:
            break
        places.append(at if strength[at + 1] > strength[at - 1] else at - 1)
    answers = []
    for i, n in enumerate(places):
        parts = gains[:, 1 + 4 * i : 5 + 4 * i]
        sums = parts.sum(1)
        # The louder side says the time.
        side = int(sums.abs().argmax())
        offset = float(parts[side] @ torch.tensor(_READ, dtype=torch.float64) / sums[side])
        answers.append(Tap(n + min(2.0, max(-1.0, offset)), tuple(sums.tolist())))
    return gains[:, 0], answers


def _later(x: Tensor, samples: int) -> Tensor:
    """`x` so many samples later."""
    return torch.nn.functional.pad(x[:, : x.shape[1] - samples], (samples, 0))
