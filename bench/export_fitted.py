"""Chains that `dspcore.match` fits, as plug-ins in every host; `bench.export` writes the table."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import dspcore
from bench.export_hosted import rendered
from dspcore import Chain, effects
from dspcore.blackbox import probe
from dspcore.blackbox.isolate import Isolate
from dspcore.export import export
from dspcore.match import match

DATA = Path(__file__).parents[2] / "shared" / "data" / "sonic_pi"
#: Rates and block sizes: each size, each rate twice.
GRID = (
    (44_100, 1), (44_100, 441), (48_000, 64), (48_000, 4_096), (96_000, 1), (96_000, 441),
)  # fmt: skip
SAMPLES, CHANGE = 8_000, 3_000
LIMIT_S = 10.0  # of CPU time for a fit
HOSTS = {
    "CLAP": ("clap", "{name}.clap"),
    "LV2": ("lv2", "urn:dspcore:{slug}"),
    "LADSPA": ("ladspa", "{slug}-ladspa.so"),
    "VST3, pedalboard": ("pedalboard", "{name}.vst3"),
    "VST3, DawDreamer": ("dawdreamer", "{name}.vst3"),
    "VST2, DawDreamer": ("dawdreamer", "{slug}-vst2.so"),
}
HEAD = ["chain", "effects", "fitted on", *(f"{name}, dB" for name in HOSTS)]
SAID = f"""\
Three chains that `dspcore.match` fitted to recordings (10 s of CPU time each; the reference
is the recording through settings that the search does not know), exported and loaded back: the
greatest difference to the fitted Python chain in float64 over the peak, the worst of blocks of
1 and 441 samples at 44.1 kHz and at 96 kHz, and of 64 and 4096 at 48 kHz, on {SAMPLES} samples
(pedalboard without the blocks of 1, whose two channels it takes for one).
Every parameter moves halfway to the middle of its range on the way; what a host sets is float32,
and so is what Python is given."""


def distance_db(got: NDArray[Any], wanted: NDArray[Any]) -> float:
    """The greatest difference over the peak."""
    return float(20 * np.log10(np.abs(got - wanted).max() / np.abs(wanted).max() + 1e-30))


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
    sound, _ = dspcore.audio.read(DATA / f"{title}.flac")
    sound = sound.expand(2, -1)[:, : 2 * start.sample_rate].contiguous()
    with torch.no_grad():
        p = 0.25 + 0.5 * start.random(1, torch.Generator().manual_seed(1))
        hidden = start.normalized(sound[None], p)[0]
    fitted = match(sound, hidden, start, limit_s=LIMIT_S).chain
    effects_of = ", ".join(fitted.effect_names)
    return [effects_of, title, *(f"{d:.0f}" for d in played(fitted, name, sound[:, :SAMPLES]))]


def played(chain: Any, name: str, sound: torch.Tensor) -> list[float]:
    """The distance in every host."""
    middle = chain.denormalize(0.5 * chain.normalize() + 0.25)
    before = _single(chain.values)
    after = _single({key: float(value) for key, value in middle.items()})
    worst = dict.fromkeys(HOSTS, -400.0)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        export(chain, folder, name=name, formats=["vst3", "clap", "lv2", "vst2", "ladspa"])
        os.environ["LV2_PATH"] = folder
        # pedalboard and DawDreamer do not go together in a process.
        every = {host for host, _ in HOSTS.values()}
        children = {host: stack.enter_context(Isolate(probe.warm)) for host in sorted(every)}
        for rate, size in GRID:
            here, at = chain.at_rate(rate), -(-CHANGE // size)
            with torch.no_grad():
                stream = here.with_values(_held(here, before)).stream()
                x = sound[None].double()
                parts = [stream(x[..., : at * size])]
                parts.append(stream(x[..., at * size :], **_held(here, after)))
            truth = torch.cat(parts, -1)[0].numpy()
            for title, (host, path) in HOSTS.items():
                if host == "pedalboard" and size == 1:
                    continue  # it takes two channels of one sample for one channel of two
                words = path.format(name=name, slug=name.lower())
                identity = words if host == "lv2" else str(Path(folder, words))
                call = (host, identity, before, after, sound.numpy(), rate, size, at)
                out = children[host].call(rendered, *call, deadline=300.0).unwrap()
                worst[title] = max(worst[title], distance_db(out, truth))
    return list(worst.values())


def _single(values: dict[str, float]) -> dict[str, float]:
    """As a host has them."""
    return {key: float(np.float32(value)) for key, value in values.items()}


def _held(chain: Any, values: dict[str, float]) -> dict[str, float]:
    """Frequencies that the rate cannot hold are lowered."""
    return {
        key: min(value, chain.params[key].range(chain.sample_rate)[1])
        for key, value in values.items()
    }
