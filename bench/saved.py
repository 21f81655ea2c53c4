"""``python -m bench.saved``: what every op keeps for its backward pass, beside its inputs.

The bytes of all tensors that autograd's saved-tensor hooks see, each storage once, that are
neither an input nor an output, and outputs apart; both as parts of the inputs. float32 audio,
4 x 48,000 samples, controls per frame of 256, gradients to every input. Written to SAVED.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dspcore import ops

HERE = Path(__file__).resolve().parent
ROWS, SAMPLES, HOP = 4, 48_000, 256
FRAMES = SAMPLES // HOP + 1
TITLE = """# What is kept for the backward pass

Written by `python -m bench.saved`: the bytes that autograd's saved-tensor hooks see for one call
with gradients to every input, each storage once, {rows} rows of {samples:,} samples, float32 audio.
*Kept* is what is neither an input nor an output; an output that is kept costs nothing while the
caller holds it. The aim is an excess of 1 % of the inputs.

| op | inputs, kB | kept beside them, kB | of the inputs | outputs kept, of the inputs |
|---|---:|---:|---:|---:|
"""

Case = tuple[tuple[Tensor, ...], Callable[..., Any]]


def cases() -> dict[str, Case]:
    """The inputs of every op, and the call."""
    torch.manual_seed(0)

    def audio(*shape: int) -> Tensor:
        return 0.3 * torch.randn(*(shape or (ROWS, 1, SAMPLES)))

    def per_row(value: float, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.full((ROWS, 1), value, dtype=dtype)

    def moving(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape)

    x, db = audio(), ((ROWS, 1, SAMPLES))
    section = ops.design.peak(0.02, 1.0, 6.0, sample_rate=1.0)
    level = x.abs()
    f0, amplitude = moving(0.004, 0.006, ROWS, FRAMES), moving(0.1, 0.3, ROWS, FRAMES)
    bank = (moving(0.01, 0.4, ROWS, 32, FRAMES), moving(0.0, 0.1, ROWS, 32, FRAMES))
    knee = (per_row(-20.0), per_row(4.0), per_row(6.0), per_row(0.01), per_row(0.001))
    wave = torch.sin(torch.arange(512) * torch.pi / 256)
    lines = torch.linspace(400.0, 700.0, 4)[None, :, None]
    loop = 0.4 * torch.eye(4).expand(ROWS, 4, 4).clone()
    return {
        "sosfilt, constant": ((x, section.expand(6, 6).clone()), ops.sosfilt),
        "sosfilt, per frame": (
            (x, section[:, None].expand(ROWS, 1, 1, 6, FRAMES).clone()),
            lambda x, sos: ops.sosfilt(x, sos, hop=HOP),
        ),
        "allpole, order 2 per sample": ((x, moving(-0.1, 0.1, ROWS, 1, 2, SAMPLES)), ops.allpole),
        "lfilter": ((x, torch.tensor([0.2, 0.1]), torch.tensor([1.0, -0.5])), ops.lfilter),
        "svf": ((x, moving(0.01, 0.02, *db), moving(0.7, 2.0, *db)), ops.svf),
        "onepole": ((x, per_row(0.9)), ops.onepole),
        "allpass_chain": ((x, moving(0.1, 0.5, *db)), lambda *a: ops.allpass_chain(*a, stages=4)),
        "ladder": ((x, moving(0.01, 0.02, *db)), lambda x, c: ops.ladder(x, c, 1.0)),
        "envelope": ((level, per_row(0.01), per_row(0.001)), ops.envelope),
        "compressor_gain": ((x, *knee), ops.compressor_gain),
        "feedback_gain": ((x, *knee), ops.feedback_gain),
        "gate_gain": ((level, *map(per_row, (0.3, 0.2, 0.01, 0.01, 0.001))), ops.gate_gain),
        "limiter_gain": (
            (x, per_row(-6.0), per_row(0.001)),
            lambda *a: ops.limiter_gain(*a, lookahead=64),
        ),
        "delay": (
            (audio(ROWS, 4, SAMPLES), lines.expand(ROWS, 4, 1).clone(), loop),
            lambda x, d, f: ops.delay(x, d, f, max_delay=1000.0),
        ),
        "comb": ((x, per_row(500.0), per_row(0.5)), lambda *a: ops.comb(*a, max_delay=1000.0)),
        "freeverb": (
            (audio(ROWS, 2, SAMPLES), torch.full((ROWS, 2), 0.8), torch.full((ROWS, 2), 0.2)),
            lambda *a: ops.freeverb(*a, lengths=[list(range(400, 1600, 100))] * 2),
        ),
        "antialiased": ((x, per_row(2.0)), lambda x, g: ops.antialiased(x, "tanh", g)),
        "convolve": ((x, 0.01 * audio(ROWS, 1, 4096)), ops.convolve),
        "fir_frames": (
            (x, 0.1 * audio(ROWS, 1, 64, FRAMES)),
            lambda x, h: ops.fir_frames(x, h, hop=HOP),
        ),
        "sinusoids": (bank, lambda f, a: ops.sinusoids(f, a, SAMPLES, hop=HOP)),
        "harmonics": ((f0, bank[1]), lambda f, a: ops.harmonics(f, a, SAMPLES, hop=HOP)),
        "oscillator": ((f0, amplitude), lambda f, a: ops.oscillator(f, a, SAMPLES, hop=HOP)),
        "wavetable": ((f0, wave), lambda f, w: ops.wavetable(f, w, SAMPLES, hop=HOP)),
        "fm": (
            (
                *(moving(0.1, 0.2, ROWS, 3, FRAMES) for _ in range(2)),
                moving(0.0, 0.5, ROWS, 3, 3, FRAMES),
            ),
            lambda f, a, i: ops.fm(f, a, i, SAMPLES, hop=HOP),
        ),
        "noise": ((amplitude,), lambda a: ops.noise(a, SAMPLES, 0)),
        "sine_layer": (
            (audio(4096, 16), *(audio(16, 16) for _ in range(3))),
            ops.sine_layer,
        ),
        "sine_chain": (
            (torch.linspace(0, 1, SAMPLES), *(audio(5, 4) for _ in range(3))),
            ops.sine_chain,
        ),
    }


def storages(tensors: Iterable[Tensor]) -> dict[int, int]:
    """Bytes of every storage."""
    return {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}


def tensors_of(value: Any) -> list[Tensor]:
    """Those in a result, however deep."""
    if isinstance(value, Tensor):
        return [value]
    return (
        [t for part in value for t in tensors_of(part)] if isinstance(value, (tuple, list)) else []
    )


def kept(inputs: tuple[Tensor, ...], call: Callable[..., Any]) -> tuple[int, int, int]:
    """Bytes of the inputs, of what is kept beside inputs and outputs, of outputs that are kept."""
    seen: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        seen.append(tensor)
        return tensor

    learned = tuple(x.clone().requires_grad_() for x in inputs)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = call(*learned)
    given, gone = storages(learned), storages(tensors_of(out))
    saved = storages(seen)
    beside = sum(n for at, n in saved.items() if at not in given and at not in gone)
    return (
        sum(given.values()),
        beside,
        sum(n for at, n in saved.items() if at in gone and at not in given),
    )


def main() -> None:
    lines = []
    for name, (inputs, call) in cases().items():
        given, beside, outputs = kept(inputs, call)
        parts = f"{100 * beside / given:.1f} % | {100 * outputs / given:.0f} %"
        lines.append(f"| {name} | {given / 1e3:,.0f} | {beside / 1e3:,.1f} | {parts} |")
        print(lines[-1])
    title = TITLE.format(rows=ROWS, samples=SAMPLES)
    (HERE / "SAVED.md").write_text(title + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
