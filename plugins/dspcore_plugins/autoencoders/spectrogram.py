"""A VAE of spectrograms, for speech and other mono sounds: the smallest complete example."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from dspcore.errors import UserError
from dspcore.latent import Autoencoder, Coded, make_bottleneck

#: Added to magnitudes before their logarithm: -60 dB of a sine at full scale, with 256 bins.
FLOOR = 0.06


class SpectrogramVAE(Autoencoder):
    """STFT, a convolutional VAE of its logarithm, and back with the phase kept or found.

    What goes through from end to end keeps the phase of what went in, so that it can be learnt
    from; what is decoded from a latent alone gets its phase from Griffin and Lim's iteration.

    Args:
        sample_rate: In Hz.
        fft_size: Window length, a power of 2; a hop is a quarter of it.
        width: Channels of the first layer.
        dims: Of the latent; a frame has eight hops.
        bottleneck: gauss, mmd, sphere, none or rvq.
        iterations: Of Griffin and Lim's.

    Source:
        D. W. Griffin, J. S. Lim, "Signal estimation from modified short-time Fourier transform",
        IEEE TASSP 32(2), 1984.
    """

    name = "spectrogram"

    def __init__(
        self,
        sample_rate: int,
        fft_size: int = 256,
        width: int = 16,
        dims: int = 32,
        bottleneck: str = "gauss",
        iterations: int = 32,
    ) -> None:
        if fft_size < 64 or fft_size & (fft_size - 1):
            raise UserError(f"spectrogram: fft_size must be a power of 2 from 64, got {fft_size}")
        super().__init__(sample_rate, 1, 2 * fft_size, make_bottleneck(bottleneck, dims))
        self.fft_size, self.iterations = fft_size, iterations
        self.register_buffer("window", torch.hann_window(fft_size), persistent=False)
        self.window: Tensor
        sizes, bins = [1, width, 2 * width, 4 * width], fft_size // 16
        down: list[nn.Module] = []
        for before, after in pairwise(sizes):
            down += [nn.Conv2d(before, after, 3, 2, 1), nn.LeakyReLU(0.2)]
        flat = sizes[-1] * bins
        self.encoder = nn.Sequential(
            *down, nn.Flatten(1, 2), nn.Conv1d(flat, self.bottleneck.channels, 3, padding=1)
        )
        up: list[nn.Module] = [nn.Conv1d(dims, flat, 3, padding=1), nn.Unflatten(1, (-1, bins))]
        for before, after in pairwise(sizes[::-1]):
            up += [nn.LeakyReLU(0.2), nn.ConvTranspose2d(before, after, 4, 2, 1)]
        self.decoder = nn.Sequential(*up)

    def forward(self, audio: Tensor, length: Tensor | None = None) -> tuple[Tensor, Coded]:
        """Audio (b, 1, t) with the phase that it had, and its latent."""
        coded = self.encode(audio, length)
        padded = functional.pad(audio, (0, -audio.shape[-1] % self.hop))
        spectrum = self._stft(padded)
        size = spectrum.abs()
        turned = spectrum / size.clamp(min=1e-8)
        made = self._istft(self._magnitude(self.decoder(coded.z)) * turned)
        return made[..., : audio.shape[-1]], coded

    def analysed(self, audio: Tensor) -> Tensor:
        """Logarithms of magnitudes, scaled to a range near 1, (b, 1, bins, frames)."""
        return (self._stft(audio).abs()[:, None, 1:] + FLOOR).log() / 2

    def synthesised(self, decoded: Tensor) -> Tensor:
        """Audio whose spectrogram is nearest to what was decoded; the phase starts at random."""
        size = self._magnitude(decoded)
        draw = torch.Generator().manual_seed(0)
        phase = 2 * math.pi * torch.rand(*size.shape[1:], generator=draw).to(size)
        turned = torch.polar(torch.ones_like(phase), phase).expand_as(size)
        for _ in range(self.iterations):
            spectrum = self._stft(self._istft(size * turned))
            turned = spectrum / spectrum.abs().clamp(min=1e-8)
        return self._istft(size * turned)

    def _magnitude(self, decoded: Tensor) -> Tensor:
        """Of every bin, (b, fft_size / 2 + 1, frames); there is no constant part."""
        size = ((2 * decoded[:, 0]).clamp(max=8).exp() - FLOOR).clamp(min=0)
        return functional.pad(size, (0, 0, 1, 0))

    def _stft(self, audio: Tensor) -> Tensor:
        """(b, fft_size / 2 + 1, t / hop) of audio (b, 1, t)."""
        step = self.fft_size // 4
        spectrum = torch.stft(
            audio[:, 0],
            self.fft_size,
            step,
            window=self.window,
            pad_mode="constant",
            return_complex=True,
        )
        return spectrum[..., : audio.shape[-1] // step]

    def _istft(self, spectrum: Tensor) -> Tensor:
        step = self.fft_size // 4
        made = torch.istft(
            spectrum,
            self.fft_size,
            step,
            window=self.window,
            length=spectrum.shape[-1] * step,
        )
        return made[:, None]
