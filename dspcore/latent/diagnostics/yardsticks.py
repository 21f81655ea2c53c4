"""What a loss says of sounds that anyone can make without a model: lines to read its curve by."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

#: What each is, in the words of the report, the best first.
MEANINGS = {
    "copy": "the item itself",
    "bands": "the item through the model's filter bank and back",
    "other dither": "the item with another 16-bit dither: a floor that a model cannot beat",
    "hiss": "the item with white noise at -60 dBFS on it",
    "late": "the item 5 ms late",
    "envelope noise": "noise with the item's spectrum and envelope, no detail",
    "mean spectrum": "noise with the spectrogram that all items have on average: says nothing",
    "other item": "another item of the set",
    "dither": "dither alone",
    "silence": "nothing at all",
}

_LSB = 2.0**-15

#: ``loss(sound, target)``, (b, c, t) twice to (b,) or to one number.
Loss = Callable[[Tensor, Tensor], Tensor]


@torch.no_grad()
def yardsticks(
    loss: Loss,
    sounds: Tensor,
    sample_rate: int,
    *,
    through: Callable[[Tensor], Tensor] | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """The mean loss of stand-ins for a model's output, by the names of `MEANINGS`.

    Printed before the first step, they say what a later value means: a run that stands still at
    "envelope noise" has learnt levels and no tone.

    Args:
        loss: What the run descends on, or validates by.
        sounds: Of the set, two items or more, (b, c, t), full scale 1.
        sample_rate: In Hz.
        through: The model's analysis and synthesis without a network, (b, c, t) to the same.
        seed: Of the noises.
    """
    if sounds.ndim != 3 or len(sounds) < 2:
        raise ValueError(
            f"yardsticks: wanted (b, c, t) of two items or more, got {tuple(sounds.shape)}"
        )
    found = {}
    for name, made in stand_ins(sounds, sample_rate, through=through, seed=seed).items():
        found[name] = float(loss(made, sounds).double().mean())
    return found


def stand_ins(
    sounds: Tensor,
    sample_rate: int,
    *,
    through: Callable[[Tensor], Tensor] | None = None,
    seed: int = 0,
) -> Mapping[str, Tensor]:
    """The sounds behind `yardsticks`, by name, each (b, c, t)."""
    draw = torch.Generator().manual_seed(seed)
    late = min(round(0.005 * sample_rate), sounds.shape[-1])
    made = {"copy": sounds}
    if through is not None:
        made["bands"] = through(sounds)[..., : sounds.shape[-1]]
    made["other dither"] = sounds + _dither(sounds, draw)
    made["hiss"] = sounds + 1e-3 * _normal(sounds, draw)
    made["late"] = functional.pad(sounds, (late, 0))[..., : sounds.shape[-1]]
    made["envelope noise"] = envelope_noise(sounds, sample_rate, draw)
    made["mean spectrum"] = mean_spectrum(sounds, sample_rate, draw)
    made["other item"] = sounds.roll(1, 0)
    made["dither"] = _dither(sounds, draw)
    made["silence"] = torch.zeros_like(sounds)
    return made


def envelope_noise(sounds: Tensor, sample_rate: int, draw: torch.Generator) -> Tensor:
    """Noise with each item's spectrum, then with its level in windows of 5 ms, (b, c, t)."""
    spectrum = torch.fft.rfft(sounds)
    turn = 2 * torch.pi * torch.rand(spectrum.shape, generator=draw).to(sounds.device)
    noise = torch.fft.irfft(torch.polar(spectrum.abs(), turn.to(sounds.dtype)), n=sounds.shape[-1])
    own, wanted = (_level(x, sample_rate) for x in (noise, sounds))
    return noise * wanted / own.clamp(min=1e-9)


def mean_spectrum(sounds: Tensor, sample_rate: int, draw: torch.Generator) -> Tensor:
    """Noise with the magnitudes that all items have on average in every moment, (b, c, t)."""
    n = 2 ** round(torch.tensor(0.023 * sample_rate).log2().item())
    n = min(n, 2 * (sounds.shape[-1] // 2))
    window = torch.hann_window(n, dtype=sounds.dtype, device=sounds.device)

    def analysed(x: Tensor) -> Tensor:
        return torch.stft(
            x.flatten(0, 1), n, n // 4, window=window, pad_mode="constant", return_complex=True
        )

    usual = analysed(sounds).abs().unflatten(0, sounds.shape[:2]).mean(0, keepdim=True)
    noise = analysed(_normal(sounds, draw))
    phases = (noise / noise.abs().clamp(min=1e-9)).unflatten(0, sounds.shape[:2])
    shaped = (usual * phases).flatten(0, 1)
    return torch.istft(shaped, n, n // 4, window=window, length=sounds.shape[-1]).reshape_as(sounds)


def _level(sounds: Tensor, sample_rate: int) -> Tensor:
    """Root of the mean square over 5 ms around every sample."""
    size = 2 * max(1, round(0.0025 * sample_rate)) + 1
    power = functional.avg_pool1d(sounds.square(), size, 1, size // 2, count_include_pad=False)
    return power.clamp(min=0).sqrt()


def _dither(like: Tensor, draw: torch.Generator) -> Tensor:
    """Triangular noise of 16 bits, two steps wide to either side."""
    two = [torch.rand(like.shape, generator=draw) for _ in range(2)]
    return _LSB * (two[0] - two[1]).to(like)


def _normal(like: Tensor, draw: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=draw).to(like)
