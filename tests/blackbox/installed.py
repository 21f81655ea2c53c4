"""Plug-ins that the tests of the hosts need, and what they run in processes of their own."""

from __future__ import annotations

import concurrent.futures
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dspcore.blackbox import hosts, probe
from dspcore.notes import Note

PACKAGES = "apt-get install mda-lv2 zam-plugins swh-plugins liblilv-0-0"
RATE = 44_100
MDA = "http://drobilla.net/plugins/mda/"

#: The same plug-in in every format and host: where, and the symbols of its first six settings.
ZAM = {
    "lv2": ("lv2", "urn:zamaudio:{0}"),
    "clap": ("clap", "/usr/lib/clap/{0}.clap"),
    "ladspa": ("ladspa", "/usr/lib/ladspa/{0}-ladspa.so"),
    "vst3": ("pedalboard", "/usr/lib/vst3/{0}.vst3"),
    "vst3 in DawDreamer": ("dawdreamer", "/usr/lib/vst3/{0}.vst3"),
    "vst2": ("dawdreamer", "/usr/lib/vst/{0}-vst.so"),
    "lv2 in DawDreamer": ("dawdreamer", "urn:zamaudio:{0}"),
}


def needed(*paths: str) -> None:
    """Skip where a package is missing; DSPCORE_REQUIRE_PLUGINS=1 makes that a failure."""
    missing = [path for path in paths if not Path(path).exists()]
    missing += [h for h in ("lv2", "pedalboard", "dawdreamer") if hosts.get(h).missing()]
    if missing:
        why = f"no {', '.join(missing)}; install them: {PACKAGES}; pip install 'dspcore[plugins]'"
        if os.environ.get("DSPCORE_REQUIRE_PLUGINS") == "1":
            pytest.fail(why)
        pytest.skip(why)


# --- run in a child ----------------------------------------------------------------


def noise(channels: int, samples: int = RATE // 2) -> NDArray[np.float32]:
    """The same from its start, however long."""
    made = np.random.default_rng(1).standard_normal((samples, channels)).T
    return np.ascontiguousarray(0.1 * made, np.float32)


def render(
    host: str,
    identity: str,
    settings: Sequence[float] = (),
    *,
    samples: int = RATE // 2,
    block: int = 512,
    notes: Sequence[Note] = (),
    times: int = 1,
) -> list[NDArray[np.float32]]:
    """Output of fresh instances; `settings` replace the first defaults."""
    outputs = []
    for _ in range(times):
        instance = hosts.get(host).open(identity, RATE, block)
        values = [param.default for param in instance.info.params]
        values[: len(settings)] = settings
        outputs.append(instance.render(noise(instance.info.inputs, samples), values, notes))
        instance.close()
    return outputs


def moving(host: str, identity: str, settings: NDArray[np.float64]) -> list[NDArray[np.float32]]:
    """Settings (p, n) that change with the block, and the same as one instance hears them."""
    opened = hosts.get(host)
    samples = settings.shape[1] * 512
    audio = noise(opened.info(identity).inputs, samples)
    whole = opened.open(identity, RATE).render(audio, settings)
    instance = opened.open(identity, RATE)
    parts = [
        instance.render(audio[:, 512 * i : 512 * (i + 1)], settings[:, i])
        for i in range(settings.shape[1])
    ]
    return [whole, np.concatenate(parts, axis=1)]


def of_every(host: str, identities: Sequence[str], seconds: float) -> dict[str, probe.Seen]:
    return {each: probe.look(host, each, RATE, seconds) for each in identities}


def repeats(host: str, identities: Sequence[str], seed: int | None) -> dict[str, float]:
    """The greatest difference between two fresh instances."""
    found = {}
    for identity in identities:
        outputs = []
        for _ in range(2):
            if seed is not None:
                probe.seed_libc(seed)
            note = [] if hosts.get(host).info(identity).inputs else [Note(0.0, 0.2)]
            outputs += render(host, identity, samples=RATE // 4, notes=note)
        found[identity] = float(np.abs(outputs[0].astype(np.float64) - outputs[1]).max())
    return found


def random_settings(plugin: str, ways: Sequence[str]) -> list[NDArray[np.float32]]:
    """One plug-in with the same random settings in several formats."""
    outputs = []
    for way in ways:
        host, identity = ZAM[way][0], ZAM[way][1].format(plugin)
        instance = hosts.get(host).open(identity, RATE)
        random = np.random.default_rng(7)
        values = [
            round(u) if p.kind == "switch" else p.minimum + u * (p.maximum - p.minimum)
            for p, u in zip(instance.info.params, random.random(64), strict=False)
        ]
        values = [
            v if p.kind == "continuous" else float(round(v))
            for p, v in zip(instance.info.params, values, strict=True)
        ]
        outputs.append(instance.render(noise(instance.info.inputs), values))
    return outputs


def in_threads(identities: Sequence[str]) -> list[float]:
    """Differences between instances in four threads at once and the same one by one."""
    host = hosts.get("lv2")
    serial = [render("lv2", each)[0] for each in identities]
    made = [host.open(each, RATE) for each in identities for _ in range(2)]

    def one(instance: object) -> NDArray[np.float32]:
        values = [param.default for param in instance.info.params]  # type: ignore[attr-defined]
        return instance.render(noise(2), values)  # type: ignore[attr-defined]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outputs = list(pool.map(one, made))
    wanted = [each for each in serial for _ in range(2)]
    return [float(np.abs(a - b).max()) for a, b in zip(outputs, wanted, strict=True)]


def modules() -> list[str]:
    """What the hosts import before a plug-in is opened."""
    for name in hosts.names():
        hosts.get(name).missing()
    return list(sys.modules)


def faust(path: str) -> tuple[object, list[float]]:
    instance = hosts.get("dawdreamer").open(path, RATE)
    audio = noise(instance.info.inputs)
    out = instance.render(audio, [0.25])
    return instance.info, [float(np.abs(out - 0.25 * audio).max())]
