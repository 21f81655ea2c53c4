"""What the encoder hears: the map's pairs, which effect it was, which dimensions are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dspcore.latent import diagnostics, kl_bits
from dspcore.style import Clips, Encoder, PairSource, timbre
from dspcore.style.convolutional import Vae


def map_of(sources: Mapping[str, PairSource], encoder: Encoder) -> dict[str, Any]:
    """Pair embeddings, effect, brightness and depth of every pair."""
    spots: dict[str, Any] = {"names": [], "embedding": [], "brightness": [], "depth": []}
    for name, source in sources.items():
        for first in range(0, len(source), 50):
            pairs = source.take(range(first, min(first + 50, len(source))))
            dry, reference = encoder.embed(pairs.dry), encoder.embed(pairs.reference)
            spots["embedding"].append(torch.cat([dry, reference - dry], 1))
            found = timbre(pairs.reference, encoder.sample_rate)
            spots["brightness"].append(found[:, 0])
            spots["depth"].append(found[:, 1])
            spots["names"] += [name] * len(pairs)
    for key in ("embedding", "brightness", "depth"):
        spots[key] = torch.cat(spots[key])
    return spots


def recognised(
    effects: Mapping[str, Any], clips: Clips, ears: Mapping[str, Encoder], seed: int
) -> dict[str, float]:
    """Share of pairs whose effect a linear probe names, by encoder; tested on other clips."""
    half = len(clips) // 2
    parts = clips.split(half, len(clips) - half)
    found = {}
    for name, encoder in ears.items():
        sets: list[tuple[Tensor, Tensor]] = []
        for side, part in enumerate(parts):
            ways, labels = [], []
            for label, effect in enumerate(effects.values()):
                source = PairSource(effect, part, seed=seed + 70 + side, count=40)
                dry, reference = source.heard(encoder)
                ways.append(reference - dry)
                labels += [label] * len(dry)
            sets.append((torch.cat(ways), torch.tensor(labels)))
        found[name] = _probe(*sets[0], *sets[1], len(effects))
    found["chance"] = 1 / len(effects)
    return found


def _probe(x: Tensor, y: Tensor, tested: Tensor, truth: Tensor, count: int) -> float:
    """Ridge regression on one-hot labels."""
    mean, spread = x.mean(0), x.std(0).clamp(min=1e-4)
    one = torch.nn.functional.one_hot(y, count).float()
    a = torch.cat([(x - mean) / spread, torch.ones(len(x), 1)], 1)
    b = torch.cat([((tested - mean) / spread).clamp(-6, 6), torch.ones(len(tested), 1)], 1)
    weights = torch.linalg.solve(a.T @ a + 3.0 * torch.eye(a.shape[1]), a.T @ one)
    return float(((b @ weights).argmax(1) == truth).float().mean())


@torch.no_grad()
def dims_of(encoder: Encoder, clips: Clips, items: int = 256) -> dict[str, Any]:
    """What the beta-VAE's latent uses, by `dspcore.latent.diagnostics`."""
    assert isinstance(encoder, Vae)
    vae = encoder
    windows = vae.windows(vae.spectrogram(clips.audio)).flatten(0, 1)[:items]
    mean, log_variance = vae.moments(windows)

    def decoded(z: Tensor) -> Tensor:
        return vae.decoder(vae.unfold(z).unflatten(1, vae.small))

    index = diagnostics.sobol(decoded, mean)
    bits = kl_bits(mean, (log_variance / 2).exp()).mean(0)
    return {
        "dims": len(index),
        "used (Sobol above 1 %)": diagnostics.dims_used(index),
        "used (Sobol of principal components)": diagnostics.dims_used(
            diagnostics.principal_sobol(decoded, mean)
        ),
        "under half a bit": diagnostics.dims_under(bits)[0],
        "active units (variance of the mean above 0.01)": diagnostics.active_units(mean),
        "sobol": index.sort(descending=True).values.tolist(),
    }
