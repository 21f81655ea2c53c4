"""DigitWave: words in, audio integers and an end bit out, one for every time step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from digits.embeddings import Embed, hashed
from digits.speech import BANDS, HOP, RATE, filters
from dspcore import ops

TAPS = 128
MOST = 48  # harmonics
AFTER = 12  # frames that are offered after the expected end


class DigitWave(nn.Module):
    """Says words: at every time step it hears the embedding of the word that is being said.

    How long each word takes is predicted from it and its neighbours; that gives a pointer, so that
    at every frame the model knows the word, its neighbours, and how far it has come. From these a
    network says the power in bands, pitch, voicing and the end bit; harmonics and filtered noise
    are made of them and rounded to 256 mu-law integers.

    Args:
        words: That it knows.
        embed: A word to a vector; None learns the vectors.
        width: Of the hidden layers.
    """

    def __init__(
        self, words: Sequence[str], embed: Embed | None = hashed, width: int = 256
    ) -> None:
        """Makes the networks."""
        super().__init__()
        vectors = torch.stack([embed(w) for w in words]) if embed else torch.randn(len(words), 32)
        self.vectors: Tensor
        if embed:
            self.register_buffer("vectors", vectors)
        else:
            self.vectors = nn.Parameter(vectors)
        size = 3 * vectors.shape[1] + 8
        self.duration = nn.Sequential(nn.Linear(size, 64), nn.SiLU(), nn.Linear(64, 1))
        self.trunk = nn.Sequential(
            nn.Linear(size + 24, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, BANDS + 3),
        )  # fmt: skip
        self.center: Tensor
        self.spread: Tensor
        self.register_buffer("center", torch.zeros(BANDS + 2))
        self.register_buffer("spread", torch.ones(BANDS + 2))
        self.register_buffer("bands_hz", filters()[1])
        self.bands_hz: Tensor

    def heard(self, digits: Sequence[int]) -> Tensor:
        """What is known of every word: itself, its neighbours, its place; (words, size)."""
        own = self.vectors[torch.tensor(digits)]
        none = torch.zeros_like(own[:1])
        n = torch.arange(len(digits), dtype=own.dtype)
        place = [(n.clamp(max=3) == k).to(own.dtype) for k in range(4)]
        place += [((len(digits) - 1 - n).clamp(max=3) == k).to(own.dtype) for k in range(4)]
        neighbours = [torch.cat([none, own[:-1]]), torch.cat([own[1:], none])]
        return torch.cat([own, *neighbours, torch.stack(place, 1)], 1)

    def durations(self, heard: Tensor) -> Tensor:
        """Frames from the start of each word to the next, (words,)."""
        return 30 * self.duration(heard)[:, 0].exp()

    def pointed(self, heard: Tensor, starts: Tensor, end: Tensor, count: int) -> Tensor:
        """What every frame hears: its word, and how far it is in it; (count, size)."""
        bounds = torch.cat([starts, end[None]])
        at = torch.arange(count, dtype=heard.dtype)
        word = (torch.searchsorted(starts.contiguous(), at, right=True) - 1).clamp(min=0)
        since, left = at - bounds[word], bounds[word + 1] - at
        way = since / (bounds[word + 1] - bounds[word]).clamp(min=1)
        waves = [f(torch.pi * 2**k * way / 2) for k in range(5) for f in (torch.sin, torch.cos)]
        waves += [f(since / 2.0**k) for k in range(1, 5) for f in (torch.sin, torch.cos)]
        near = [since / 30, left / 30, (since / 4).tanh(), (left / 4).tanh(), way, left.sign()]
        return torch.cat([heard[word], torch.stack([*waves, *near], 1)], 1)

    def controls(self, pointed: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised features (count, bands + 2) and the logit of the end bit (count,)."""
        found = self.trunk(pointed)
        return found[:, :-1], found[:, -1]

    @torch.no_grad()
    def say(self, digits: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Integers 0 to 255 up to the end bit, and the end bit, one for every sample."""
        heard = self.heard(digits)
        length = self.durations(heard)
        starts = torch.cat([torch.zeros(1), length.cumsum(0)[:-1]])
        end = length.sum()
        pointed = self.pointed(heard, starts, end, int(end) + AFTER)
        features, ends = self.controls(pointed)
        over = (ends > 0).nonzero().flatten()
        stop = int(over[0]) if len(over) else len(ends)
        wave = sound(features[: stop + 1] * self.spread + self.center, self.bands_hz)
        bit = torch.zeros(len(wave), dtype=torch.uint8)
        bit[stop * HOP :] = 1
        return mu_law(wave), bit


def sound(features: Tensor, bands_hz: Tensor) -> Tensor:
    """The wave of log densities in bands, log2 f0 and voicing, (f, bands + 2) to (t,)."""
    density, voicing = features[:, :-2], features[:, -1].clamp(0, 1)
    f0 = 2 ** features[:, -2].clamp(5.5, 9.0)
    number = torch.arange(1, MOST + 1, dtype=f0.dtype)
    at = (number * f0[:, None]).clamp(max=RATE / 2)
    partial = _between(density, bands_hz, at)
    size = (2 * partial.exp() * f0[:, None] * voicing[:, None]).sqrt()
    count = len(features) * HOP
    harmonic, _ = ops.harmonics(f0[None].double() / RATE, size.T[None], count, hop=HOP)
    grid = torch.linspace(0, RATE / 2, TAPS // 2 + 1).expand(len(features), -1)
    level = (_between(density, bands_hz, grid).exp() * (1 - voicing)[:, None] * RATE / 2).sqrt()
    taps = torch.fft.irfft(level).roll(TAPS // 2, 1) * torch.hann_window(TAPS)
    white, _ = (ops.noise(torch.ones(1, 1), count, 1, distribution="normal"), None)
    noise, _ = ops.fir_frames(white, taps.T[None, None], hop=HOP)
    late = TAPS // 2
    hiss = torch.nn.functional.pad(noise[0, 0, late:], (0, late))
    return harmonic[0] + hiss


def _between(values: Tensor, places: Tensor, at: Tensor) -> Tensor:
    """Values (f, k) at places (k,) read at (f, n), linear, held beyond the ends."""
    right = torch.searchsorted(places, at.contiguous()).clamp(1, len(places) - 1)
    low, high = places[right - 1], places[right]
    way = ((at - low) / (high - low)).clamp(0, 1)
    return torch.lerp(values.gather(1, right - 1), values.gather(1, right), way)


def mu_law(wave: Tensor, classes: int = 256) -> Tensor:
    """A wave within -1 and 1 as integers 0 to classes - 1."""
    mu = classes - 1
    bent = wave.sign() * torch.log1p(mu * wave.abs().clamp(max=1)) / torch.log1p(torch.tensor(mu))
    return ((bent + 1) / 2 * mu).round().long()


def wave_of(integers: Tensor, classes: int = 256) -> Tensor:
    """The opposite of `mu_law`."""
    mu = classes - 1
    bent = 2 * integers.float() / mu - 1
    return bent.sign() * ((1 + mu) ** bent.abs() - 1) / mu
