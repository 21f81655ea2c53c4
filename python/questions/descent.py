"""Sinusoids and clips that the recipes descend on."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from dspcore import audio, train

Loss = Callable[[Tensor, Tensor], Tensor]
SAMPLE_RATE = 16_000


def sine(frequency: Tensor, t: int = 512, phase: Tensor | float = 0.0) -> Tensor:
    """One sinusoid an item: (b,) cycles per sample to (b, 1, t)."""
    n = torch.arange(t, dtype=frequency.dtype)
    phase = torch.as_tensor(phase, dtype=frequency.dtype).reshape(-1, 1)
    return torch.sin(2 * math.pi * frequency[:, None] * n + phase)[:, None]


def find(
    loss: Loss | Callable[[int], Loss],
    start: Tensor,
    target: Tensor,
    *,
    steps: int = 600,
    rate_bins: float = 0.3,
    scheduled: bool = False,
) -> Tensor:
    """Frequencies after Adam from `start`, (b,), phase and amplitude free, each item by itself.

    Args:
        loss: Of sound and target, (b, 1, t) twice; with `scheduled`, of the step.
        start: Cycles per sample, (b,).
        target: (b, 1, t).
        steps: Of descent; the rate falls to zero on a cosine.
        rate_bins: The first rate, in bins of the target's length.
        scheduled: Whether the loss changes with the step.
    """
    t = target.shape[2]
    f = (start * t).clone().requires_grad_()  # in bins
    c = torch.zeros(2, len(start), dtype=start.dtype)
    c[0] = 0.5
    c.requires_grad_()
    groups = [{"params": [f], "lr": rate_bins}, {"params": [c], "lr": 0.02}]
    optimizer = torch.optim.Adam(groups)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    n = torch.arange(t, dtype=start.dtype) - (t - 1) / 2
    for step in range(steps):
        angle = 2 * math.pi / t * f[:, None] * n
        sound = (c[0, :, None] * angle.sin() + c[1, :, None] * angle.cos())[:, None]
        now: Loss = loss(step) if scheduled else loss  # type: ignore[assignment, arg-type, call-arg]
        optimizer.zero_grad()
        now(sound, target).sum().backward()
        optimizer.step()
        fall.step()
    return f.detach() / t


def speech(seconds: float = 1.0, text: str = "zero seven") -> Tensor:
    """One second or so of espeak-ng's English voice at 16 kHz, peak 1, (t,) float64."""
    from scipy.signal import resample_poly

    if shutil.which("espeak-ng") is None:
        sys.exit("this recipe speaks with espeak-ng: apt-get install espeak-ng")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run(["espeak-ng", "-w", str(path), "-v", "en", text], check=True)
        sound, rate = audio.read(path)
    factor = math.gcd(SAMPLE_RATE, rate)
    y = resample_poly(sound[0].double().numpy(), SAMPLE_RATE // factor, rate // factor)
    clip = torch.from_numpy(y).double()
    heard = (clip.abs() > 0.02 * clip.abs().max()).nonzero()[0, 0]
    clip = clip[int(heard) :][: round(seconds * SAMPLE_RATE)]
    return clip / clip.abs().max()


def trained(
    model: nn.Module,
    times: Tensor,
    clip: Tensor,
    rule: train.OptimizerConfig,
    *,
    steps: int = 300,
    loss: Loss | None = None,
) -> float:
    """Descend on a clip (t,) heard at times (t, ...), and say the SNR that is reached, in dB.

    A run that diverges reaches minus infinity. `loss` is the mean square when left out.
    """
    wanted = clip.to(times.dtype)[None, None]

    def square(model: nn.Module, batch: None, step: int) -> Tensor:
        found = model(times).reshape(1, 1, -1)
        return (found - wanted).square().mean() if loss is None else loss(found, wanted).mean()

    config = train.FitConfig(steps=steps, optimizer=rule, trackers=[], progress=False)
    try:
        train.fit(model, square, lambda step: torch.zeros(1), config)
    except train.DivergedError:
        return -math.inf
    return said_db(model, times, clip)


def said_db(model: nn.Module, times: Tensor, clip: Tensor) -> float:
    """SNR in dB of what a model says at times (t, ...) against a clip (t,)."""
    with torch.no_grad():
        return snr_db(model(times).reshape(-1).double(), clip.double())


def snr_db(found: Tensor, wanted: Tensor) -> float:
    """Power of the target over that of the error."""
    return -float(10 * torch.log10((found - wanted).square().sum() / wanted.square().sum()))
