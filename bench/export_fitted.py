"""Chains that `dspcore.match` fits, as plug-ins in every host; `bench.export` writes the table."""

from __future__ import annotations

import torch

import dspcore
from bench import export_everywhere as everywhere
from dspcore import Chain, effects
from dspcore.match import match

LIMIT_S = 10.0  # of CPU time for a fit
HEAD = ["chain", "effects", "fitted on", *everywhere.HEAD]
SAID = """\
Three chains that `dspcore.match` fitted to recordings (10 s of CPU time each; the reference
is the recording through settings that the search does not know), the same way: the fitted values
first, then all of them halfway to the middle of their ranges, then back half of the way."""


def chains() -> dict[str, tuple[Chain, str]]:
    """Where the searches start, and what they listen to."""
    rate = 44_100
    return {
        "Drums": (
            Chain([effects.ParametricEQ(rate), effects.Compressor(rate), effects.Reverb(rate)]),
            "loop_amen",
        ),
        "Guitar": (
            Chain([effects.Distortion(rate), effects.GraphicEQ(rate), effects.Delay(rate)]),
            "guit_e_slide",
        ),
        "Keys": (
            Chain([effects.TiltEQ(rate), effects.Chorus(rate), effects.MultiTapDelay(rate)]),
            "ambi_piano",
        ),
    }


def row(name: str) -> list[str]:
    """One chain."""
    start, title = chains()[name]
    sound, _ = dspcore.audio.read(everywhere.DATA / f"{title}.flac")
    sound = sound.expand(2, -1)[:, : 2 * start.sample_rate].contiguous()
    with torch.no_grad():
        p = 0.25 + 0.5 * start.random(1, torch.Generator().manual_seed(1))
        hidden = start.normalized(sound[None], p)[0]
    fitted = match(sound, hidden, start, limit_s=LIMIT_S).chain
    settings = [
        {key: float(value) for key, value in fitted.denormalize(p).items()}
        for share in (0.5, 0.25)
        for p in [fitted.normalize() * (1 - share) + 0.5 * share]
    ]
    with everywhere.exported(fitted, name) as folder:
        found = everywhere.played(fitted, folder, name, sound, settings)
    return [", ".join(fitted.effect_names), title, *found]
