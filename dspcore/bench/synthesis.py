"""A DDSP model: its synthesiser alone, and a whole training step, beside plain PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn.functional import fold, interpolate, pad

from dspcore.bench.case import Case, Contender, Run, Tensors
from dspcore.ddsp import DDSP, Decoder

RATE, HOP, HARMONICS, BANDS, HIDDEN = 16_000, 160, 60, 65, 128
FFT_SIZES = (2048, 1024, 512, 256, 128, 64)


def _frames(generator: Generator, rows: int, frames: int) -> Tensors:
    f0 = 100.0 + 200.0 * torch.rand(rows, 1, generator=generator)
    return {"f0_hz": f0 * torch.linspace(1.0, 1.3, frames)}


def _at_audio_rate(frames: Tensor) -> Tensor:
    """(b, k, f) to (b, k, f * HOP), the last frame held."""
    held = torch.cat([frames, frames[..., -1:]], -1)
    size = (held.shape[-1] - 1) * HOP + 1
    return interpolate(held, size=size, mode="linear", align_corners=True)[..., :-1]


def _plain_tone(f0_hz: Tensor, each: Tensor) -> Tensor:
    """Harmonics as DDSP models in PyTorch make them: everything at audio rate."""
    f0 = _at_audio_rate(f0_hz[:, None]) / RATE
    numbers = torch.arange(1, each.shape[1] + 1)[:, None]
    turns = torch.cumsum(f0.double(), -1) - f0
    wave = torch.sin(2 * torch.pi * ((numbers * turns) % 1).to(each.dtype))
    return (wave * _at_audio_rate(each) * (numbers * f0 < 0.5)).sum(1)


def _plain_noise(magnitudes: Tensor, white: Tensor) -> Tensor:
    """Noise of every frame through its own filter, under windows that add to one."""
    _, f, bands = magnitudes.shape
    reach = bands - 2
    window = torch.hann_window(2 * reach + 2, dtype=magnitudes.dtype)
    response = torch.fft.irfft(magnitudes) * torch.fft.fftshift(window)
    taps = torch.cat([response[..., -reach:], response[..., : reach + 1]], -1)
    held = torch.cat([taps, taps[:, -1:]], 1)  # frame i is heard from (i - 1) HOP to (i + 1) HOP
    segments = pad(white, (HOP, HOP)).unfold(-1, 2 * HOP + 2 * reach, HOP)
    size = 2 * HOP + 4 * reach + 1
    made = torch.fft.irfft(torch.fft.rfft(segments, size) * torch.fft.rfft(held, size), size)
    rise = torch.arange(HOP, dtype=magnitudes.dtype) / HOP
    both = made[..., 2 * reach : 2 * reach + 2 * HOP] * torch.cat([rise, 1 - rise])
    whole = fold(both.mT, (1, (f + 2) * HOP), (1, 2 * HOP), stride=(1, HOP))[:, 0, 0]
    return whole[..., HOP : HOP + f * HOP]


def _white(rows: int, samples: int, dtype: torch.dtype) -> Tensor:
    from dspcore.ops import noise

    return noise(torch.ones(rows, 1, dtype=dtype), samples + 2 * (BANDS - 2), 0)[:, 0]


@functools.cache
def _model() -> DDSP:
    return DDSP()


def synthesiser(rows: int, frames: int) -> Case:
    """From controls to sound."""

    def inputs(generator: Generator) -> Tensors:
        each = torch.rand(rows, frames, HARMONICS, generator=generator) / HARMONICS
        bands = 0.02 * torch.rand(rows, frames, BANDS, generator=generator)
        return {**_frames(generator, rows, frames), "harmonics": each, "magnitudes": bands}

    def ours(given: Tensors) -> Tensor:
        from dspcore.synth import FilteredNoise, HarmonicOscillator

        tone = HarmonicOscillator(HARMONICS, RATE, HOP)
        noise = FilteredNoise(BANDS, 2 * BANDS, RATE, HOP)
        one = torch.ones_like(given["f0_hz"])[..., None]
        y = tone.get_signal(one, given["harmonics"], given["f0_hz"][..., None])
        return (y + noise.get_signal(given["magnitudes"]))[:, 0]

    def eager() -> Run:
        white = {t: _white(rows, frames * HOP, t) for t in (torch.float32, torch.float64)}

        def run(given: Tensors) -> Tensor:
            noise = _plain_noise(given["magnitudes"], white[given["magnitudes"].dtype])
            return _plain_tone(given["f0_hz"], given["harmonics"].mT) + noise

        return run

    shape = f"{HARMONICS} harmonics and {BANDS} noise bands, {rows} x {frames * HOP:,}"
    learned = ("f0_hz", "harmonics", "magnitudes")
    peers = (Contender("PyTorch eager", eager, agrees_db=-45.0),)
    return Case("ddsp synthesiser", shape, inputs, learned, ours, peers)


def training_step(rows: int, frames: int) -> Case:
    """Network, synthesiser, room and multi-scale spectral loss, to the gradient of all weights."""

    def inputs(generator: Generator) -> Tensors:
        torch.manual_seed(0)
        weights = {n: p.detach() for n, p in DDSP().named_parameters()}
        target = 0.1 * torch.randn(rows, 1, frames * HOP, generator=generator)
        loud = -30.0 + 10.0 * torch.rand(rows, frames, generator=generator)
        return {
            **_frames(generator, rows, frames),
            "loudness_db": loud,
            "target": target,
            **weights,
        }

    def stepped(play: Callable[[Tensors, Tensors], Tensor]) -> Run:
        from dspcore.losses import MultiscaleSpectral

        def run(given: Tensors) -> Tensor:
            weights = {n: v for n, v in given.items() if "." in n}
            loss = MultiscaleSpectral(fft_sizes=FFT_SIZES)
            return loss(play(given, weights), given["target"]).mean()[None]

        return run

    def ours(given: Tensors) -> Tensor:
        def play(given: Tensors, weights: Tensors) -> Tensor:
            arguments = (given["f0_hz"], given["loudness_db"])
            return torch.func.functional_call(_model(), weights, arguments)

        return stepped(play)(given)

    def eager() -> Run:
        from dspcore.synth import exp_sigmoid

        decoder = Decoder(1 + HARMONICS + BANDS, HIDDEN)
        white = {t: _white(rows, frames * HOP, t) for t in (torch.float32, torch.float64)}

        def play(given: Tensors, weights: Tensors) -> Tensor:
            own = {n.removeprefix("decoder."): v for n, v in weights.items() if "decoder." in n}
            arguments = (given["f0_hz"], given["loudness_db"])
            out, _ = torch.func.functional_call(decoder, own, arguments)
            level, shares, bands = out.split([1, HARMONICS, BANDS], -1)
            below = torch.arange(1, HARMONICS + 1) * given["f0_hz"][..., None] < RATE / 2
            shares = exp_sigmoid(shares) * below
            each = exp_sigmoid(level) * shares / shares.sum(-1, keepdim=True)
            tone = _plain_tone(given["f0_hz"], each.mT)
            dry = tone + _plain_noise(exp_sigmoid(bands - 5.0), white[bands.dtype])
            room = torch.cat([torch.ones_like(dry[0, :1]), weights["reverb.response"][1:]])
            size = 2 * dry.shape[-1]
            wet = torch.fft.irfft(torch.fft.rfft(dry, size) * torch.fft.rfft(room, size), size)
            return wet[:, None, : dry.shape[-1]]

        return stepped(play)

    with torch.device("meta"):  # names alone: no memory, no random numbers
        learned = tuple(n for n, _ in DDSP().named_parameters())
    shape = f"network of {HIDDEN}, {HARMONICS} harmonics, {BANDS} bands, room, loss, "
    shape += f"{rows} x {frames * HOP:,}"
    peers = (Contender("PyTorch eager", eager, agrees_db=-35.0),)
    return Case("ddsp training step", shape, inputs, learned, ours, peers)


CASES = (synthesiser(4, 100), training_step(4, 100))
