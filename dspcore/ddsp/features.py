"""What a decoder hears of a recording: fundamental and loudness, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from dspcore.ddsp.pitch import track

FLOOR_DB = -80.0


@dataclass(frozen=True)
class Features:
    """Fundamental and loudness at samples 0, hop, 2 hop ..., each (f,) float32."""

    f0_hz: Tensor
    loudness_db: Tensor
    confidence: Tensor
    voiced: Tensor


def features(
    sound: Tensor,
    sample_rate: int,
    hop_length: int,
    *,
    min_hz: float = 50.0,
    max_hz: float = 1_000.0,
) -> Features:
    """Fundamental and A-weighted loudness of a recording (t,), ``ceil(t / hop_length)`` frames."""
    found = track(sound.double().numpy(), sample_rate, hop_length, min_hz=min_hz, max_hz=max_hz)
    loud = loudness(sound[None].float(), sample_rate, hop_length)[0]
    f0, confidence = (torch.from_numpy(x).float() for x in (found.f0_hz, found.confidence))
    return Features(f0, loud, confidence, torch.from_numpy(found.voiced))


def loudness(
    sound: Tensor, sample_rate: int, hop_length: int, *, window: int | None = None
) -> Tensor:
    """A-weighted level of Hann windows, 0 dB for a sine of 1 kHz at full scale.

    Args:
        sound: (b, t).
        sample_rate: In Hz.
        hop_length: Samples from frame to frame; frame i is centred at ``i * hop_length``.
        window: Length of the windows; a power of two of 32 ms and more when left out.

    Returns:
        (b, ceil(t / hop_length)) in dB, no lower than -80; differentiable to `sound`.

    Source:
        IEC 61672-1:2013, annex E: A-weighting.
    """
    size = window or 1 << int(np.ceil(np.log2(0.032 * sample_rate)))
    count = -(-sound.shape[-1] // hop_length)
    padded = pad(sound, (size // 2, size + hop_length))
    frames = padded.unfold(-1, size, hop_length)[:, :count]
    hann = torch.hann_window(size, dtype=sound.dtype, device=sound.device)
    power = torch.fft.rfft(frames * hann).abs().square()
    weights = a_weights(size, sample_rate).to(sound)
    # Both sides of the spectrum; a full-scale sine has half the power of full scale.
    mean = (power * weights).sum(-1) * 2 / (size * hann.square().sum()) / 0.5
    return 10 * torch.log10(mean + 10 ** (FLOOR_DB / 10))


def a_weights(size: int, sample_rate: int) -> Tensor:
    """The A-weighting's power gain at the bins of an FFT, (size / 2 + 1,), 1 at 1 kHz."""

    def gain(hz: Tensor) -> Tensor:
        square = hz**2
        return (12_194.0**2 * square**2) / (
            (square + 20.6**2)
            * ((square + 107.7**2) * (square + 737.9**2)).sqrt()
            * (square + 12_194.0**2)
        )

    hz = torch.linspace(0.0, sample_rate / 2, size // 2 + 1, dtype=torch.float64)
    return (gain(hz) / gain(torch.tensor(1_000.0, dtype=torch.float64))) ** 2
