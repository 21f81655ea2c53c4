"""How far apart two spectra are over time, at several resolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.losses._check import pair

FFT_SIZES = (2048, 512, 128)


class MultiscaleSpectral:
    """Mean difference of magnitudes and of their logarithms over several window lengths.

    ``mean |S - R| / mean |R| + mean |log(S + e) - log(R + e)|`` per length, averaged, where e lies
    80 dB under the reference's loudest bin: both loud and quiet parts count, silence does not.

    Args:
        reference: The sound to be near to, (1, c, t), analysed once; or none, when every call
            brings its own.
        fft_sizes: Window lengths in samples; Hann windows that overlap by half.

    Source:
        J. Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020, eq. 4.
    """

    def __init__(
        self, reference: Tensor | None = None, fft_sizes: Sequence[int] = FFT_SIZES
    ) -> None:
        """Analyses the reference."""
        self.fft_sizes = tuple(fft_sizes)
        self.magnitudes = None if reference is None else self._analysed(reference)

    def _analysed(self, sound: Tensor) -> list[Tensor]:
        return [magnitudes(sound, n) for n in self.fft_sizes]

    def __call__(self, sound: Tensor, target: Tensor | None = None) -> Tensor:
        """The loss of each item of `sound`, (b, c, t) to (b,).

        Args:
            sound: What was made, (b, c, t).
            target: What it should be, (b, c, t); left out where a reference was given.
        """
        if target is not None:
            pair("MultiscaleSpectral", sound, target)
            wanted_all, own = self._analysed(target), [1, 2, 3]
        elif self.magnitudes is not None:
            wanted_all, own = self.magnitudes, [0, 1, 2, 3]
        else:
            raise ValueError("MultiscaleSpectral: give a target, here or as the reference")
        total = sound.new_zeros(sound.shape[0])
        for n, wanted in zip(self.fft_sizes, wanted_all, strict=True):
            found = magnitudes(sound, n)
            floor = wanted.amax(own, keepdim=True) * 1e-4 + 1e-12
            level = (wanted.mean(own, keepdim=True) + floor).flatten()
            linear = (found - wanted).abs().mean((1, 2, 3)) / level
            logs = torch.log(found + floor) - torch.log(wanted + floor)
            total = total + linear + logs.abs().mean((1, 2, 3))
        return total / len(self.fft_sizes)


@dataclass(frozen=True)
class MultiResolutionSTFT:
    """Spectral convergence and mean difference of log magnitudes, over several resolutions.

    ``|S - R|_2 / |R|_2 + mean |log S - log R|`` per resolution, averaged, with magnitudes no
    smaller than `floor`.

    Args:
        fft_sizes: Lengths of the transforms in samples.
        hops: Steps between frames.
        windows: Lengths of the Hann windows.
        floor: Least magnitude.

    Source:
        R. Yamamoto et al., "Parallel WaveGAN", ICASSP 2020, eq. 4 to 6; its defaults.
    """

    fft_sizes: Sequence[int] = (1024, 2048, 512)
    hops: Sequence[int] = (120, 240, 50)
    windows: Sequence[int] = (600, 1200, 240)
    floor: float = 1e-7

    def __call__(self, sound: Tensor, target: Tensor) -> Tensor:
        """The loss of each item, (b, c, t) twice to (b,)."""
        pair("MultiResolutionSTFT", sound, target)
        total = sound.new_zeros(sound.shape[0])
        for n, hop, window in zip(self.fft_sizes, self.hops, self.windows, strict=True):
            found, wanted = (
                magnitudes(x, n, hop, window).clamp(min=self.floor) for x in (sound, target)
            )
            apart = (found - wanted).flatten(1).norm(dim=1)
            logs = (found.log() - wanted.log()).abs().mean((1, 2, 3))
            total = total + apart / wanted.flatten(1).norm(dim=1) + logs
        return total / len(self.fft_sizes)


def magnitudes(
    sound: Tensor, fft_size: int, hop: int | None = None, window_size: int | None = None
) -> Tensor:
    """Magnitudes of the short-time spectrum of (b, c, t), (b, c, bins, frames)."""
    window = torch.hann_window(window_size or fft_size, dtype=sound.dtype, device=sound.device)
    spectrum = torch.stft(
        sound.flatten(0, 1),
        fft_size,
        hop or fft_size // 2,
        window_size or fft_size,
        window=window,
        pad_mode="constant",
        return_complex=True,
    )
    # A magnitude has no slope at zero; this far below hearing, none is missed.
    power = spectrum.real.square() + spectrum.imag.square()
    return (power + 1e-14).sqrt().unflatten(0, sound.shape[:2])
