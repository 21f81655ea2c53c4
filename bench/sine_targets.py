"""``python -m bench.sine_targets`` writes bench/SINE.md: silence, and wavetables, as targets ask.

Targets M9 and M13 of the sine-network specification; the other ones are measured elsewhere, and
docs/sine_networks.md lists them all.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from dspcore import nn, ops
from dspcore.bench.limits import peak_bytes
from dspcore.losses import residual_db, silence_dbfs

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "python" / "questions"))
RATE, T, TABLE = 16_000, 64_000, 2_048


def silence(waves: int = 100, pad: int = 8_000) -> list[str]:
    """M9: zeros, and one second of espeak-ng between two half seconds of silence."""
    from descent import speech

    clip = speech(1.0)
    padded = torch.nn.functional.pad(clip, (pad, pad))
    t = torch.arange(len(padded), dtype=torch.float64)
    rows = []
    with torch.no_grad():
        nothing = nn.for_clip(nn.WindowedSines, torch.zeros(len(clip)), waves=10).double()
        level = float(nothing(t).square().mean().sqrt().clamp(min=1e-15).log10()) * 20
        text = "-300 dBFS: exactly 0" if level <= -299 else f"{level:.0f} dBFS"
        rows.append(f"| all zeros | -90 dBFS or less | {text} |")
        alone = nn.for_clip(nn.WindowedSines, clip, waves=waves).double()(t[: len(clip)])
        made = nn.for_clip(nn.WindowedSines, padded, waves=waves).double()(t)
        quiet = float(silence_dbfs(made[None, None], padded[None, None]))
        own = -float(residual_db(alone[None, None], clip[None, None]))
        inside = -float(residual_db(made[None, None, pad:-pad], clip[None, None]))
    said = f"one second of speech, {waves} waves, between silences of 0.5 s"
    rows.append(f"| {said}: level of these | -70 dBFS or less | {quiet:.0f} dBFS |")
    loss = f"{own - inside:+.2f} dB ({own:.2f} alone, {inside:.2f} padded)"
    rows.append(f"| the same: SNR that the padding costs | less than 0.3 dB | {loss} |")
    return rows


def lookup(turns: Tensor, table: Tensor) -> Tensor:
    """As magenta/ddsp's linear_lookup: a weight for every sample and place of the table."""
    phase = (torch.cumsum(turns, 1) - turns) % 1.0
    places = torch.linspace(0.0, 1.0, TABLE + 1)
    weights = torch.relu(1.0 - (phase[..., None] - places).abs() * TABLE)
    return weights @ torch.cat([table, table[:, :1]], 1)[0]


def seconds(call: object, rounds: int) -> float:
    """Median CPU time of a call."""
    found = []
    for _ in range(rounds):
        begun = time.process_time()
        call()  # type: ignore[operator]
        found.append(time.process_time() - begun)
    return sorted(found)[rounds // 2]


def wavetable() -> list[str]:
    """M13: 64,000 samples from a table of 2,048 against DDSP's lookup and the sum of sines."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.arange(1.0, 17.0, dtype=torch.float64)
    weights = torch.rand(16, generator=generator, dtype=torch.float64) / numbers
    cycle = torch.arange(TABLE, dtype=torch.float64) / TABLE
    table = (weights[:, None] * torch.sin(2 * math.pi * numbers[:, None] * cycle)).sum(0)[None]
    hz = 220.0 * (1 + 0.1 * torch.sin(2 * math.pi * torch.arange(T, dtype=torch.float64) / RATE))
    turns = (hz / RATE)[None]
    phase = torch.cumsum(turns, 1) - turns
    wanted = (weights[:, None] * torch.sin(2 * math.pi * numbers[:, None] * phase)).sum(0)
    single, rate = table.float(), turns.float()

    def ours() -> Tensor:
        return ops.wavetable(turns, single, T)[0]

    def theirs() -> Tensor:
        return lookup(rate, single)

    with torch.no_grad():
        errors = [
            float(residual_db(y.double().reshape(1, 1, -1), wanted[None, None]))
            for y in (ours(), theirs())
        ]
        times = [seconds(ours, 21), seconds(theirs, 3)]
        sizes = [(peak_bytes(call) or 0) / 1e6 for call in (ours, theirs)]
    ratio = f"{times[1] / times[0]:.0f}x ({1e3 * times[0]:.2f} and {1e3 * times[1]:.0f} ms)"
    return [
        f"| wavetable, {T:,} samples, {TABLE:,} places: memory | O(t) | {sizes[0]:.1f} MB, "
        f"DDSP's lookup {sizes[1]:.0f} MB |",
        f"| the same: faster than that lookup | 200x | {ratio} |",
        f"| the same: off the sum of sines | -100 dB | {errors[0]:.0f} dB; "
        f"lookup {errors[1]:.0f} dB |",
    ]


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "SINE.md")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = [*(f"{r}" for r in wavetable()), *silence()]
    given.out.write_text(
        "# Silence and wavetables (M9, M13)\n\nWritten by `python -m bench.sine_targets`, one "
        'thread; the speech is espeak-ng\'s "zero seven" at 16 kHz, times are medians of CPU time '
        "in one run.\n\n| what | asked | measured |\n|---|---|---|\n" + "\n".join(rows) + "\n",
        encoding="utf-8",
    )
    print(given.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
