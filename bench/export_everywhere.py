"""An exported chain in every format and host, beside the Python chain."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.export_hosted import rendered
from dspcore.blackbox import probe
from dspcore.blackbox.isolate import Isolate
from dspcore.export import FORMATS, export

DATA = Path(__file__).parents[2] / "shared" / "data" / "sonic_pi"
RATES, BLOCKS = (44_100, 48_000, 96_000), (1, 64, 441, 4_096)
SAMPLES, CHANGES = 9_000, (3_000, 5_500)  # samples before which parameters change; up to a block
HOSTS = {
    "CLAP": ("clap", "{name}.clap"),
    "LV2": ("lv2", "urn:dspcore:{slug}"),
    "LADSPA": ("ladspa", "{slug}-ladspa.so"),
    "VST3, pedalboard": ("pedalboard", "{name}.vst3"),
    "VST3, DawDreamer": ("dawdreamer", "{name}.vst3"),
    "VST2, DawDreamer": ("dawdreamer", "{slug}-vst2.so"),
}
HEAD = [f"{name}, dB" for name in HOSTS]


def distance_db(got: NDArray[Any], wanted: NDArray[Any]) -> float:
    """The greatest difference over the peak."""
    return float(20 * np.log10(np.abs(got - wanted).max() / np.abs(wanted).max() + 1e-30))


@contextmanager
def exported(chain: Any, name: str) -> Iterator[Path]:
    """A folder with the chain in every format, of use to hosts while it lasts."""
    with tempfile.TemporaryDirectory() as folder:
        export(chain, folder, name=name, formats=list(FORMATS))
        bundles = Path(folder, "bundles")  # a host looks into all that lies beside a bundle
        bundles.mkdir()
        Path(folder, f"{name.lower()}.lv2").rename(bundles / f"{name.lower()}.lv2")
        os.environ["LV2_PATH"] = str(bundles)
        yield Path(folder)


def played(
    chain: Any, folder: Path, name: str, sound: torch.Tensor, settings: list[dict[str, float]]
) -> list[str]:
    """The greatest distance in every host, over all rates and blocks.

    The chain's own values come first, then those of `settings`, one after the other.
    """
    steps = [{k: float(np.float32(v)) for k, v in values.items()} for values in settings]
    worst = dict.fromkeys(HOSTS, -400.0)
    audio = sound[:, :SAMPLES].contiguous()
    with ExitStack() as stack:
        # pedalboard and DawDreamer do not go together in a process.
        every = sorted({host for host, _ in HOSTS.values()})
        children = {host: stack.enter_context(Isolate(probe.warm)) for host in every}
        for rate in RATES:
            truths: dict[tuple[int, ...], NDArray[Any]] = {}
            for size in BLOCKS:
                at = [-(-sample // size) for sample in CHANGES]
                places = tuple(block * size for block in at)
                if places not in truths:
                    truths[places] = truth(chain.at_rate(rate), audio, steps, places)
                for title, (host, path) in HOSTS.items():
                    words = path.format(name=name, slug=name.lower())
                    identity = words if host == "lv2" else str(folder / words)
                    call = (host, identity, [chain.values, *steps], audio.numpy(), rate, size, at)
                    out = children[host].call(rendered, *call, deadline=300.0).unwrap()
                    worst[title] = max(worst[title], distance_db(out, truths[places]))
    return [f"{distance:.0f}" for distance in worst.values()]


def truth(
    chain: Any, audio: torch.Tensor, steps: list[dict[str, float]], places: tuple[int, ...]
) -> NDArray[Any]:
    """The Python chain in float64, whose values change at `places`."""
    x = audio[None].double()
    stream = chain.with_values(held(chain, chain.values)).stream()
    parts = x.tensor_split(places, -1)
    changes = [{}, *(held(chain, values) for values in steps)]
    with torch.no_grad():
        made = [stream(part, **now) for part, now in zip(parts, changes, strict=True)]
    out: NDArray[Any] = torch.cat(made, -1)[0].numpy()
    return out


def held(chain: Any, values: dict[str, float]) -> dict[str, float]:
    """Frequencies that the rate cannot hold are lowered."""
    return {
        key: min(value, chain.params[key].range(chain.sample_rate)[1])
        for key, value in values.items()
    }
