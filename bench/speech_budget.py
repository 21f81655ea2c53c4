"""``python -m bench.speech_budget``: SNR of one second of speech at 300, 1000 and 3000 parameters.

Windowed sinusoids (five numbers each: place, length, frequency, cosine, sine) beside MDCT and DFT
coefficients (two and three numbers each) of the same clip, espeak-ng's "zero seven" at 16 kHz.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from dspcore.estimate import matching_pursuit

sys.path.append(str(Path(__file__).parents[1] / "python" / "questions"))


def mdct_snr_db(y: Tensor, count: int, size: int = 256) -> float:
    """SNR of the `count` largest coefficients of an MDCT with sine windows, (t,) at best."""
    blocks = -(-len(y) // size) + 1
    padded = torch.nn.functional.pad(y, (size, blocks * size - len(y)))
    n = torch.arange(2 * size, dtype=y.dtype)
    k = torch.arange(size, dtype=y.dtype)[:, None]
    turn = math.pi / size * (n + 0.5 + size / 2) * (k + 0.5)
    basis = math.sqrt(2 / size) * torch.cos(turn) * torch.sin(math.pi / (2 * size) * (n + 0.5))
    power = (padded.unfold(0, 2 * size, size) @ basis.T).flatten().square()
    left = power.sum() - power.topk(count).values.sum()
    return -10 * math.log10(float(left / y.square().sum()))


def dft_snr_db(y: Tensor, count: int) -> float:
    """SNR of the `count` largest bins."""
    power = torch.fft.rfft(y).abs().square()
    return -10 * math.log10(1 - float(power.topk(count).values.sum() / power.sum()))


def main() -> None:
    """Prints the table of bench/ESTIMATE.md."""
    from descent import snr_db, speech

    torch.set_num_threads(1)
    y = speech(1.0)
    print(
        "| parameters | windowed sinusoids | CPU s | MDCT-256 | DFT |\n|---:|---:|---:|---:|---:|"
    )
    for budget in (300, 1000, 3000):
        begin = time.process_time()
        found = matching_pursuit(y, budget // 5)
        took = time.process_time() - begin
        snr = snr_db(found.render(), y)
        others = f"{mdct_snr_db(y, budget // 2):.1f} | {dft_snr_db(y, budget // 3):.1f}"
        print(f"| {budget} | {snr:.1f} | {took:.1f} | {others} |", flush=True)


if __name__ == "__main__":
    main()
