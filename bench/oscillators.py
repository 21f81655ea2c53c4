"""Banks of sinusoids."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from bench.case import Case, Contender, Run, Tensors


def bank(rows: int, partials: int, samples: int, hop: int) -> Case:
    frames = samples // hop + (hop > 1)

    def inputs(generator: Generator) -> Tensors:
        # Free partials that glide by a tenth between 40 Hz and 16 kHz at 48 kHz.
        low, high = torch.log(torch.tensor([40.0 / 48_000.0, 16_000.0 / 48_000.0]))
        log = low + (high - low) * torch.rand(rows, partials, 1, generator=generator)
        frequencies = torch.exp(log + torch.linspace(0.0, 0.1, frames))
        amplitudes = torch.rand(rows, partials, frames, generator=generator) / partials
        return {"frequencies": frequencies, "amplitudes": amplitudes}

    def ours(given: Tensors) -> Tensor:
        from dspcore.ops import sinusoids

        return sinusoids(given["frequencies"], given["amplitudes"], samples, hop=hop)[0]

    def at_audio_rate(control: Tensor) -> Tensor:
        if hop == 1:
            return control
        size = (frames - 1) * hop + 1
        return interpolate(control, size=size, mode="linear", align_corners=True)[..., :samples]

    def eager(given: Tensors) -> Tensor:
        frequencies = at_audio_rate(given["frequencies"])
        # The phase of a sample is the sum of the frequencies before it.
        turns = torch.cumsum(frequencies, -1) - frequencies
        wave = torch.sin(2.0 * torch.pi * turns)
        return (wave * at_audio_rate(given["amplitudes"])).sum(1)

    def compiled() -> Run:
        return torch.compile(eager, dynamic=False)

    # A float32 sum of phases drifts: a peer 30 dB below ours computes the same, less well.
    peers = (
        Contender("PyTorch eager", lambda: eager, "torch", agrees_db=-30.0),
        Contender("torch.compile", compiled, "torch", agrees_db=-30.0),
    )
    controls = "controls per sample" if hop == 1 else f"controls per frame of {hop}"
    shape = f"{partials} free partials, {controls}, {rows} x {samples:,}"
    return Case("sinusoids", shape, inputs, ("frequencies", "amplitudes"), ours, peers)


CASES = (
    bank(8, 100, 64_000, 64),
    bank(8, 100, 64_000, 256),
    bank(8, 64, 24_000, 1),
)
