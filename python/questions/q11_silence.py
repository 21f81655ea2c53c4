"""Q11: is silence hard, and why does a network not learn zero."""

from __future__ import annotations

import math
from typing import Any

import torch
from answer import Answer
from descent import speech, trained
from torch import Tensor

from dspcore import losses, nn, train

PAD, T, STEPS = 768, 768, 200
FALL = train.Schedule([(0, 1.0), (STEPS, 1e-3)], "exponential")


def level_db(model: torch.nn.Module, times: Tensor) -> float:
    """Root mean square of what a model says, in dB below full scale."""
    with torch.no_grad():
        return float(20 * torch.log10(model(times).square().mean().sqrt() + 1e-15))


def main() -> None:
    """Nothing to say, and speech between two silences, by networks of about 150 numbers."""
    clip = speech(0.6)[4_000 : 4_000 + T]
    clip = clip / clip.abs().max()
    padded = torch.nn.functional.pad(clip, (PAD, PAD))
    count = len(padded)
    samples = torch.arange(count, dtype=torch.float32)
    unit = nn.time_axis(count, "unit")[:, None]
    kinds: dict[str, tuple[Any, dict[str, Any], Tensor, dict[str, float]]] = {
        "`SineWaveNetwork`": (
            nn.SineWaveNetwork, {"layers": 3, "base": 8, "first_frequency": 600.0}, unit, {}
        ),
        "`SineChain`, two layers": (
            nn.SineChain, {"layers": 2, "waves": [10, 40], "frequency": math.pi}, samples,
            {"frequency": 0.01},
        ),
        "`SineChain`, a bank": (
            nn.SineChain, {"layers": 1, "waves": 50, "frequency": math.pi}, samples,
            {"frequency": 0.01},
        ),
        "`WindowedSines`": (nn.WindowedSines, {"waves": 30, "num_samples": count}, samples, {}),
    }  # fmt: skip
    rows, bars = [], {}
    for name, (kind, options, times, rates) in kinds.items():
        nothing, texts = torch.zeros(count), []
        for schedule in (train.Schedule(), FALL):
            torch.manual_seed(0)
            model = kind(**options)
            rule = train.OptimizerConfig(lr=2e-3, rates=rates, schedule=schedule)
            trained(model, times, nothing, rule, steps=STEPS)
            texts.append(f"{level_db(model, times):.0f}")
        levels = []
        for start in ("random", "analysis"):
            if kind is nn.SineWaveNetwork and start == "analysis":
                times, options = samples[:, None], {**options, "base": 12}
            torch.manual_seed(0)
            made = nn.for_clip(kind, padded, start=start, **options)
            rule = train.OptimizerConfig(lr=5e-4, rates=rates, schedule=FALL)
            if start == "random":
                trained(made, times, padded, rule, steps=STEPS)
            with torch.no_grad():
                said = made(times).reshape(1, 1, -1).double()
            silent = float(losses.silence_dbfs(said, padded[None, None]))
            inside = said[..., PAD:-PAD], clip[None, None]
            snr = -float(losses.residual_db(*inside))
            levels.append(silent)
            texts += [f"{snr:.1f}", f"{silent:.0f}"]
        bars[name] = levels
        rows.append([name, *texts])

    def draw(figure):
        axes = figure.subplots()
        places = range(len(bars))
        for n, label in enumerate(("random, descended", "analysis")):
            values = [max(v[n], -130) for v in bars.values()]
            axes.barh([p + 0.2 - 0.4 * n for p in places], values, 0.4, label=label)
        axes.set_yticks(list(places), [name.replace("`", "") for name in bars])
        axes.set_xlabel("level where there should be silence, dBFS (cut at -130)")
        axes.legend()

    dense, bank, windowed = rows[0], rows[2], rows[3]
    Answer(
        11,
        "Is silence hard? Why does the network not learn zero?",
        f"Zero alone is easy for a bank ({bank[1]} dBFS after {STEPS} steps) and slow for a dense network ({dense[1]}); a "
        f"rate that falls from the start stops both on the way ({bank[2]} and {dense[2]}). Silence beside sound is hard "
        f"for waves that never end, since they must cancel: a bank leaves {bank[6]} dBFS there even from an analysis, "
        f"waves with an end {windowed[6]}.",
        f"First columns: nothing but zeros as the target, random start, {STEPS} steps of Adam at 2e-3, level or falling "
        "to a thousandth. Amplitudes of some tenths need a hundred such steps, so a flat line that does not get flat "
        "was given too few steps, or too small ones; a dense network has to bring down the last layer's amplitudes "
        "while all layers before it move. Then 48 ms of speech between two silences of 48 ms: SNR within the speech and level outside. A "
        "sine sounds for ever, so every silence costs a bank as many waves as the speech. `WindowedSines` is exactly "
        "silent where no wave is. The random starts were descended, the analyses were not.",
        [
            "network",
            "zeros, level rate, dBFS",
            "falling rate, dBFS",
            "random: SNR, dB",
            "silence, dBFS",
            "analysis: SNR, dB",
            "silence, dBFS",
        ],
        rows,
        "Level in the silences before and after 48 ms of speech.",
    ).publish(draw, script=__file__)


if __name__ == "__main__":
    main()
