"""`python -m bench.aliasing`: how loud the aliases of `Distortion` are, way by way."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from dspcore.effects import Distortion

RATE, F0_HZ, DRIVE_DB = 44_100, 5_000, 24.0
WAYS = Distortion.choices["antialiasing"].words


def alias_db(curve: str, antialiasing: str) -> float:
    """Power away from the harmonics of a sine over all power, without the constant part."""
    time = torch.arange(2 * RATE, dtype=torch.float64) / RATE
    sine: Tensor = torch.sin(2 * math.pi * F0_HZ * time)[None, None]
    y = Distortion(RATE, curve=curve, antialiasing=antialiasing, drive_db=DRIVE_DB)(sine)
    power = torch.fft.rfft(y[0, 0, RATE:]).abs().square()  # bins of one hertz
    total, harmonics = power[1:].sum(), power[F0_HZ::F0_HZ].sum()
    return float(10 * torch.log10((total - harmonics).clamp(min=1e-30) / total))


def table() -> str:
    """The page."""
    lines = [
        "# Aliases of distortions",
        "",
        f"Written by `python -m bench.aliasing`: a sine of {F0_HZ} Hz at {RATE} Hz, "
        f"{DRIVE_DB:g} dB into the curve, one second after the first; power between its harmonics "
        "over all power, in dB. The tone low-pass stands at its default.",
        "",
        "| curve | " + " | ".join(f"`{way}`" for way in WAYS) + " |",
        "|" + " --- |" * (1 + len(WAYS)),
    ]
    for curve in Distortion.choices["curve"].words:
        figures = " | ".join(f"{alias_db(curve, way):.1f}" for way in WAYS)
        lines.append(f"| {curve} | {figures} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / "ALIASING.md").write_text(text := table(), encoding="utf-8")
    print(text)
