"""Try a plug-in: what it is, whether it sounds, repeats, is late. Run these in `isolate`."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox import hosts
from dspcore.blackbox.plugin import Instance, Parameter, PluginInfo
from dspcore.errors import UserError, nearest
from dspcore.notes import Note

Status = Literal["ok", "silent", "non-finite", "no audio"]
Audio = NDArray[np.float32]

#: Noise that effects are tried with, rms at full scale 1.
LEVEL = 0.1

#: Below it an output is silence: -120 dBFS.
SILENCE = 1e-6

#: The impulse that shows how late an effect is: after the plug-in has settled.
IMPULSE_AT, IMPULSE, LISTEN = 8_192, 0.5, 32_768

#: Two renders are the same up to here, relative to the greater rms.
SAME = 1e-6


@dataclass(frozen=True)
class Seen:
    """What one render at the defaults shows."""

    info: PluginInfo
    status: Status
    rms: float
    peak: float


@dataclass(frozen=True)
class Audit:
    """How a plug-in behaves. Differences are maxima over samples; None: does not apply."""

    info: PluginInfo
    status: Status
    peak: float
    measured_latency: int | None = None  # where the answer to an impulse peaks, in samples
    repeats: float | None = None  # difference between two fresh instances
    repeats_seeded: float | None = None  # the same with libc's random numbers seeded
    keeps_state: float | None = None  # difference of a second render on the same instance
    block_sizes: dict[int, float] = field(default_factory=dict)  # difference to blocks of 512
    speed: float = 0.0  # seconds of audio for a second of CPU time
    open_seconds: float = 0.0  # for the second instance


def warm() -> None:
    """What every child needs: read once, in the keeper."""
    lv2 = hosts.get("lv2")
    if not lv2.missing():
        list(lv2.find())


def look(
    host: str, identity: str, sample_rate: int = 44_100, seconds: float = 1.0, block: int = 512
) -> Seen:
    """Open a plug-in, render noise or a C4 at its defaults; four times as long if it is silent."""
    instance = hosts.get(host).open(identity, sample_rate, block)
    info = instance.info
    if info.outputs == 0:
        return Seen(info, "no audio", 0.0, 0.0)
    out = _rendered(instance, _noise(info, sample_rate, seconds))
    if _status(out) == "silent":  # a delay may be longer than that
        out = _rendered(instance, _noise(info, sample_rate, 4 * seconds))
    return Seen(info, _status(out), _rms(out), _peak(out))


def audit(host: str, identity: str, sample_rate: int = 44_100, seconds: float = 2.0) -> Audit:
    """Everything that `Audit` names; renders about ten times `seconds`."""
    opened = hosts.get(host)
    seed_libc(0)
    first = opened.open(identity, sample_rate)
    info = first.info
    if info.outputs == 0:
        return Audit(info, "no audio", 0.0)
    audio = _noise(info, sample_rate, seconds)
    reference = _rendered(first, audio)
    if _status(reference) == "non-finite":
        return Audit(info, "non-finite", _peak(reference))
    begin = time.process_time()
    again = _rendered(first, audio)
    used = time.process_time() - begin
    first.close()
    begin = time.perf_counter()
    second = opened.open(identity, sample_rate)
    open_seconds = time.perf_counter() - begin
    fresh = _rendered(second, audio)
    second.close()
    return Audit(
        info=info,
        status=_status(reference),
        peak=_peak(reference),
        measured_latency=_latency(host, identity, sample_rate),
        repeats=_difference(fresh, reference),
        repeats_seeded=_difference(_seeded(host, identity, sample_rate, audio), reference),
        keeps_state=_difference(again, reference),
        block_sizes={
            block: _difference(_in_blocks(host, identity, sample_rate, audio, block), reference)
            for block in (64, 4_096)
        },
        speed=seconds / max(used, 1e-9),
        open_seconds=open_seconds,
    )


def describe(host: str, identity: str) -> PluginInfo:
    """What a plug-in is."""
    return hosts.get(host).info(identity)


def through(
    host: str,
    identity: str,
    given: Audio,
    notes: list[Note],
    settings: Sequence[str],
    sample_rate: int,
    block: int,
) -> Audio:
    """Audio (c, t) or notes through fresh instances, as many as a file's channels need.

    Args:
        host: Its name.
        identity: What it opens.
        given: Audio; (0, t) with notes.
        notes: For an instrument.
        settings: ``name=value`` each; the rest stays at the defaults.
        sample_rate: In Hz.
        block: In samples.
    """
    opened = hosts.get(host)
    instance = opened.open(identity, sample_rate, block)
    info = instance.info
    values = _values(info, settings)
    inputs, channels = info.inputs, given.shape[0]
    if inputs and not channels and not notes:
        raise UserError(f"{info.name}: is an effect; give it an audio file")
    if notes or inputs == channels:
        return instance.render(given, values, notes)
    if inputs == 0:
        raise UserError(f"{info.name}: is an instrument; leave the file out and give --note 60")
    if channels == 1:
        return instance.render(np.repeat(given, inputs, axis=0), values)
    if inputs == 1:
        rest = [opened.open(identity, sample_rate, block) for _ in range(channels - 1)]
        parts = [each.render(given[i : i + 1], values) for i, each in enumerate([instance, *rest])]
        return np.concatenate(parts)
    raise UserError(f"{info.name}: takes {inputs} channels, the file has {channels}")


def _values(info: PluginInfo, settings: Sequence[str]) -> list[float]:
    """The defaults with ``name=value`` put in; a value may be a choice's word."""
    values = {param.symbol: param.default for param in info.params}
    params = {param.symbol: param for param in info.params}
    for text in settings:
        name, mark, said = text.partition("=")
        if not mark:
            raise UserError(f"--set: wanted NAME=VALUE, got {text!r}")
        if name not in params:
            raise UserError(f"{info.name}: unknown parameter {name!r}; {nearest(name, params)}")
        values[name] = _value(info, params[name], said)
    return list(values.values())


def _value(info: PluginInfo, param: Parameter, said: str) -> float:
    words = dict(param.labels)
    if said in words:
        return words[said]
    try:
        value = float(said)
    except ValueError as error:
        hint = nearest(said, words) if words else "wanted a number"
        raise UserError(f"{info.name}: {param.symbol} cannot be {said!r}; {hint}") from error
    if not param.minimum <= value <= param.maximum:
        unit = f" {param.unit}" if param.unit else ""
        raise UserError(
            f"{info.name}: {param.symbol} must be {param.minimum:g} to {param.maximum:g}{unit}, "
            f"got {value:g}"
        )
    return value


def same(difference: float | None, scale: float) -> bool:
    """Whether a difference is none, against a signal whose peak is `scale`."""
    return difference is None or difference <= SAME * max(scale, SILENCE)


def seed_libc(seed: int) -> None:
    """Seed what C code draws random numbers from: rand, random, drand48."""
    libc = ctypes.CDLL(None)
    libc.srand(ctypes.c_uint(seed))
    libc.srandom(ctypes.c_uint(seed))
    libc.srand48(ctypes.c_long(seed))


def _rendered(instance: Instance, audio: Audio) -> Audio:
    notes = [Note(0.0, 0.5)] if instance.info.notes and not instance.info.inputs else []
    return instance.render(audio, [param.default for param in instance.info.params], notes)


def _seeded(host: str, identity: str, sample_rate: int, audio: Audio) -> Audio:
    seed_libc(0)
    return _in_blocks(host, identity, sample_rate, audio, 512)


def _in_blocks(host: str, identity: str, sample_rate: int, audio: Audio, block: int) -> Audio:
    instance = hosts.get(host).open(identity, sample_rate, block)
    out = _rendered(instance, audio)
    instance.close()
    return out


def _latency(host: str, identity: str, sample_rate: int) -> int | None:
    """Where the difference that an impulse makes is greatest; None where it makes none."""
    outputs = []
    for impulse in (0.0, IMPULSE):
        instance = hosts.get(host).open(identity, sample_rate)
        if not instance.info.inputs:
            return None
        audio = np.zeros((instance.info.inputs, IMPULSE_AT + LISTEN), np.float32)
        audio[:, IMPULSE_AT] = impulse
        seed_libc(0)
        outputs.append(_rendered(instance, audio).astype(np.float64))
        instance.close()
    made = np.abs(outputs[1] - outputs[0]).max(axis=0)
    if not np.isfinite(made).all() or made.max() < SILENCE:
        return None
    return int(made.argmax()) - IMPULSE_AT


def _noise(info: PluginInfo, sample_rate: int, seconds: float) -> Audio:
    samples = round(seconds * sample_rate)
    noise = np.random.default_rng(0).standard_normal((info.inputs, samples))
    return (LEVEL * noise).astype(np.float32)


def _status(out: Audio) -> Status:
    if not np.isfinite(out).all():
        return "non-finite"
    return "ok" if _peak(out) > SILENCE else "silent"


def _peak(out: Audio) -> float:
    return float(np.abs(out).max(initial=0.0))


def _rms(out: Audio) -> float:
    return float(np.sqrt(np.mean(np.square(out, dtype=np.float64)))) if out.size else 0.0


def _difference(a: Audio, b: Audio) -> float:
    return float(np.abs(a.astype(np.float64) - b).max(initial=0.0))
