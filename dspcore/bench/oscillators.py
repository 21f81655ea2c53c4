"""Banks of sinusoids, and layers of sines."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from dspcore.bench.case import Case, Contender, Run, Tensors

# Multiply-adds of a sine to float precision with its range reduction, and of a rotated partial.
SINE, ROTATION = 9.0, 5.0


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
    work = SINE * rows * partials * samples
    return Case("sinusoids", shape, inputs, ("frequencies", "amplitudes"), ours, peers, work)


def voice(rows: int, count: int, samples: int, hop: int) -> Case:
    """Harmonics of one fundamental each, controls per frame."""
    frames = -(-samples // hop) + 1

    def inputs(generator: Generator) -> Tensors:
        f0 = (80.0 + 200.0 * torch.rand(rows, 1, generator=generator)) / 48_000.0
        glide = torch.linspace(1.0, 1.2, frames)
        amplitudes = torch.rand(rows, count, frames, generator=generator) / count
        return {"f0": f0 * glide, "amplitudes": amplitudes}

    def ours(given: Tensors) -> Tensor:
        from dspcore.ops import harmonics

        return harmonics(given["f0"], given["amplitudes"], samples, hop=hop)[0]

    def eager(given: Tensors) -> Tensor:
        size = (frames - 1) * hop + 1

        def at_audio_rate(control: Tensor) -> Tensor:
            return interpolate(control, size=size, mode="linear", align_corners=True)[..., :samples]

        f0 = at_audio_rate(given["f0"][:, None])
        numbers = torch.arange(1, count + 1)[:, None]
        wave = torch.sin(2.0 * torch.pi * numbers * (torch.cumsum(f0, -1) - f0))
        audible = at_audio_rate(given["amplitudes"]) * (numbers * f0 < 0.5)
        return (wave * audible).sum(1)

    def ddsp(given: Tensors) -> Tensor:
        # As magenta/ddsp writes it: a frequency, an amplitude and an angle for every harmonic and
        # sample, (b, t, k), harmonics above half the sample rate muted, angles by cumulative sum.
        size = (frames - 1) * hop + 1

        def at_audio_rate(control: Tensor) -> Tensor:
            drawn = interpolate(control, size=size, mode="linear", align_corners=True)
            return drawn[..., :samples].mT

        numbers = torch.arange(1.0, count + 1.0)
        frequencies = at_audio_rate(given["f0"][:, None]) * numbers
        amplitudes = at_audio_rate(given["amplitudes"])
        amplitudes = torch.where(frequencies >= 0.5, torch.zeros_like(amplitudes), amplitudes)
        omegas = frequencies * (2.0 * torch.pi)
        return (amplitudes * torch.sin(torch.cumsum(omegas, 1) - omegas)).sum(-1)

    peers = (
        Contender("PyTorch eager", lambda: eager, "torch", agrees_db=-30.0),
        Contender("torch.compile", lambda: torch.compile(eager, dynamic=False), agrees_db=-30.0),
        Contender("PyTorch, as DDSP does it", lambda: ddsp, agrees_db=-30.0),
    )
    shape = f"{count} harmonics, controls per frame of {hop}, {rows} x {samples:,}"
    work = ROTATION * rows * count * samples
    return Case("harmonics", shape, inputs, ("f0", "amplitudes"), ours, peers, work)


def layer(rows: int, width: int) -> Case:
    """A dense layer of sines."""

    def inputs(generator: Generator) -> Tensors:
        def noise(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        return {
            "x": noise(rows, width),
            "amplitude": noise(width, width) / width,
            "frequency": noise(width, width),
            "phase": noise(width, width),
        }

    def ours(given: Tensors) -> Tensor:
        from dspcore.ops import sine_layer

        return sine_layer(given["x"], given["amplitude"], given["frequency"], given["phase"])

    def eager(given: Tensors) -> Tensor:
        angle = given["x"][..., None] * given["frequency"] + given["phase"]
        return (given["amplitude"] * torch.sin(angle)).sum(-2)

    peers = (
        Contender("PyTorch eager", lambda: eager),
        Contender("torch.compile", lambda: torch.compile(eager, dynamic=False)),
    )
    learned = ("x", "amplitude", "frequency", "phase")
    shape = f"{rows:,} x {width} to {width}"
    return Case("sine_layer", shape, inputs, learned, ours, peers, SINE * rows * width**2)


def chain(samples: int, layers: int, waves: int) -> Case:
    """A chain of sines on one time axis, as it is fitted to a clip."""

    def inputs(generator: Generator) -> Tensors:
        def noise(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        return {
            "t": torch.linspace(-1.0, 1.0, samples),
            "amplitude": 0.3 * noise(layers, waves) / waves,
            "frequency": 20.0 * noise(layers, waves),
            "phase": noise(layers, waves),
        }

    def ours(given: Tensors) -> Tensor:
        from dspcore.ops import sine_chain

        return sine_chain(given["t"], given["amplitude"], given["frequency"], given["phase"])

    def eager(given: Tensors) -> Tensor:
        t = given["t"]
        h = torch.zeros_like(t)
        for a, w, p in zip(given["amplitude"], given["frequency"], given["phase"], strict=True):
            h = (a * torch.sin(w * (t + h)[:, None] + p)).sum(-1)
        return h

    # Chains are steep: rounding grows from layer to layer.
    peers = (
        Contender("PyTorch eager", lambda: eager, agrees_db=-40.0),
        Contender("torch.compile", lambda: torch.compile(eager, dynamic=False), agrees_db=-40.0),
    )
    learned = ("amplitude", "frequency", "phase")
    shape = f"{layers} layers of {waves} waves, {samples:,} times"
    return Case("sine_chain", shape, inputs, learned, ours, peers, SINE * samples * layers * waves)


def table_lookup(rows: int, samples: int, size: int) -> Case:
    """One cycle of a table, read at a phase."""

    def inputs(generator: Generator) -> Tensors:
        # 16 harmonics, so that nothing has to be cut from the table at 110 to 220 Hz.
        turns = torch.arange(size) / size
        numbers = torch.arange(1.0, 17.0)[:, None]
        weights = torch.rand(16, 1, generator=generator) / numbers
        table = (weights * torch.sin(2.0 * torch.pi * numbers * turns)).sum(0)
        f0 = (110.0 + 110.0 * torch.rand(rows, 1, generator=generator)) / 48_000.0
        return {"f0": f0.expand(rows, samples).contiguous(), "table": table}

    def ours(given: Tensors) -> Tensor:
        from dspcore.ops import wavetable

        return wavetable(given["f0"], given["table"], samples)[0]

    def ddsp(given: Tensors) -> Tensor:
        # As magenta/ddsp's linear_lookup: a weight for every sample and place in the table.
        phase = (torch.cumsum(given["f0"], 1) - given["f0"]) % 1.0
        distance = (phase[..., None] - torch.linspace(0.0, 1.0, size + 1)).abs() * size
        weights = torch.relu(1.0 - distance)
        return weights @ torch.cat([given["table"], given["table"][:1]])

    # Linear in the table, with a phase whose float32 sum drifts, against our cubic reading: heard,
    # that is near enough to compare; slopes to single places of the table are not alike.
    peer = Contender("PyTorch, as DDSP does it", lambda: ddsp, agrees_db=-20.0, gradient=False)
    shape = f"a table of {size:,}, {rows} x {samples:,}"
    return Case("wavetable", shape, inputs, ("table",), ours, (peer,), 8.0 * rows * samples)


CASES = (
    bank(8, 100, 64_000, 64),
    bank(8, 100, 64_000, 256),
    bank(8, 64, 24_000, 1),
    voice(16, 64, 48_000, 256),
    layer(4_096, 64),
    chain(48_000, 10, 5),
    table_lookup(1, 16_000, 2_048),
)
