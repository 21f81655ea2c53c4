"""From a plug-in's name to an effect."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from dspcore.blackbox.box import Box, Failures
from dspcore.blackbox.cache import Stamp
from dspcore.blackbox.effect import BlackBox, effect_class
from dspcore.blackbox.estimators import AudioEstimator, Differences, Estimator, named
from dspcore.blackbox.find import resolve
from dspcore.blackbox.hosts.function import FunctionPlugin
from dspcore.blackbox.job import MODES, Mode
from dspcore.blackbox.plugin import PluginInfo
from dspcore.blackbox.pool import Pool, describe, shared_pool
from dspcore.blackbox.synth import Instrument
from dspcore.errors import UserError, nearest


def load(
    plugin: str | FunctionPlugin,
    *,
    sample_rate: int = 48_000,
    host: str | None = None,
    estimator: str | Estimator = "auto",
    audio_gradient: str | AudioEstimator | None = "auto",
    mode: Mode = "fresh",
    workers: int | None = None,
    pool: Pool | None = None,
    block: int = 512,
    seed: int = 0,
    failures: Failures = "raise",
    cached: bool = True,
    **values: float | str,
) -> BlackBox:
    """A plug-in as an effect, or as an instrument.

    Args:
        plugin: A name ("mda:Overdrive"), a path, a URI, ``function:module:name``, or a declared
            function.
        sample_rate: Of the audio, in Hz.
        host: The host that opens it, with `plugin` as its identity; found out when left out.
        estimator: Of the parameters' gradient: an object, the name of one, or "auto":
            `Differences()` (see bench/BLACKBOX.md) until `calibrate` finds that fewer renders do.
        audio_gradient: Of the gradient at the input: an object, a name, "auto" to try which suits,
            None for none.
        mode: "fresh": every evaluation by a new instance; "fork": by a copy of one that has heard
            nothing, for what a new instance does not reset; "persistent": by one that goes on.
        workers: Processes; one for each core when left out.
        pool: Workers of your own, with other deadlines and limits.
        block: Samples that the plug-in gets at a time.
        seed: Of its own random numbers.
        failures: "raise", or "skip" to go on with silence and no gradient where it fails.
        cached: Whether evaluations without a gradient may come from the pool's cache.
        values: Its parameters, in its own units.

    Raises:
        UserError: There is no such plug-in, or it cannot be loaded; says why and what to do.
        PluginError: It crashes or hangs while it is loaded.
    """
    if mode not in MODES:
        raise UserError(f"blackbox: mode {mode!r} is unknown; {nearest(mode, MODES)}")
    if failures not in ("raise", "skip"):
        raise UserError(f"blackbox: failures must be 'raise' or 'skip', got {failures!r}")
    if block < 1:
        raise UserError(f"blackbox: block must be at least 1 sample, got {block}")
    source, host, identity = _resolved(plugin, host)
    info, stamp = described(host, identity, int(sample_rate), block)
    if info.outputs < 1:
        raise UserError(f"{source}: has no audio output, so there is nothing to learn from it")
    pool = pool or shared_pool(workers)
    pool.stamps[host, identity] = stamp
    box = Box(
        source,
        info,
        pool,
        estimator=Differences() if estimator == "auto" else named(estimator),
        audio="auto" if audio_gradient == "auto" else named(audio_gradient),
        mode=mode,
        block=block,
        seed=seed,
        failures=failures,
        cached=cached and mode != "persistent",
        picks=estimator == "auto",
    )
    title = info.name if host == "function" else source.rpartition(":")[2].rpartition("/")[2]
    kind = effect_class(box, title, Instrument if info.inputs == 0 else BlackBox)
    return kind(sample_rate, **values)


def load_class(
    plugin: str | FunctionPlugin, sample_rate: int = 48_000, **options: Any
) -> type[BlackBox]:
    """The class of what `load` gives, with the same options."""
    return type(load(plugin, sample_rate=sample_rate, **options))


def _resolved(plugin: str | FunctionPlugin, host: str | None) -> tuple[str, str, str]:
    """What presets write, the host and the identity."""
    if isinstance(plugin, FunctionPlugin):
        return f"function:{plugin.info.identity}", "function", plugin.info.identity
    if not isinstance(plugin, str):
        raise UserError(
            f"blackbox: wanted a plug-in's name or a declared function, got {plugin!r}; declare "
            "one with @blackbox.function(...)"
        )
    if host is not None:
        return f"{host}:{plugin}", host, plugin
    name, identity = resolve(plugin)
    place, _, member = identity.rpartition(":")
    if name == "function" and place.endswith(".py"):  # workers may have begun in another folder
        identity = f"{Path(place).resolve()}:{member}"
    return plugin, name, identity


@lru_cache(maxsize=256)
def described(host: str, identity: str, sample_rate: int, block: int) -> tuple[PluginInfo, Stamp]:
    """What a plug-in is, with its latency as it says it once it runs, and what it consists of."""
    info, latency, stamp = describe(host, identity, sample_rate, block)
    if latency and latency != info.latency:
        info = replace(info, latency=latency)
    return info, stamp
