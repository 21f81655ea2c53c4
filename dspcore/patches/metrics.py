"""How far a sound is from its target, each distance with a version that pins its definition.

Two papers' "MSS" differ by more than most models do. So a metric's name carries a version, golden
values stand in the tests, and whoever changes a definition gives it the next number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from dspcore.errors import UserError, nearest
from dspcore.loudness import loudness
from dspcore.patches.frontend import LogMel
from dspcore.patches.hearing import log_mel, weights

Measure = Callable[[Tensor, Tensor, int], Tensor]


@dataclass(frozen=True)
class Metric:
    """A distance of sounds, 0 for the target itself.

    Attributes:
        name: What tables call it.
        version: Of its definition.
        unit: Of its values.
        level_blind: Whether a gain alone goes unnoticed.
        what: Its definition.
        measure: ``measure(sound, target, sample_rate)`` of (n, t) twice, (n,) in float64.
    """

    name: str
    version: int
    unit: str
    level_blind: bool
    what: str
    measure: Measure

    @property
    def label(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    def __call__(self, sound: Tensor, target: Tensor, sample_rate: int) -> Tensor:
        """The distance of each item, (b, c, t) twice to (b,), float64; the mean over channels.

        NaN where it is not defined, as for a target that is silent: count them (`summary`).

        Raises:
            ValueError: The shapes differ.
        """
        if sound.shape != target.shape or sound.ndim != 3:
            raise ValueError(
                f"{self.label}: sound and target must have one shape (b, c, t), "
                f"got {tuple(sound.shape)} and {tuple(target.shape)}"
            )
        flat = [x.detach().double().flatten(0, 1) for x in (sound, target)]
        return self.measure(flat[0], flat[1], sample_rate).unflatten(0, sound.shape[:2]).mean(1)


@dataclass(frozen=True)
class Summary:
    """Mean of what is a number, how far it may be off, and how many were none.

    Attributes:
        mean: Of the finite values; NaN without any.
        low: Of the 95 % interval, by bootstrap over items.
        high: Of the same.
        count: Of the finite values.
        nan: Of the others.
    """

    mean: float
    low: float
    high: float
    count: int
    nan: int


def summary(values: Tensor, *, draws: int = 1000, seed: int = 0) -> Summary:
    """The mean of a metric over items (n,), and its 95 % bootstrap interval; NaN are counted."""
    good = values[values.isfinite()].double()
    nan = len(values) - len(good)
    if not len(good):
        return Summary(math.nan, math.nan, math.nan, 0, nan)
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(good), (draws, len(good)), generator=generator)
    low, high = torch.quantile(good[rows].mean(1), good.new_tensor([0.025, 0.975])).tolist()
    return Summary(float(good.mean()), low, high, len(good), nan)


def metric(name: str) -> Metric:
    """The metric of a name, or of ``name@version``.

    Raises:
        UserError: There is none, or it has another version now.
    """
    plain, _, version = name.partition("@")
    if plain not in METRICS:
        raise UserError(f"unknown metric {name!r}; {nearest(plain, METRICS)}")
    found = METRICS[plain]
    if version and version != str(found.version):
        raise UserError(
            f"metric {name!r}: this dspcore has {found.label}, whose numbers are not comparable"
        )
    return found


# --- the distances --------------------------------------------------------------------------------


def _logmel(sound: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    found, wanted = (log_mel(LogMel(sample_rate), x) for x in (sound, target))
    return (found - wanted).square().mean((1, 2)).sqrt()


def _lsd(sound: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    found, wanted = (10 * (_power(x, 2048, 512) + 1e-8).log10() for x in (sound, target))
    return (found - wanted).square().mean(1).sqrt().mean(1)


def _sc(sound: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    found, wanted = (_power(x, 2048, 512).sqrt().flatten(1) for x in (sound, target))
    return (found - wanted).norm(dim=1) / wanted.norm(dim=1)


def _mss(sound: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    total = sound.new_zeros(len(sound))
    for size in (2048, 1024, 512, 256, 128, 64):
        found, wanted = (_power(x, size, size // 4).sqrt() for x in (sound, target))
        logs = (found + 1e-5).log() - (wanted + 1e-5).log()
        total = total + ((found - wanted).abs() + logs.abs()).mean((1, 2))
    return total


def _mss_mel(sound: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    total = sound.new_zeros(len(sound))
    for window_ms, hop_ms, bands in ((10, 5, 32), (25, 10, 64), (100, 50, 128)):
        found, wanted = (
            _mel_top_db(x, sample_rate, window_ms, hop_ms, bands) for x in (sound, target)
        )
        total = total + (found - wanted).abs().mean((1, 2))
    return total / 3


def _mfccd(sound: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    found, wanted = (mfcc(x, sample_rate) for x in (sound, target))
    return (found - wanted).abs().mean((1, 2))


def _sot(sound: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    masses = [_power(x, 2048, 512).sqrt() for x in (sound, target)]
    sums = [m.sum(1, keepdim=True) for m in masses]
    found, wanted = (m / s.clamp(min=1e-30) for m, s in zip(masses, sums, strict=True))
    moved = (found - wanted).cumsum(1)[:, :-1].abs().sum(1) / (found.shape[1] - 1)
    silent = [s[:, 0] < 1e-9 for s in sums]
    moved = moved.masked_fill(silent[0] & silent[1], 0.0)
    return moved.masked_fill(silent[0] ^ silent[1], 1.0).mean(1)


def _rms_cos(sound: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    window, hop = round(0.05 * sample_rate), round(0.025 * sample_rate)
    short = max(0, window - sound.shape[1])
    padded = (torch.nn.functional.pad(x, (0, short)) for x in (sound, target))
    found, wanted = (x.unfold(1, window, hop).square().mean(2).sqrt() for x in padded)
    # 1 - cos of the angle between a and b, exactly 0 for b = a.
    ways = [x / x.norm(dim=1, keepdim=True) for x in (found, wanted)]
    return (ways[0] - ways[1]).square().sum(1) / 2


def _lufs(sound: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    levels = [[loudness(x[None], sample_rate) for x in sounds] for sounds in (sound, target)]
    apart = [abs(a - b) for a, b in zip(*levels, strict=True)]
    return sound.new_tensor([x if math.isfinite(x) else math.nan for x in apart])


METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric(
            "logmel",
            1,
            "dB",
            False,
            "root mean square difference of log-mel spectra (the distance of Faust-24): Hann 1024, "
            "hop 512, frames within the sound, power, 64 triangles of unit sum from 30 Hz to "
            "Nyquist, 10 log10(. + 1e-7)",
            _logmel,
        ),
        Metric(
            "lsd",
            1,
            "dB",
            False,
            "mean over frames of the rms over bins of 10 log10(power + 1e-8): Hann 2048, hop 512",
            _lsd,
        ),
        Metric(
            "sc",
            1,
            "",
            False,
            "spectral convergence |S - T| / |T| (Frobenius) of magnitudes: Hann 2048, hop 512",
            _sc,
        ),
        Metric(
            "mss",
            1,
            "",
            False,
            "multi-scale spectral loss of DDSP: mean |S - T| + mean |log S - log T|, magnitudes + "
            "1e-5, summed over Hann 2048 to 64, hop a quarter",
            _mss,
        ),
        Metric(
            "mss_mel",
            1,
            "dB",
            True,
            "mean |dB mel difference| over (window, hop, bands) 10/5 ms/32, 25/10/64, 100/50/128, "
            "each clip against its own maximum, 80 dB deep (Hayes)",
            _mss_mel,
        ),
        Metric(
            "mfccd",
            1,
            "dB",
            False,
            "mean |difference| of 13 MFCC: orthonormal DCT-II of logmel@1's spectrum",
            _mfccd,
        ),
        Metric(
            "sot",
            1,
            "",
            True,
            "mean over frames of the Wasserstein-1 distance of normalised magnitude spectra, 0 to "
            "1 for 0 to Nyquist; Hann 2048, hop 512; a frame silent in one of the two is 1",
            _sot,
        ),
        Metric(
            "rms_cos",
            1,
            "",
            True,
            "1 - cosine of rms envelopes, 50 ms every 25 ms; NaN for silence",
            _rms_cos,
        ),
        Metric(
            "lufs",
            1,
            "LU",
            False,
            "difference of integrated loudness, BS.1770-4; NaN for silence",
            _lufs,
        ),
    )
}


def mfcc(sound: Tensor, sample_rate: int, count: int = 13) -> Tensor:
    """The first coefficients of the log-mel spectrum's transform, (n, t) to (n, count, f)."""
    mel = log_mel(LogMel(sample_rate), sound)
    return torch.einsum("km,nmf->nkf", _cosines(mel.shape[1]).to(mel)[:count], mel)


@lru_cache
def _cosines(n: int) -> Tensor:
    """The orthonormal DCT-II, (n, n)."""
    k, i = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    table = torch.cos(math.pi / n * (i.double() + 0.5) * k) * math.sqrt(2 / n)
    table[0] /= math.sqrt(2)
    return table


def _power(sound: Tensor, size: int, hop: int) -> Tensor:
    """(n, t) to (n, bins, frames); frames are centred, and silence lies around the sound."""
    window = torch.hann_window(size, dtype=sound.dtype, device=sound.device)
    spectrum = torch.stft(sound, size, hop, window=window, pad_mode="constant", return_complex=True)
    return spectrum.real.square() + spectrum.imag.square()


def _mel_top_db(
    sound: Tensor, sample_rate: int, window_ms: float, hop_ms: float, bands: int
) -> Tensor:
    size, hop = (round(ms * sample_rate / 1000) for ms in (window_ms, hop_ms))
    size += size % 2
    bank = weights(LogMel(sample_rate, size, hop, bands, 0.0)).to(sound)
    mel = torch.einsum("mb,nbf->nmf", bank, _power(sound, size, hop))
    db = 10 * mel.clamp(min=1e-10).log10()
    top = db.amax((1, 2), keepdim=True)
    return (db - top).clamp(min=-80)
