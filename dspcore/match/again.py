"""Other settings worth a try, from a setting that is nearly right."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dspcore.rack import Rack

_SMOOTH_HZ = 10.0  # over which spectra are compared
_LIMIT = 4.0  # of the correction at any frequency, either way


def suggestions(chain: Rack, dry: Tensor, reference: Tensor) -> list[Tensor]:
    """What each effect suggests for itself, (n, p) in [0, 1]; NaN where it says nothing.

    Args:
        chain: The effects, with their settings.
        dry: (c, t).
        reference: (c, t), as long.
    """
    return [_rows(chain, i, dry, reference) for i in range(len(chain))]


def again(chain: Rack, dry: Tensor, reference: Tensor) -> Tensor:
    """Settings (n, p) that differ from the chain's in one effect, which was asked once more.

    Once the other effects are nearly right, an effect can be told what it should have made: what it
    makes now, corrected by how the spectrum of the chain's sound differs from the reference's. It
    may then find a quite different setting that does just that.
    """
    with torch.no_grad():
        sounds = list(chain.traced(dry[None]).values())
        now = chain(dry[None])[0]
    correction = _spectrum(reference, chain.sample_rate) / _spectrum(now, chain.sample_rate)
    correction = correction.sqrt().clamp(1 / _LIMIT, _LIMIT)
    own = chain.normalize()[0].double()
    found = []
    for i, (heard, made) in enumerate(sounds):
        spectrum = torch.fft.rfft(made[0].double()) * correction
        wanted = torch.fft.irfft(spectrum, n=dry.shape[1]).to(dry.dtype)
        rows = _rows(chain, i, heard[0], wanted)
        found.append(torch.where(rows.isnan(), own, rows))
    return torch.cat(found)


def _rows(chain: Rack, index: int, dry: Tensor, reference: Tensor) -> Tensor:
    """The suggestions of the effect at `index`, in the chain's own order of parameters."""
    effect, name = list(chain)[index], chain.effect_names[index]
    names, rows = chain.param_names, []
    for setting in effect.suggest(dry, reference):
        row = torch.full((len(names),), math.nan, dtype=torch.float64)
        for key, value in setting.items():
            low, high = effect.params[key].range(effect.sample_rate)
            unit = effect.params[key].to_unit(min(max(value, low), high), effect.sample_rate)
            row[names.index(f"{name}.{key}")] = unit
        rows.append(row)
    return torch.stack(rows) if rows else torch.empty(0, len(names), dtype=torch.float64)


def _spectrum(sound: Tensor, sample_rate: int) -> Tensor:
    """Smoothed power spectrum over all channels, (f,), never nothing."""
    power = torch.fft.rfft(sound.double()).abs().square().mean(0)
    half = max(1, round(_SMOOTH_HZ * sound.shape[1] / sample_rate / 2))
    padded = torch.nn.functional.pad(power[None, None], (half, half), mode="reflect")
    smooth = torch.nn.functional.avg_pool1d(padded, 2 * half + 1, 1)[0, 0]
    return smooth.clamp(min=1e-12 * float(smooth.max()) + 1e-30)
