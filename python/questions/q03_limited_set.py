"""Q3: what can a limited learned set of waves approximate."""

from __future__ import annotations

import math

import torch
from answer import Answer
from descent import snr_db, speech
from torch import Tensor

from dspcore import estimate

COUNTS = (1, 2, 4, 8, 12, 16, 24, 32)


def fixed(y: Tensor, f: Tensor) -> float:
    """SNR of the best amplitudes of fixed frequencies."""
    angle = 2 * math.pi * torch.arange(len(y), dtype=y.dtype)[:, None] * f
    rows = torch.cat([angle.cos(), angle.sin()], 1)
    w = torch.linalg.lstsq(rows, y[:, None], driver="gelsd").solution
    return snr_db((rows @ w)[:, 0], y)


def main() -> None:
    """Learned, DFT, doubling and random frequencies, on 16 sinusoids and on speech."""
    g = torch.Generator().manual_seed(0)
    n = torch.arange(512, dtype=torch.float64)
    f = 0.05 + 0.4 * torch.rand(16, generator=g, dtype=torch.float64)
    a = 0.1 + 0.9 * torch.rand(16, generator=g, dtype=torch.float64)
    waves = (
        a[:, None] * torch.sin(2 * math.pi * f[:, None] * n + 6 * torch.rand(16, 1, generator=g))
    ).sum(0)
    clips = {"16 sinusoids": waves, "32 ms of a vowel": speech(0.4)[4000:4512]}
    curves: dict[str, dict[str, list[float]]] = {}
    for clip, y in clips.items():
        lines: dict[str, list[float]] = {
            k: [] for k in ("learned", "DFT bins", "doubling", "random")
        }
        spectrum = torch.fft.rfft(y).abs()
        for count in COUNTS:
            learned = estimate.nomp(y[None], count)
            lines["learned"].append(min(150.0, -float(learned.residual_db(y[None]))))
            lines["DFT bins"].append(fixed(y, spectrum.topk(count).indices / 512))
            lines["doubling"].append(fixed(y, 0.5 ** torch.arange(1.0, min(count, 9) + 1)))
            draws = [0.5 * torch.rand(count, generator=g, dtype=torch.float64) for _ in range(10)]
            lines["random"].append(sum(fixed(y, draw) for draw in draws) / 10)
        curves[clip] = lines
    rows = [
        [clip, kind, *(f"{line[COUNTS.index(c)]:.1f}" for c in (4, 8, 16, 32))]
        for clip, lines in curves.items()
        for kind, line in lines.items()
    ]

    def draw(figure):
        for axes, (clip, lines) in zip(figure.subplots(1, 2), curves.items(), strict=True):
            for kind, line in lines.items():
                axes.plot(COUNTS, [min(v, 60) for v in line], ".-", label=kind)
            axes.set_title(clip)
            axes.set_xlabel("waves")
        figure.axes[0].set_ylabel("SNR, dB (cut at 60)")
        figure.axes[0].legend()

    first, voice = curves["16 sinusoids"], curves["32 ms of a vowel"]
    at = COUNTS.index(8)
    Answer(
        3,
        "What can a limited learned set of waves approximate?",
        f"What has no more sinusoids than the set, exactly; of what has more, the strongest: 8 learned "
        f"waves reach {first['learned'][at]:.1f} dB on 16 sinusoids and {voice['learned'][at]:.1f} dB on a "
        f"vowel, 8 DFT bins {first['DFT bins'][at]:.1f} and {voice['DFT bins'][at]:.1f}, "
        f"frequencies that double {first['doubling'][at]:.1f} and {voice['doubling'][at]:.1f}.",
        "Learned frequencies (`nomp`) jump to the rounding of the signal when the set is as large as what "
        "made it; before, each wave takes one sinusoid and the error is the power of those left. Fixed "
        "sets pay for every frequency that is between theirs: a DFT grid several waves each, a doubling "
        "set has too few to begin with, and random ones explain what their number explains of white noise.",
        ["target", "frequencies", "4 waves", "8", "16", "32"],
        rows,
        "SNR over the number of waves; amplitudes and phases are solved for exactly in each case.",
    ).publish(draw, script=__file__)


if __name__ == "__main__":
    main()
