"""How far apart two sounds are, as numbers to descend on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FFT_SIZES = (2048, 512, 128)


class MultiscaleSpectral:
    """Mean difference of magnitudes and of their logarithms over several window lengths.

    ``mean |S - R| / mean |R| + mean |log(S + e) - log(R + e)|`` per length, averaged, where e lies
    80 dB under the reference's loudest bin: both loud and quiet parts count, silence does not. The
    reference is analysed once.

    Args:
        reference: The sound to be near to, (1, c, t).
        fft_sizes: Window lengths in samples; Hann windows that overlap by half.

    Source:
        J. Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020, eq. 4.
    """

    def __init__(self, reference: Tensor, fft_sizes: Sequence[int] = FFT_SIZES) -> None:
        """Analyses the reference."""
        self.fft_sizes = tuple(fft_sizes)
        self.magnitudes = [magnitudes(reference, n) for n in self.fft_sizes]

    def __call__(self, sound: Tensor) -> Tensor:
        """The loss of each item of `sound`, (b, c, t) to (b,)."""
        total = sound.new_zeros(sound.shape[0])
        for n, wanted in zip(self.fft_sizes, self.magnitudes, strict=True):
            found = magnitudes(sound, n)
            floor = wanted.max() * 1e-4 + 1e-12
            linear = (found - wanted).abs().mean((1, 2, 3)) / (wanted.mean() + floor)
            logs = torch.log(found + floor) - torch.log(wanted + floor)
            total = total + linear + logs.abs().mean((1, 2, 3))
        return total / len(self.fft_sizes)


def magnitudes(sound: Tensor, fft_size: int) -> Tensor:
    """Magnitudes of the short-time spectrum of (b, c, t), (b, c, bins, frames)."""
    window = torch.hann_window(fft_size, dtype=sound.dtype, device=sound.device)
    spectrum = torch.stft(
        sound.flatten(0, 1),
        fft_size,
        fft_size // 2,
        window=window,
        pad_mode="constant",
        return_complex=True,
    )
    # A magnitude has no slope at zero; this far below hearing, none is missed.
    power = spectrum.real.square() + spectrum.imag.square()
    return (power + 1e-14).sqrt().unflatten(0, sound.shape[:2])


def residual_db(sound: Tensor, reference: Tensor) -> Tensor:
    """Power of the difference over the reference's in dB, (b, c, t) to (b,); exact is -inf."""
    error = (sound - reference).double().square().sum((1, 2))
    return 10 * torch.log10(error / reference.double().square().sum())
