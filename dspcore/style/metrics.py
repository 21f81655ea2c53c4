"""How far a sound is from the one that was wanted: a number for each item, raw or level-matched."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from dspcore.errors import nearest
from dspcore.loudness import loudness
from dspcore.style.clips import resampled

Level = Literal["none", "rms", "peak", "lufs"]

#: Window lengths of the multi-resolution distance, as DeepAFx-ST has them.
FFT_SIZES = (32, 128, 512, 2048, 8192, 32768)
_FLOOR = 1e-8  # of a power

#: Mean wide-band PESQ hears 16 kHz.
_PESQ_RATE = 16_000


def stft_distance(sound: Tensor, target: Tensor, fft_sizes: tuple[int, ...] = FFT_SIZES) -> Tensor:
    """Mean over window lengths of ``mean |log S - log T| + mean |S - T|``, (b, c, t) to (b,).

    A gain error of 6 dB alone is 0.69 and the linear part: see `level_matched`. Differentiable.

    Source:
        C. J. Steinmetz et al., "Style Transfer of Audio Effects with Differentiable Signal
        Processing", JAES 70(9), 2022; window lengths and weights of its published configuration.
    """
    total = sound.new_zeros(len(sound))
    sizes = [n for n in fft_sizes if n // 2 < sound.shape[-1]]
    for n in sizes:
        a, b = _magnitudes(sound, n), _magnitudes(target, n)
        total = total + ((a.log() - b.log()).abs() + (a - b).abs()).mean((1, 2, 3))
    return total / len(sizes)


def mel_distance(sound: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    """``mean |log M - log N| + mean |M - N|`` of 128 mel bands over windows of 93 ms, (b,)."""
    n = 2 ** round(math.log2(0.093 * sample_rate))
    bank = mel_bank(sample_rate, n, 128).to(sound)
    a, b = (torch.einsum("mf,bcft->bcmt", bank, _magnitudes(x, n)) for x in (sound, target))
    a, b = a.clamp(min=1e-4), b.clamp(min=1e-4)
    return ((a.log() - b.log()).abs() + (a - b).abs()).mean((1, 2, 3))


def centroid_error(
    sound: Tensor, target: Tensor, sample_rate: int, *, weighted: bool = True
) -> Tensor:
    """Difference of spectral centroids in Hz, (b,); frames count by their energy, or all alike."""
    found = [_centroid(x, sample_rate, weighted) for x in (sound, target)]
    return (found[0] - found[1]).abs()


def rms_error(sound: Tensor, target: Tensor) -> Tensor:
    """Difference of rms levels in dB (20 log10), (b,)."""
    return (_rms_db(sound) - _rms_db(target)).abs()


def crest_error(sound: Tensor, target: Tensor) -> Tensor:
    """Difference of crest factors, peak over rms, in dB, (b,)."""
    found = [
        20 * x.abs().amax((1, 2)).clamp(min=1e-9).log10() - _rms_db(x) for x in (sound, target)
    ]
    return (found[0] - found[1]).abs()


def lufs_error(sound: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    """Difference of integrated loudness in LU, (b,); NaN where one of them is silent.

    What is shorter than a gating block counts as one block, so that one-shots have a loudness.
    """
    pairs = zip(sound.detach(), target.detach(), strict=True)
    found = [loudness(a, sample_rate) - loudness(b, sample_rate) for a, b in pairs]
    return torch.tensor([abs(x) if math.isfinite(x) else math.nan for x in found])


def parameter_error(p: Tensor, truth: Tensor) -> Tensor:
    """Mean distance of settings in [0, 1], (b, p) to (b,)."""
    return (p - truth).abs().mean(1)


def pesq(
    sound: Tensor, target: Tensor, sample_rate: int, failures: Counter[str] | None = None
) -> Tensor:
    """Wide-band PESQ (ITU-T P.862.2), higher is better, (b,); needs the extra ``pesq``.

    Where it finds no speech or fails, the score is NaN, and `failures` counts why.
    """
    try:
        from pesq import PesqError
        from pesq import pesq as score
    except ImportError as error:
        raise RuntimeError(
            "style: PESQ is not installed; run: pip install 'dspcore[pesq]'"
        ) from error
    out = []
    for a, b in zip(sound.detach(), target.detach(), strict=True):
        heard, wanted = (
            resampled(x.mean(0), sample_rate, _PESQ_RATE).double().numpy() for x in (a, b)
        )
        try:
            if not (heard.any() and wanted.any()):
                raise ValueError("silence")
            out.append(float(score(_PESQ_RATE, wanted, heard, "wb")))
        except (PesqError, ValueError, ZeroDivisionError) as error:
            if failures is not None:
                failures[type(error).__name__] += 1
            out.append(math.nan)
    return torch.tensor(out)


def level_matched(
    sound: Tensor, target: Tensor, level: Level = "rms", sample_rate: int = 48_000
) -> Tensor:
    """`sound` (b, c, t) with the level of `target`; silence stays silence."""
    if level == "none":
        return sound
    if level == "rms":
        gain = (_rms_db(target) - _rms_db(sound)).clamp(-120, 120)
    elif level == "peak":
        peaks = [x.abs().amax((1, 2)).clamp(min=1e-9).log10() for x in (target, sound)]
        gain = 20 * (peaks[0] - peaks[1])
    elif level == "lufs":
        pairs = zip(target.detach(), sound.detach(), strict=True)
        found = [loudness(a, sample_rate) - loudness(b, sample_rate) for a, b in pairs]
        gain = sound.new_tensor([x if math.isfinite(x) else 0.0 for x in found])
    else:
        raise ValueError(f"level {level!r}: {nearest(level, ('none', 'rms', 'peak', 'lufs'))}")
    return sound * (10 ** (gain / 20))[:, None, None]


def measures(sample_rate: int) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Every distance by the name that tables give it, of (sound, target)."""
    return {
        "MRSTFT": stft_distance,
        "MSD": partial(mel_distance, sample_rate=sample_rate),
        "SCE Hz": partial(centroid_error, sample_rate=sample_rate),
        "CFE dB": crest_error,
        "RMS dB": rms_error,
        "LUFS": partial(lufs_error, sample_rate=sample_rate),
    }


@lru_cache(maxsize=16)
def mel_bank(sample_rate: int, fft_size: int, bands: int) -> Tensor:
    """Triangles on the mel scale, (bands, fft_size / 2 + 1), 20 Hz to half the sample rate.

    ``mel = 1127 ln(1 + f / 700)``; each band is as high as the ones beside it reach down to zero.
    """
    top = 1127 * math.log1p(sample_rate / 2 / 700)
    low = 1127 * math.log1p(20 / 700)
    edges = 700 * torch.expm1(torch.linspace(low, top, bands + 2, dtype=torch.float64) / 1127)
    bins = torch.linspace(0, sample_rate / 2, fft_size // 2 + 1, dtype=torch.float64)
    up = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    bank = torch.minimum(up, down).clamp(min=0)
    # A band narrower than a bin would be empty: it takes the nearest one.
    empty = bank.sum(1) == 0
    nearest_bin = (bins - edges[1:-1, None]).abs().argmin(1)
    bank[empty] = functional.one_hot(nearest_bin[empty], len(bins)).double()
    return bank.float()


def _magnitudes(sound: Tensor, n: int) -> Tensor:
    window = torch.hann_window(n, dtype=sound.dtype, device=sound.device)
    spectrum = torch.stft(
        sound.flatten(0, 1), n, n // 2, window=window, pad_mode="constant", return_complex=True
    )
    power = spectrum.real.square() + spectrum.imag.square()
    return power.clamp(min=_FLOOR).sqrt().unflatten(0, sound.shape[:2])


def _centroid(sound: Tensor, sample_rate: int, weighted: bool) -> Tensor:
    magnitude = _magnitudes(sound, 2048)
    bins = torch.linspace(0, sample_rate / 2, magnitude.shape[2]).to(sound)
    frames = torch.einsum("f,bcft->bct", bins, magnitude) / magnitude.sum(2)
    weights = magnitude.square().sum(2) if weighted else torch.ones_like(frames)
    return (frames * weights).sum((1, 2)) / weights.sum((1, 2))


def _rms_db(sound: Tensor) -> Tensor:
    return 10 * sound.square().mean((1, 2)).clamp(min=1e-18).log10()
