"""A pseudo quadrature mirror filter bank: audio as critically sampled bands, and back."""

from __future__ import annotations

import functools
import math

import torch
from scipy import optimize, signal
from torch import Tensor, nn
from torch.nn import functional

#: Taps for each band of the prototype. Measured with 16 bands: the worst error of a round trip
#: over noise is -67 dB at 32, -52 dB at 16, -27 dB at 8.
TAPS_PER_BAND = 32


class PQMF(nn.Module):
    """``bands = pqmf(audio)``, (b, c, t) to (b, c * bands, t / bands); ``inverse`` goes back.

    Cosine modulation of one Kaiser-windowed prototype, whose cutoff is searched for so that its
    square is as near as can be to a Nyquist filter. The synthesis is the adjoint of the analysis.
    Every second sample of odd bands changes sign, so that frequencies rise in each band.

    Args:
        bands: How many.
        causal: Filters look at the past only; then a round trip is late by `delay` samples.

    Source:
        Y.-P. Lin and P. P. Vaidyanathan, "A Kaiser window approach for the design of prototype
        filters of cosine modulated filterbanks", IEEE Signal Processing Letters 5(6), 1998.
    """

    def __init__(self, bands: int = 16, causal: bool = False) -> None:
        super().__init__()
        if bands < 2:
            raise ValueError(f"pqmf: bands must be 2 or more, got {bands}")
        self.bands, self.causal = bands, causal
        taps = bands * TAPS_PER_BAND + 1
        #: Samples by which a round trip is late.
        self.delay = taps - 1 if causal else 0
        n = torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2
        k = torch.arange(bands, dtype=torch.float64)[:, None]
        sign = torch.where(k % 2 == 0, 1.0, -1.0)
        turned = torch.cos((2 * k + 1) * math.pi / (2 * bands) * n + sign * math.pi / 4)
        kernel = 2 * torch.tensor(_prototype(bands, taps), dtype=torch.float64) * turned
        self.register_buffer("kernel", kernel[:, None].float(), persistent=False)
        self.kernel: Tensor

    def forward(self, audio: Tensor) -> Tensor:
        """Bands of audio, (b, c, t) to (b, c * bands, t / bands); t a multiple of `bands`."""
        if audio.ndim != 3 or audio.shape[-1] % self.bands:
            raise ValueError(
                f"pqmf: audio must be (b, c, t) with t a multiple of {self.bands}, "
                f"got {tuple(audio.shape)}; pad it"
            )
        b, c, _ = audio.shape
        past = self.kernel.shape[-1] - 1
        sides = (past, 0) if self.causal else (past // 2, past // 2)
        padded = functional.pad(audio.reshape(b * c, 1, -1), sides)
        found = functional.conv1d(padded, self.kernel, stride=self.bands)
        return self._turned(found).reshape(b, c * self.bands, -1)

    def inverse(self, bands: Tensor) -> Tensor:
        """Audio of bands, (b, c * bands, f) to (b, c, f * bands)."""
        if bands.ndim != 3 or bands.shape[1] % self.bands:
            raise ValueError(
                f"pqmf: bands must be (b, c * {self.bands}, f), got {tuple(bands.shape)}"
            )
        b, channels, frames = bands.shape
        each = self._turned(bands.reshape(-1, self.bands, frames))
        made = functional.conv_transpose1d(each * self.bands, self.kernel, stride=self.bands)
        past = self.kernel.shape[-1] - 1
        begin = 0 if self.causal else past // 2
        made = functional.pad(made, (0, max(0, begin + frames * self.bands - made.shape[-1])))
        return made[..., begin : begin + frames * self.bands].reshape(b, channels // self.bands, -1)

    def _turned(self, bands: Tensor) -> Tensor:
        signs = torch.ones(self.bands, bands.shape[-1], dtype=bands.dtype, device=bands.device)
        signs[1::2, 1::2] = -1
        return bands * signs


@functools.cache
def _prototype(bands: int, taps: int) -> tuple[float, ...]:
    """The low-pass whose autocorrelation is nearest to zero at multiples of two bands' lags."""
    beta = 9.0

    def made(cutoff: float) -> Tensor:
        return torch.tensor(signal.firwin(taps, cutoff, window=("kaiser", beta)))

    def miss(cutoff: float) -> float:
        h = made(cutoff).numpy()
        lags = signal.fftconvolve(h, h[::-1])[taps - 1 :: 2 * bands]
        return float(abs(lags[1:]).max() / lags[0])

    best = optimize.minimize_scalar(
        miss, bounds=(0.4 / bands, 0.9 / bands), method="bounded", options={"xatol": 1e-9}
    )
    h = made(float(best.x))
    gain = math.sqrt(1 / (2 * bands * float(h.square().sum())))
    return tuple((h * gain).tolist())
