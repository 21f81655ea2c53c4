"""Whether what a prior says sounds like what it has heard: distances of distributions of sounds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from dspcore.latent.autoencoder import Autoencoder
from dspcore.latent.divergence import mmd
from dspcore.latent.latents import Latents, decoded
from dspcore.latent.prior import Prior
from dspcore.losses import magnitudes

#: Bands of the features, evenly spaced in octaves from 60 Hz, and parts of a sound in time.
BANDS, PARTS = 24, 4


def sound_features(sounds: Sequence[Tensor], sample_rate: int) -> Tensor:
    """What a sound is like, in numbers: levels of bands in four parts of it, and its length.

    Args:
        sounds: (c, t) each, any length.
        sample_rate: In Hz.

    Returns:
        (n, 24 * 4 + 1): decibels, at least 80 below the loudest, and the seconds' logarithm.
    """
    size = 2 ** max(6, round(math.log2(0.02 * sample_rate)))
    hertz = torch.linspace(0, sample_rate / 2, size // 2 + 1)
    edges = 60.0 * (sample_rate / 2 / 60.0) ** (torch.arange(1, BANDS + 1) / BANDS)
    band = torch.bucketize(hertz, edges[:-1])
    found = []
    for sound in sounds:
        mono = sound.mean(0, keepdim=True)[None]
        power = magnitudes(functional.pad(mono, (0, max(0, size - mono.shape[-1]))), size)[0, 0]
        levels = torch.zeros(BANDS, power.shape[1]).index_add(0, band, power.square())
        each = functional.adaptive_avg_pool1d(levels, PARTS)
        level_db = 10 * torch.log10(each.clamp(min=1e-12))
        level_db = level_db.clamp(min=float(level_db.max()) - 80)
        length = torch.tensor([10 * math.log2(sound.shape[1] / sample_rate)])
        found.append(torch.cat([level_db.flatten(), length]))
    return torch.stack(found)


def judge_prior(
    model: Autoencoder,
    prior: Prior,
    latents: Latents,
    real: Sequence[Tensor],
    count: int = 64,
    *,
    seed: int = 0,
) -> dict[str, float]:
    """Squared maximum mean discrepancy of sounds from real ones, by where they come from.

    Args:
        model: Decodes, in eval mode.
        prior: Draws.
        latents: What the prior learnt from; the baselines are made of them.
        real: Sounds to compare with, (c, t) each, at the model's rate; best such that no one of
            them was learnt from.
        count: Sounds of each kind.
        seed: Of all draws.

    Returns:
        prior: What the prior draws. gaussian: frames drawn alone, each dimension with its own mean
        and deviation, as many as a real sequence has. mean: the mean frame, as often. rebuilt: real
        sequences through the decoder, which no prior can beat. Nearer to 0 is nearer.
    """
    draw = torch.Generator().manual_seed(seed)
    picks = [int(i) for i in torch.randperm(len(latents), generator=draw)[:count]]
    chosen = [latents.means[i] for i in picks]
    every = torch.cat(latents.means, 1)
    center, spread = every.mean(1, keepdim=True), every.std(1, keepdim=True)
    kinds = {
        "prior": [x for x in prior.sample(count, seed=seed) if x.shape[1]],
        "gaussian": [center + spread * torch.randn(x.shape, generator=draw) for x in chosen],
        "mean": [center.expand_as(x) for x in chosen],
        "rebuilt": chosen,
    }
    wanted = sound_features(real, model.sample_rate)
    middle, scale = wanted.mean(0), wanted.std(0).clamp(min=1.0)
    wanted = (wanted - middle) / scale
    widths = torch.cdist(wanted, wanted).flatten().median() * torch.tensor([0.5, 1.0, 2.0])
    found = {}
    for name, sequences in kinds.items():
        made = sound_features([decoded(model, x) for x in sequences], model.sample_rate)
        found[name] = float(mmd((made - middle) / scale, wanted, widths))
    return found
