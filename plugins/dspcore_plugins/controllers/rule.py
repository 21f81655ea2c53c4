"""Production by rule, without the effect."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dspcore.style import Controller, level_matched
from dspcore.style.controller import middle

_SIZE = 2048  # of the filter, in samples
_MOST = 10.0  # by which a band is raised or lowered at most, as a ratio of amplitudes (20 dB)


class Rule(Controller):
    """Match the average spectrum by a filter, then the loudness; uses no effect at all.

    Source:
        The rule-based baseline of C. J. Steinmetz et al., "Style Transfer of Audio Effects with
        Differentiable Signal Processing", JAES 70(9), 2022, without its compressor.
    """

    name = "rule"

    def params(self, dry: Tensor, reference: Tensor, *, truth: Tensor | None = None) -> Tensor:
        """The middle of every range; `apply` does not use it."""
        return middle(self.effect, len(dry))

    def apply(
        self, dry: Tensor, reference: Tensor, *, truth: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The filtered input, and no settings."""
        spectra = [_average(sound) for sound in (dry, reference)]
        gain = (spectra[1] / spectra[0].clamp(min=1e-6)).clamp(1 / _MOST, _MOST)
        taps = torch.fft.irfft(gain, _SIZE).roll(_SIZE // 2, -1) * torch.hann_window(_SIZE)
        padded = functional.pad(dry, (_SIZE // 2, _SIZE // 2))
        length = padded.shape[-1] + _SIZE
        spectrum = torch.fft.rfft(padded, length) * torch.fft.rfft(taps, length)[:, None]
        sound = torch.fft.irfft(spectrum, length)[..., _SIZE : _SIZE + dry.shape[-1]]
        return level_matched(sound, reference, "lufs", self.effect.sample_rate), None


def _average(sound: Tensor) -> Tensor:
    """Amplitude of every bin averaged over time and smoothed over thirds of octaves, (b, bins)."""
    mono = sound.mean(1)
    window = torch.hann_window(_SIZE)
    spectrum = torch.stft(
        mono, _SIZE, window=window, pad_mode="constant", return_complex=True
    ).abs()
    power = spectrum.square().mean(2)
    total = functional.pad(power.cumsum(1), (1, 0))
    bins = torch.arange(power.shape[1])
    low = (bins * 2 ** (-1 / 6)).floor().long()
    high = torch.minimum((bins * 2 ** (1 / 6)).ceil().long() + 1, torch.tensor(power.shape[1]))
    return ((total[:, high] - total[:, low]) / (high - low)).sqrt()
