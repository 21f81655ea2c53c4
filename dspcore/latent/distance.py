"""How far a rebuilt sound is from the original, over several spectra and over bands, told silence.

A short sound is padded, and says how long it is: frames that begin after its end do not count, and
what is heard there is paid for by its power alone. Logarithms have a floor below each clip's own
peak, so quiet parts count and silence does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dspcore.latent.pqmf import PQMF
from dspcore.losses import magnitudes

#: Window lengths of the full band, and of the bands in their own samples.
FFT_SIZES = (2048, 1024, 512, 256, 128)
BAND_FFT_SIZES = (128, 64, 32)


class BandDistance(nn.Module):
    """``distance(found, wanted, length)``, (b, c, t) twice to (b,): full band plus bands.

    For each window length the difference of magnitudes against the original's, and the mean
    difference of their logarithms; both are summed over window lengths, as RAVE does. Of stereo
    also middle and side are compared.

    Args:
        bands: Of the filter bank.
        fft_sizes: Window lengths of the full band.
        band_fft_sizes: Window lengths of the bands, in samples of a band.
        linear: l1, ``sum |S - R| / sum |R|``, or l2, ``sum (S - R)^2 / sum R^2``, as RAVE has it.
        floor_db: Of the logarithms, against the clip's loudest bin; None: a fixed 1e-7, as in RAVE.
        masked: Leave padding out.
        silence: Weight of the power found in the padding, against the clip's.

    Source:
        A. Caillon, P. Esling, "RAVE", arXiv 2111.05011, 2021, eq. 4 and 5; the floor and the mask
        are ours.
    """

    def __init__(
        self,
        bands: int = 16,
        fft_sizes: Sequence[int] = FFT_SIZES,
        band_fft_sizes: Sequence[int] = BAND_FFT_SIZES,
        *,
        linear: Literal["l1", "l2"] = "l1",
        floor_db: float | None = -80.0,
        masked: bool = True,
        silence: float = 1.0,
    ) -> None:
        super().__init__()
        if linear not in ("l1", "l2"):
            raise ValueError(f"BandDistance: linear must be l1 or l2, got {linear!r}")
        if floor_db is not None and floor_db >= 0:
            raise ValueError(f"BandDistance: floor_db must be below 0, got {floor_db}")
        self.fft_sizes, self.band_fft_sizes = tuple(fft_sizes), tuple(band_fft_sizes)
        self.linear, self.floor_db, self.masked, self.silence = linear, floor_db, masked, silence
        self.pqmf = PQMF(bands) if self.band_fft_sizes else None

    def forward(self, found: Tensor, wanted: Tensor, length: Tensor | None = None) -> Tensor:
        """The sum of `parts`, (b,)."""
        return torch.stack(list(self.parts(found, wanted, length).values())).sum(0)

    def parts(
        self, found: Tensor, wanted: Tensor, length: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Every term of each item, (b,): "full/2048/linear", "bands/128/log", ..., "silence".

        Args:
            found: (b, c, t).
            wanted: (b, c, t), zeros after its length.
            length: Samples of each item that are sound, (b,); all of them when left out.
        """
        if found.shape != wanted.shape or found.ndim != 3 or not found.numel():
            raise ValueError(
                "BandDistance: found and wanted must be (b, c, t) alike and not empty, "
                f"got {tuple(found.shape)} and {tuple(wanted.shape)}"
            )
        samples = found.shape[-1]
        parts: dict[str, Tensor] = {}
        if length is None or not self.masked:
            length = torch.full((len(found),), samples, device=found.device)
        else:
            inside = (torch.arange(samples, device=found.device) < length[:, None])[:, None]
            power = wanted.square().sum((1, 2)) + 1e-9
            if self.silence:
                outside = found.masked_fill(inside, 0.0).square().sum((1, 2))
                parts["silence"] = self.silence * outside / power
            found, wanted = found * inside, wanted * inside
        if found.shape[1] == 2:
            found, wanted = with_sides(found), with_sides(wanted)
        parts |= self._compared("full", found, wanted, length, self.fft_sizes, 1)
        if self.pqmf is not None:
            more = -samples % self.pqmf.bands
            both = [self.pqmf(functional.pad(x, (0, more))) for x in (found, wanted)]
            parts |= self._compared(
                "bands", both[0], both[1], length, self.band_fft_sizes, self.pqmf.bands
            )
        return parts

    def _compared(
        self,
        name: str,
        found: Tensor,
        wanted: Tensor,
        length: Tensor,
        sizes: Sequence[int],
        step: int,
    ) -> dict[str, Tensor]:
        parts = {}
        for n in sizes:
            s, r = magnitudes(found, n), magnitudes(wanted, n)
            # Frames lie half a window apart, the first around the first sample.
            count = torch.ceil(length / (step * n // 2)).clamp(max=s.shape[-1])
            mask = (torch.arange(s.shape[-1], device=s.device) < count[:, None])[:, None, None]
            if self.linear == "l1":
                apart = ((s - r).abs() * mask).sum((1, 2, 3)) / ((r * mask).sum((1, 2, 3)) + 1e-6)
            else:
                apart = ((s - r).square() * mask).sum((1, 2, 3))
                apart = apart / ((r.square() * mask).sum((1, 2, 3)) + 1e-6)
            if self.floor_db is None:
                floor: Tensor | float = 1e-7
            else:
                loudest = r.amax((1, 2, 3), keepdim=True)
                floor = loudest * 10 ** (self.floor_db / 20) + 1e-7
            logs = ((s + floor).log() - (r + floor).log()).abs() * mask
            cells = count * math.prod(s.shape[1:3])
            parts[f"{name}/{n}/linear"] = apart
            parts[f"{name}/{n}/log"] = logs.sum((1, 2, 3)) / cells
        return parts


def with_sides(audio: Tensor) -> Tensor:
    """Left, right, and half their sum and difference, (b, 2, t) to (b, 4, t)."""
    left, right = audio[:, :1], audio[:, 1:]
    return torch.cat([audio, (left + right) / 2, (left - right) / 2], 1)
