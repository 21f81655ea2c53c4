"""BandVAE: an autoencoder of waveforms through a filter bank, after RAVE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from dspcore.errors import UserError, nearest
from dspcore.latent.autoencoder import Autoencoder
from dspcore.latent.bottlenecks import Coded, make_bottleneck
from dspcore.latent.layers import decoder, encoder
from dspcore.latent.pqmf import PQMF

#: Channels of the first layer by name of a size.
SIZES = {"nano": 8, "small": 16, "base": 32, "rave2": 96}

#: How the channels of audio are coded: mono; left and right together; middle and side together;
#: or each channel alone by the same mono model, with half the dimensions each.
CHANNELS = ("mono", "lr", "ms", "dual")


#: Samples of a band after which an exported model's noise repeats: 6 s at 44.1 kHz.
LOOP = 1 << 14


class BandVAE(Autoencoder):
    """Filter bank, strided convolutions to a latent, and the way back with noise in every band.

    Args:
        sample_rate: In Hz.
        channels: mono, lr, ms or dual.
        size: nano, small, base or rave2.
        dims: Of the latent.
        bottleneck: gauss, mmd, sphere, none or rvq.
        bottleneck_options: Of the bottleneck, such as stages of rvq.
        bands: Of the filter bank.
        ratios: Strides of the stages; a frame has bands times their product samples.
        causal: Nothing looks further ahead than to the end of its own frame.
        noise: Add noise to every band, with a gain that the decoder says at each of its samples.
        norm: Of the encoder: none, or batch, as RAVE v1 has it.

    Source:
        A. Caillon, P. Esling, "RAVE: A variational autoencoder for fast and high-quality neural
        audio synthesis", arXiv 2111.05011, 2021.
    """

    name = "band"

    def __init__(
        self,
        sample_rate: int,
        channels: str = "mono",
        size: str = "small",
        dims: int = 128,
        bottleneck: str = "gauss",
        bottleneck_options: dict[str, Any] | None = None,
        bands: int = 16,
        ratios: Sequence[int] = (4, 4, 4, 2),
        causal: bool = False,
        noise: bool = True,
        norm: str = "none",
    ) -> None:
        for what, given, known in (
            ("channels", channels, CHANNELS),
            ("size", size, tuple(SIZES)),
            ("norm", norm, ("none", "batch")),
        ):
            if given not in known:
                raise UserError(f"band: no {what} {given!r}; {nearest(given, known)}")
        if not ratios or min(ratios) < 2:
            raise UserError(f"band: ratios must be 2 or more each, got {list(ratios)}")
        if channels == "dual" and dims % 2:
            raise UserError(f"band: dual needs an even number of dims, got {dims}")
        inner = dims // 2 if channels == "dual" else dims
        coder = make_bottleneck(bottleneck, inner, **(bottleneck_options or {}))
        audio_channels = 1 if channels == "mono" else 2
        super().__init__(sample_rate, audio_channels, bands * math.prod(ratios), coder)
        self.channels, self.noise = channels, noise
        self.pqmf = PQMF(bands, causal)
        #: The noise of an exported model, which comes again and again; none draws it.
        self.loop: Tensor | None = None
        self.delay = self.pqmf.delay
        width = bands * (1 if channels in ("mono", "dual") else 2)
        self.encoder = encoder(width, SIZES[size], coder.channels, ratios, causal, norm)
        outputs = (3 if noise else 2) * width
        self.decoder = decoder(inner, SIZES[size], outputs, ratios, causal)

    @property
    def dims(self) -> int:
        """Of the latent; of dual, of both channels together."""
        return self.bottleneck.dims * (2 if self.channels == "dual" else 1)

    def coded(self, audio: Tensor, length: Tensor | None = None) -> Coded:
        """As of any; of dual, the latents of left and right stand one above the other."""
        if self.channels != "dual":
            return super().coded(audio, length)
        each = None if length is None else length.repeat_interleave(2)
        found = super().coded(audio.flatten(0, 1)[:, None], each)
        return Coded(
            _stacked(found.z),
            _stacked(found.mean),
            None if found.std is None else _stacked(found.std),
            None if found.kl is None else _stacked(found.kl),
            found.penalty,
            None if found.codes is None else _stacked(found.codes),
        )

    def decode(self, z: Tensor, samples: int | None = None) -> Tensor:
        """As of any; of dual, both halves through the same decoder."""
        if self.channels != "dual" or z.ndim != 3 or z.shape[1] != self.dims:
            return super().decode(z, samples)
        made = self.synthesised(self.decoder(z.unflatten(1, (2, -1)).flatten(0, 1)))
        return made.reshape(z.shape[0], 2, -1)[..., :samples]

    def analysed(self, audio: Tensor) -> Tensor:
        """Bands, (b, c * bands, t / bands)."""
        return self.pqmf(turned(audio) if self.channels == "ms" else audio)

    def synthesised(self, decoded: Tensor) -> Tensor:
        """Audio of bands as the decoder says them: wave, gain, and gain of the noise."""
        wave, gain, *noisy = decoded.chunk(3 if self.noise else 2, 1)
        bands = wave * torch.sigmoid(gain)
        if self.noise:
            bands = bands + self._noise(bands) * functional.softplus(noisy[0] - 5)
        audio = self.pqmf.inverse(bands)
        return turned(audio) if self.channels == "ms" else audio

    def _noise(self, like: Tensor) -> Tensor:
        """Another draw for every item in training; the same for all, always, after it."""
        if self.training:
            return torch.randn_like(like)
        if self.loop is not None:
            place = torch.arange(like.shape[2], device=like.device) % self.loop.shape[1]
            return self.loop.to(like)[:, place].expand_as(like)
        return _drawn(like.shape[1], like.shape[2]).to(like).expand_as(like)

    def traceable(self) -> Self:
        """A copy whose noise is a loop of `LOOP` samples of each band."""
        made = super().traceable()
        if self.noise:
            made.loop = _drawn(
                self.pqmf.bands * (1 if self.channels in ("mono", "dual") else 2), LOOP
            )
        return made


def turned(audio: Tensor) -> Tensor:
    """Left and right (b, 2, t) to middle and side, ``(l + r, l - r) / sqrt(2)``, and back again."""
    left, right = audio[:, :1], audio[:, 1:]
    return torch.cat([left + right, left - right], 1) * math.sqrt(0.5)


def _drawn(bands: int, samples: int) -> Tensor:
    """The noise of a trained model, (bands, samples)."""
    draw = torch.Generator().manual_seed(0)
    # Sample by sample, so that a shorter sound has the beginning of the noise of a longer one.
    return torch.randn(samples, bands, generator=draw).T


def _stacked(each: Tensor) -> Tensor:
    """Of left and right by turns, (2 * b, d, f), one above the other, (b, 2 * d, f)."""
    return each.unflatten(0, (-1, 2)).flatten(1, 2)
