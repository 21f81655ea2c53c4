"""Effects as controllers see them: whatever they are, settings in [0, 1] in, sound out."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dspcore.blackbox import BlackBox, load
from dspcore.chain import Chain
from dspcore.effects import Effect, names
from dspcore.errors import UserError, nearest
from dspcore.preset import load_preset
from dspcore.rack import Rack

#: An effect, a chain or a graph, a plug-in: all have `num_params`, `params` and `normalized`.
AnyEffect = Effect | Rack


def effect_named(name: str, sample_rate: int, **options: Any) -> AnyEffect:
    """An effect of dspcore ("compressor"), a chain ("eq+compressor"), a preset, or a plug-in.

    Raises:
        UserError: There is none of that name, or it cannot be loaded.
    """
    if name.endswith(".toml"):
        return load_preset(name, sample_rate)
    if ":" in name or "/" in name:
        return load(name, sample_rate=sample_rate, **options)
    known = {alias: kind for kind in names().values() for alias in (kind.name, *kind.aliases)}
    parts = name.split("+")
    for part in parts:
        if part not in known:
            hint = nearest(part, known)
            raise UserError(
                f"style: no effect {part!r}; {hint}. Plug-ins are named with their package "
                "('mda:Overdrive'), presets end with .toml"
            )
    made = [known[part](sample_rate) for part in parts]
    return made[0] if len(made) == 1 else Chain(made)


def render(effect: AnyEffect, audio: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """What an effect makes of `audio` at settings `p`, without its latency and without gradient.

    Args:
        effect: Any.
        audio: (b, c, t).
        p: (b, num_params) in [0, 1].

    Returns:
        The sounds, (b, c, t), and where they are finite and the plug-in did not fail, (b,).
    """
    late = effect.latency_samples()
    heard = functional.pad(audio, (0, late)).float()
    if isinstance(effect, BlackBox):
        sound, well = effect.attempt(heard, p)
        good = torch.from_numpy(np.asarray(well))
    else:
        with torch.no_grad():
            # One by one: side by side, the last bits of an item depend on its neighbours.
            parts = zip(heard.split(1), p.split(1), strict=True)
            sound = torch.cat([effect.normalized(a, q) for a, q in parts])
        good = torch.ones(len(sound), dtype=torch.bool)
    sound = sound[..., late:]
    good = good & sound.isfinite().all(-1).all(-1)
    return torch.where(good[:, None, None], sound, torch.zeros_like(sound)), good


def played(effect: AnyEffect, audio: Tensor, p: Tensor) -> Tensor:
    """As `render`, with gradients: exact ones, or the plug-in's estimates."""
    late = effect.latency_samples()
    sound = effect.normalized(functional.pad(audio, (0, late)), p)
    return sound[..., late:]


def title(effect: AnyEffect) -> str:
    """What to call it: the plug-in's source, the effect's name, or the chain's names."""
    if isinstance(effect, Rack):
        return "+".join(effect.effect_names)
    return effect.source or effect.name


def slug(effect: AnyEffect) -> str:
    """Its title as the name of a folder."""
    return name_of_folder(title(effect))


def name_of_folder(words: str) -> str:
    """Words as the name of a folder."""
    return re.sub(r"[^0-9A-Za-z.+-]+", "_", words).strip("_")


def facts(effect: AnyEffect) -> dict[str, Any]:
    """What settings in [0, 1] mean, as JSON: a head is good for nothing else.

    Names, ranges, scales, choices, the sample rate, and for a plug-in the files it consists of.
    """
    parts = list(effect) if isinstance(effect, Rack) else [effect]
    found: dict[str, Any] = {
        "effect": title(effect),
        "sample_rate": effect.sample_rate,
        "params": {
            name: [*map(float, param.range(effect.sample_rate)), param.scale]
            for name, param in effect.params.items()
        },
        "choices": {f"{i}.{n}": w for i, part in enumerate(parts) for n, w in part.options.items()},
    }
    for part in parts:
        if isinstance(part, BlackBox):
            place = (part.box.info.host, part.box.info.identity)
            stamp = [
                [name.rpartition("/")[2], size] for name, size, _ in part.box.pool.stamps[place]
            ]
            found.setdefault("files", []).append(sorted(stamp))
    return json.loads(json.dumps(found))  # as it comes back from the disk


def fingerprint(effect: AnyEffect) -> str:
    """A name for all of `facts`."""
    text = json.dumps(facts(effect), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
