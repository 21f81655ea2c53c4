"""The log-mel spectrum of `LogMel` in torch: differentiable, for batches."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from dspcore.patches.frontend import LogMel


def log_mel(frontend: LogMel, sound: Tensor) -> Tensor:
    """Sounds (n, t) to dB (n, bands, frames), of the sound's type; bands before frames."""
    short = max(0, frontend.size - sound.shape[1])
    window = torch.hann_window(frontend.size, dtype=sound.dtype, device=sound.device)
    spectrum = torch.stft(
        functional.pad(sound, (0, short)),
        frontend.size,
        frontend.hop,
        window=window,
        center=False,
        return_complex=True,
    )
    power = spectrum.real.square() + spectrum.imag.square()
    mel = torch.einsum("mb,nbf->nmf", weights(frontend).to(power), power)
    return 10 * (mel + frontend.floor).log10()


@lru_cache(maxsize=32)
def weights(frontend: LogMel) -> Tensor:
    """Of its bands, (bands, size // 2 + 1), float64."""
    return torch.from_numpy(frontend.weights().copy())
