"""Noise that decays band by band: a room without echoes that could be told apart."""

from __future__ import annotations

import functools
import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from dspcore.effects.effect import Effect
from dspcore.effects.param import Choice, Param
from dspcore.effects.response import StreamedConvolution
from dspcore.effects.whole import as_one
from dspcore.ops.compiling import constant

_CENTRES_HZ = (125, 250, 500, 1_000, 2_000, 4_000, 8_000)
_SECONDS = {"0.5_s": 0.5, "1_s": 1.0, "2_s": 2.0, "4_s": 4.0}
_STRETCH = 1 << 16  # samples of moving settings worked on at once


def _decay(default: float) -> Param:
    return Param(0.1, 10.0, default=default, scale="log", doc="Decay to -60 dB of this octave.")


def _gain() -> Param:
    return Param(-36.0, 12.0, default=0.0, doc="Level of this octave.")


class NoiseReverb(Effect):
    """Let the sound ring on in noise whose octaves decay as they are told.

    The impulse response is ``sum_k g_k n_k[i] exp(-a_k i)`` with n_k an octave of white noise, one
    for each side, and a_k the decay's. It ends at `length`, after a short fade. The lowest octave
    takes in all below it, the highest all above. Where a decay moves, it is the rate at which all
    that rings loses its level at that time, ``exp(-(A[t] - A[s]))`` for what came in at s, A the
    sum of a; where a gain moves, it is that of the output.

    Source: J. Moorer, "About This Reverberation Business", CMJ 3(2), 1979: exponentially decaying
    noise; C. Steinmetz, V. Ithapu, P. Calamia, "Filtered Noise Shaping for Time Domain Room Impulse
    Response Estimation", WASPAA 2021: by bands.
    """

    channels = "stereo"

    length = Choice(*_SECONDS, default="1_s", doc="Of the impulse response.")
    decay_125_s = _decay(1.2)
    decay_250_s = _decay(1.1)
    decay_500_s = _decay(1.0)
    decay_1000_s = _decay(0.9)
    decay_2000_s = _decay(0.8)
    decay_4000_s = _decay(0.6)
    decay_8000_s = _decay(0.4)
    gain_125_db = _gain()
    gain_250_db = _gain()
    gain_500_db = _gain()
    gain_1000_db = _gain()
    gain_2000_db = _gain()
    gain_4000_db = _gain()
    gain_8000_db = _gain()
    mix = Param(0.0, 1.0, default=0.25, doc="Dry at 0, the room alone at 1.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """One convolution while nothing moves, else one for each octave."""
        decays = torch.stack(
            torch.broadcast_tensors(*(params[f"decay_{hz}_s"] for hz in _CENTRES_HZ)), 1
        )
        rates = math.log(1000) / (decays * self.sample_rate)  # (b, k, 1) or (b, k, t)
        gains = torch.stack(
            torch.broadcast_tensors(*(params[f"gain_{hz}_db"] for hz in _CENTRES_HZ)), 1
        )
        gains = 10 ** (gains / 20)
        wet, state = self._room(audio, rates, gains, state)
        mix = params["mix"][:, None].to(audio.dtype)
        return audio + mix * (wet - audio), state

    def _room(self, x: Tensor, rates: Tensor, gains: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The state is the past input and rates, and that of the quick way while it may be gone."""
        n = self._samples()
        if (instead := as_one()) is not None:
            return instead.room(x, lambda: octaves(self.sample_rate, n), rates, gains, state)
        noise = octaves(self.sample_rate, n).to(x.device)
        past, before, quick = (None, None, None) if state is None else state
        if past is None:
            past = x.new_zeros(*x.shape[:2], n - 1)
        still = rates.shape[2] == gains.shape[2] == 1
        if still and (before is None or _same(before, (rates, gains))):
            convolution, inner = (None, None) if quick is None else quick
            if convolution is None or rates.requires_grad or gains.requires_grad:
                times = torch.arange(n, dtype=torch.float64, device=x.device)
                shape = gains * torch.exp(-rates * times)
                convolution = StreamedConvolution(torch.einsum("bkn,kcn->bcn", shape, noise).to(x))
            wet, inner = convolution(x, inner)
            both = torch.cat([past, x], -1)[..., -(n - 1) :]
            return wet, (both, (rates, gains), (convolution, inner))
        if before is None:
            history = rates[..., :1].expand(-1, -1, n - 1)
        elif isinstance(before, tuple):
            history = before[0].expand(-1, -1, n - 1)
        else:
            history = before
        rates, gains = (v.expand(-1, -1, x.shape[2]) for v in (rates, gains))
        out = []
        for start in range(0, x.shape[2], _STRETCH):
            now = slice(start, start + _STRETCH)
            sound = torch.cat([past, x[..., now]], -1)
            slopes = torch.cat([history, rates[..., now]], -1)
            out.append(moving_room(sound, slopes, gains[..., now], noise, self._hop()).to(x))
            past, history = sound[..., -(n - 1) :], slopes[..., -(n - 1) :]
        return torch.cat(out, -1), (past, history, None)

    @property
    def seconds(self) -> float:
        """The length of the impulse response."""
        return _SECONDS[self.length]

    def _samples(self) -> int:
        return round(self.seconds * self.sample_rate)

    def _hop(self) -> int:
        """Short enough that the quickest decay falls by less than 30 dB within it."""
        return 1 << int(math.log2(0.05 * self.sample_rate))

    def tail_seconds(self) -> float:
        """The length, or the longest of the decays."""
        longest = max(self.values[f"decay_{hz}_s"] for hz in _CENTRES_HZ)
        return min(_SECONDS[self.length], 1.2 * longest)


def _same(before: Any, now: tuple[Tensor, Tensor]) -> bool:
    """Whether nothing has moved since the block before."""
    return isinstance(before, tuple) and all(
        torch.equal(a, b) for a, b in zip(before, now, strict=True)
    )


def moving_room(x: Tensor, rates: Tensor, gains: Tensor, noise: Tensor, hop: int) -> Tensor:
    """``sum_k g_k[t] sum_i n_k[i] exp(-(A_k[t] - A_k[t-i])) x[t-i]`` for the last samples of `x`.

    In hops: the input of each is weighted by exp(A - A at the hop's start) and transformed once;
    what a hop gives a later one is that, times a partition of the noise, times the decay between
    the two starts, which is at most 1; so no weight grows large.

    Args:
        x: Input, (b, c, n - 1 + t): n - 1 samples of the past, and t for which there is output.
        rates: Decay a in nepers a sample, (b, k, n - 1 + t).
        gains: (b, k, t).
        noise: (k, c, n), float64.
        hop: Samples in a hop.

    Returns:
        The output, (b, c, t), float64.
    """
    n, t = noise.shape[2], gains.shape[2]
    hops = -(-x.shape[2] // hop)
    end = hops * hop - x.shape[2]
    first = max(0, (n - 1) // hop - 1)  # the first hop of which an output is wanted, less one
    level = pad(rates.cumsum(-1), (0, end), mode="replicate").unflatten(-1, (hops, hop))
    starts = level[..., :1]  # (b, k, hops, 1)
    inside = level - starts
    weighted = pad(x.double(), (0, end)).unflatten(-1, (hops, hop))[:, :, None] * torch.exp(
        inside[:, None]
    )
    spectra = torch.fft.rfft(weighted, 2 * hop)  # (b, c, k, hops, bins)
    count = -(-n // hop)
    parts = pad(noise, (0, count * hop - n)).unflatten(-1, (count, hop))
    parts = torch.fft.rfft(parts, 2 * hop).transpose(0, 1)  # (c, k, count, bins)
    total = torch.zeros_like(spectra[:, :, :, first:])
    for j in range(min(count, hops)):
        source = max(first - j, 0)
        target = source + j - first
        fall = torch.exp(-(starts[:, :, source + j :] - starts[:, :, source : hops - j]))
        given = spectra[:, :, :, source : hops - j] * parts[None, :, :, j, None]
        total = total + pad(given * fall[:, None], (0, 0, target, 0))
    halves = torch.fft.irfft(total, 2 * hop)
    now = halves[..., :hop] * torch.exp(-inside[:, None, :, first:])
    since = level[:, :, first + 1 :] - starts[:, :, first:-1]
    later = halves[:, :, :, :-1, hop:] * torch.exp(-since[:, None])
    y = (now + pad(later, (0, 0, 1, 0))).flatten(-2)
    y = y[..., n - 1 - first * hop :][..., :t]
    return (y * gains[:, None]).sum(2)


@functools.lru_cache(maxsize=4)
def _octaves(sample_rate: int, n: int) -> Tensor:
    """White noise cut into octaves, (k, 2, n) float64, whose powers add up; faded at its end.

    The edges between two octaves are a third of an octave wide. All of them together have unit
    energy in white noise's every second.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, n, generator=generator, dtype=torch.float64) / sample_rate**0.5
    hz = torch.fft.rfftfreq(n, 1 / sample_rate, dtype=torch.float64)
    place = torch.log2(hz.clamp(min=1.0))
    above = []  # how much of the power lies above each edge, 0 to 1
    for low, high in pairwise(_CENTRES_HZ):
        edge = 0.5 * (math.log2(low) + math.log2(high))
        ramp = ((place - edge) * 3 + 0.5).clamp(0, 1)
        above.append(torch.sin(ramp * torch.pi / 2).square())
    edges = [torch.ones_like(hz), *above, torch.zeros_like(hz)]
    spectrum = torch.fft.rfft(noise)
    powers = torch.stack([a - b for a, b in pairwise(edges)]).clamp(min=0)
    bands = torch.fft.irfft(spectrum * powers.sqrt()[:, None], n)
    fade = max(1, n // 50)
    bands[..., n - fade :] *= torch.cos(torch.linspace(0, torch.pi / 2, fade).double()) ** 2
    return bands


@constant
def octaves(sample_rate: int, n: int) -> Tensor:
    """The same as a constant where effects are compiled: random numbers cannot be traced."""
    return _octaves(sample_rate, n)
