"""Noise of a colour, and noise whose spectrum is told frame by frame."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor, nn

from dspcore import ops
from dspcore.synth.controls import Processor, Scale, check_frames, exp_sigmoid, padded_frames

#: Slopes in dB an octave.
COLORS = {"white": 0.0, "pink": -3.01, "brown": -6.02, "blue": 3.01, "violet": 6.02}
_LOWEST_HZ, _SECTIONS = 2.0, 12


class NoiseGenerator(nn.Module):
    """Noise of a colour: the same samples for a seed on every device, in any blocks.

    Pink, brown, blue and violet are white noise through sections whose poles and zeros alternate
    along the frequencies, with the power of the white noise. From 20 Hz to 0.4 of the sample rate
    the slope is straight within 0.7 dB, of brown and violet within 1.3 dB.

    Args:
        color: "white", "pink", "brown", "blue" or "violet".
        seed: Any whole number.
        sample_rate: In Hz.

    Source: J. Smith, H. Smith, "Closed Form Fractional Integration and Differentiation via Real
    Exponentially Spaced Pole-Zero Pairs", 2016.
    """

    def __init__(self, color: str = "white", seed: int = 0, sample_rate: int = 48_000) -> None:
        super().__init__()
        if color not in COLORS:
            raise ValueError(
                f"NoiseGenerator: color must be one of {', '.join(COLORS)}, got {color!r}"
            )
        self.color, self.seed, self.sample_rate = color, seed, sample_rate

    def forward(
        self, level: Tensor, num_samples: int, state: tuple[int, Tensor | None] | None = None
    ) -> tuple[Tensor, tuple[int, Tensor | None]]:
        """Noise (b, c, t) of a standard deviation `level` (b, c), and the state after it."""
        start, filtered = state or (0, None)
        one = torch.full_like(level, 1.0)
        white = ops.noise(one, num_samples, self.seed, start=start, distribution="normal")
        if self.color != "white":
            sos = torch.tensor(
                tilt(COLORS[self.color], self.sample_rate),
                dtype=torch.float64,
                device=level.device,
            )
            white, filtered = ops.sosfilt(white, sos, filtered)
        return level[..., None] * white, (start + num_samples, filtered)


@functools.cache
def tilt(slope_db: float, sample_rate: int) -> list[list[float]]:
    """Sections (k, 6) whose gain falls or rises by `slope_db` an octave, of unit noise power."""
    alpha = slope_db / 6.0206
    ratio = (2 * sample_rate / _LOWEST_HZ) ** (1 / (_SECTIONS - 1))
    poles = _LOWEST_HZ * ratio ** np.arange(_SECTIONS)
    zeros = poles * ratio ** (-alpha)
    z, p = (np.exp(-2 * math.pi * hz / sample_rate) for hz in (zeros, poles))
    rows = [[1.0, -a, 0.0, 1.0, -b, 0.0] for a, b in zip(z, p, strict=True)]
    w = np.linspace(0, math.pi, 1 << 16)
    turn = np.exp(-1j * w)
    gain = np.prod([(1 - a * turn) / (1 - b * turn) for a, b in zip(z, p, strict=True)], axis=0)
    power = float(np.sqrt(np.mean(np.abs(gain) ** 2)))
    rows[0][:2] = [rows[0][0] / power, rows[0][1] / power]
    return rows


class FilteredNoise(Processor):
    """White noise under a spectrum that moves from frame to frame.

    Every frame's magnitudes become a zero-phase impulse response under a Hann window. The response
    moves straight from frame to frame, sample by sample. As noise is counted, not remembered, the
    filter may hear as much before as after a sample: nothing is late, and no state is needed.

    Args:
        n_bands: Magnitudes from 0 Hz to half the sample rate, evenly spaced.
        window_size: Of the impulse response in samples; at most ``2 (n_bands - 1)``.
        sample_rate: In Hz.
        hop_length: Samples from frame to frame.
        scale_fn: Makes outputs of a network magnitudes in `get_controls`; None where they are.
        initial_bias: Added before that, so that a fresh network is quiet.
        seed: Of the noise.

    Source: J. Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020, 3.4 (there
    the frames' noises are added, each through its own filter).
    """

    def __init__(
        self,
        n_bands: int = 65,
        window_size: int = 257,
        sample_rate: int = 48_000,
        hop_length: int = 480,
        *,
        scale_fn: Scale | None = exp_sigmoid,
        initial_bias: float = -5.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if n_bands < 2 or window_size < 1:
            raise ValueError(
                "FilteredNoise: n_bands must be at least 2 and window_size at least 1, "
                f"got {n_bands} and {window_size}"
            )
        self.n_bands, self.sample_rate, self.hop_length = n_bands, sample_rate, hop_length
        self.scale_fn, self.initial_bias, self.seed = scale_fn, initial_bias, seed
        size = 2 * (n_bands - 1)
        #: Samples to either side of the middle; the two ends of a whole response are one sample.
        self.reach = reach = min(window_size // 2, size // 2 - 1)
        symmetric = torch.cos(torch.pi * torch.arange(-reach, reach + 1).double() / (2 * reach + 2))
        self.register_buffer("window", symmetric**2, persistent=False)
        self.window: Tensor

    def get_controls(self, magnitudes: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """Positive magnitudes, (b, f, n_bands)."""
        if self.scale_fn is not None:
            magnitudes = self.scale_fn(magnitudes + self.initial_bias)
        return {"magnitudes": magnitudes}

    def taps(self, magnitudes: Tensor) -> Tensor:
        """Impulse responses, (b, 1, n, f): symmetric, their middle `reach` samples late."""
        response = torch.fft.irfft(magnitudes, dim=-1)
        places = torch.arange(-self.reach, self.reach + 1, device=magnitudes.device)
        return (response[..., places] * self.window.to(response.dtype)).mT[:, None]

    def get_signal(  # type: ignore[override]
        self,
        magnitudes: Tensor,
        num_samples: int | None = None,
        *,
        start: int = 0,
        stream: Tensor | None = None,
    ) -> Tensor:
        """The noise.

        Args:
            magnitudes: Linear, 0 or more, (b, f, n_bands): gain of uniform noise between -1 and 1.
            num_samples: Length t; to the end of the last frame when left out.
            start: Sample of the frame grid at which the block begins.
            stream: Which noise each item gets, whole numbers (b,); by its place when left out.

        Returns:
            (b, 1, t).
        """
        check_frames("FilteredNoise", magnitudes=magnitudes)
        b, f, n = magnitudes.shape
        if n != self.n_bands:
            raise ValueError(f"FilteredNoise: magnitudes must have {self.n_bands} bands, got {n}")
        t = f * self.hop_length - start if num_samples is None else num_samples
        past = 2 * self.reach
        white = ops.noise(
            magnitudes.new_ones(b, 1),
            past + t,
            self.seed,
            start=start,
            stream=None if stream is None else stream[:, None],
        )
        needed = -(-(start + t) // self.hop_length)
        taps = self.taps(padded_frames(magnitudes, needed))
        return ops.fir_frames(
            white[..., past:], taps, white[..., :past], hop=self.hop_length, start=start
        )[0]
