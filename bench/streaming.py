"""Synthesis in real time: ``python -m bench.streaming`` writes bench/STREAMING.md.

What share of a core an instrument takes at 48 kHz, block after block, from CPU time; and how far
blocks are from the whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from dspcore.bench.ledger import machine
from dspcore.ddsp import DDSP, ModelConfig
from dspcore.synth import FM, Note, Subtractive, Synth

RATE, ROUNDS, BLOCKS = 48_000, 5, 100


def share(block: Callable[[], object], samples: int) -> float:
    """Percent of a core at `RATE`: the median of rounds."""
    for _ in range(20):
        block()
    taken = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        for _ in range(BLOCKS):
            block()
        taken.append((time.process_time() - begin) / BLOCKS)
    return 100 * median(taken) * RATE / samples


def ddsp(hop: int, *, network: bool) -> tuple[float, float]:
    """Share of a core, and the largest difference between the stream and the whole."""
    torch.manual_seed(0)
    model = DDSP(ModelConfig(RATE, hop, 60, 65, 128, 1.0)).eval()
    f0, loud = torch.full((1, 200), 220.0), torch.linspace(-40.0, -20.0, 200)[None]
    whole = model(f0, loud)
    stream = model.stream()
    played = torch.cat([stream(f0[:, i], loud[:, i]) for i in range(200)], -1)
    apart = float((played[..., hop:] - whole[..., :-hop]).abs().max())
    frame = {name: value[:, :1] for name, value in model.controls(f0, loud)[0].items()}

    def block() -> Tensor:
        return stream(f0[:, 0], loud[:, 0]) if network else stream.play(**frame)

    return share(block, hop), apart


def instrument(synth: Synth, voices: int, samples: int) -> tuple[float, float]:
    """The same of a chord held for ever."""
    notes = [Note(0.0, 1e4, 48 + 3 * i) for i in range(voices)]
    stream = synth.stream(notes)
    played = torch.cat([stream(samples) for _ in range(100)], -1)
    whole = synth(notes, 100 * samples / RATE)
    return share(lambda: stream(samples), samples), float((played - whole).abs().max())


def main() -> None:
    """Measure everything, one thread."""
    torch.set_num_threads(1)
    tone = "60 harmonics, 65 noise bands, a room of 1 s"
    rows = []
    with torch.inference_mode():
        for hop in (64, 128):
            late = f"{1000 * hop / RATE:.1f} ms"
            rows.append(
                (f"{tone}; controls every {hop} samples", hop, late, ddsp(hop, network=False))
            )
        rows.append(("the same with its network, every 480", 480, "10 ms", ddsp(480, network=True)))
        for kind in (Subtractive, FM):
            for voices in (1, 8):
                name = f"{kind.name}, {voices} voices"
                rows += [(name, n, "none", instrument(kind(RATE), voices, n)) for n in (64, 512)]
    lines = [
        "# Streaming",
        "",
        "`python -m bench.streaming`: one thread, 48 kHz, float32, CPU time, medians of "
        f"{ROUNDS} rounds of {BLOCKS} blocks.",
        "Apart: the largest difference between blocks and the whole.",
        "",
        "| what plays | block | latency | share of a core | apart |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, block, late, (percent, apart) in rows:
        lines.append(f"| {name} | {block} | {late} | {percent:.1f} % | {apart:.0e} |")
    text = "\n".join([*lines, "", f"{machine()['processor']}, {time.strftime('%Y-%m-%d')}.", ""])
    Path(__file__).with_name("STREAMING.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
