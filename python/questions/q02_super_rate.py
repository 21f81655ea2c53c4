"""Q2: do waves above the sample rate add capacity."""

from __future__ import annotations

import math

import torch
from answer import Answer
from descent import snr_db, speech
from torch import Tensor

WAVES, DRAWS = (50, 100, 200, 400), 8


def fit(y: Tensor, n: Tensor, f: Tensor) -> float:
    """SNR of the best amplitudes of fixed frequencies, at times n."""
    angle = 2 * math.pi * n[:, None] * f
    rows = torch.cat([angle.cos(), angle.sin()], 1)
    gram = rows.T @ rows + 1e-9 * len(y) * torch.eye(rows.shape[1], dtype=rows.dtype)
    return snr_db(rows @ torch.linalg.solve(gram, rows.T @ y), y)


def main() -> None:
    """Values, gradients and fits below and above the rate, on the grid and off it."""
    n = torch.arange(2000, dtype=torch.float64)
    w = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    y = speech(0.2)[:2000]
    reference = (torch.sin(w * n) - y).square().mean()
    (slope,) = torch.autograd.grad(reference, w)
    rows = []
    for j in (1, 7, 1000):
        v = (w.detach() + 2 * math.pi * j).requires_grad_()
        (other,) = torch.autograd.grad((torch.sin(v * n) - y).square().mean(), v)
        apart = (torch.sin(v * n) - torch.sin(w * n)).abs().max()
        rows.append(
            [
                f"+ {j} x the rate",
                f"{float(apart.detach()):.0e}",
                f"{float((other / slope - 1).abs()):.0e}",
            ]
        )
    g = torch.Generator().manual_seed(0)
    curves = {"below half the rate": [], "up to 8 x the rate": [], "and off the grid": []}
    jitter = n + 0.8 * (torch.rand(len(n), generator=g, dtype=torch.float64) - 0.5)
    for count in WAVES:
        for name, times, top in (
            ("below half the rate", n, 0.5),
            ("up to 8 x the rate", n, 8.0),
            ("and off the grid", jitter, 8.0),
        ):
            draws = top * torch.rand(DRAWS, count, generator=g, dtype=torch.float64)
            curves[name].append(sum(fit(y, times, f) for f in draws) / DRAWS)
    for name, values in curves.items():
        rows.append([f"fit with 400 waves {name}", f"{values[-1]:.2f} dB", ""])

    def draw(figure):
        axes = figure.subplots()
        for name, values in curves.items():
            axes.plot(WAVES, values, ".-", label=name)
        axes.set_xlabel("waves with random frequencies")
        axes.set_ylabel("SNR of the best amplitudes, dB")
        axes.legend()

    Answer(
        2,
        "Do waves above the sample rate add capacity?",
        "No: on the sample grid a wave and the one a whole number of rates above it have the same "
        "samples and the same slope, so they are the same parameter.",
        "sin((w + 2 pi j) n) = sin(w n) for whole n, and its derivative by w is n cos(w n) for both: the "
        "differences below are rounding. Fits with frequencies drawn from eight times the range are no "
        f"better than below half the rate (means of {DRAWS} draws). "
        "Between the samples the waves differ, so such a network says something else when it is "
        "rendered at another rate; and where the times themselves are off the grid (third curve) the "
        "aliases are separate waves, which fit the samples no better.",
        ["waves", "difference of the samples", "of the slope, relative"],
        rows,
        "How well 0.125 s of speech is fitted by waves of random frequencies, amplitudes solved exactly.",
    ).publish(draw, script=__file__)


if __name__ == "__main__":
    main()
