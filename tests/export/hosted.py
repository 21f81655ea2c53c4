"""A plug-in in one of our hosts, changed in the middle or brought back; runs in a child process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cffi
import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox import hosts
from dspcore.blackbox.hosts import _library
from dspcore.blackbox.hosts.clap._declarations import CLAP
from dspcore.notes import Note

#: What is changed in the middle, by the plug-in's symbol.
CHANGES = {"delay_time_ms": 52.0, "compressor_ratio": 9.0, "parametric_eq_peak_2_hz": 1_500.0,
           "reverb_mix": 0.6}  # fmt: skip


def sound(samples: int, channels: int = 2) -> NDArray[np.float32]:
    """Noise whose level swings, so that a compressor has work."""
    noise = np.random.default_rng(1).standard_normal((channels, samples))
    swing = 0.55 + 0.45 * np.sin(np.arange(samples) * 2e-3)
    return (0.3 * noise * swing).astype(np.float32)


def rendered(
    host: str,
    identity: str,
    values: dict[str, float],
    samples: int,
    rate: int,
    size: int,
    change: int,
) -> Any:
    """What the host says of it, its latency, and the sound with `CHANGES` from a block on."""
    audio = sound(samples)
    instance = hosts.get(host).open(identity, rate, size)
    blocks = -(-audio.shape[1] // size)
    names = list(values)
    settings = np.array([[value] * blocks for value in values.values()])
    for symbol, value in CHANGES.items():
        settings[names.index(symbol), change:] = value
    out = instance.render(audio, settings)
    info, late = instance.info, instance.latency()
    instance.close()
    return info, late, out


def played(
    host: str,
    identity: str,
    values: dict[str, float],
    changed: dict[str, float],
    notes: Sequence[Note],
    samples: int,
    size: int,
    change: int,
) -> Any:
    """What the host says of an instrument, and its sound with `changed` from a block on."""
    instance = hosts.get(host).open(identity, 48_000, size)
    blocks = -(-samples // size)
    settings = np.array([[value] * blocks for value in values.values()])
    for symbol, value in changed.items():
        settings[list(values).index(symbol), change:] = value
    out = instance.render(np.zeros((0, samples), np.float32), settings, notes)
    info = instance.info
    instance.close()
    return info, out


def steady(
    host: str, identity: str, values: Sequence[float], samples: int, size: int, channels: int
) -> Any:
    """What the host says of it, and the sound at these values."""
    instance = hosts.get(host).open(identity, 48_000, size)
    info = instance.info
    out = instance.render(sound(samples, channels), np.array(values)[:, None])
    instance.close()
    return info, out


def restored(
    host: str, identity: str, values: dict[str, float], samples: int, size: int
) -> tuple[bytes, bytes, Any]:
    """The state of an instance with `values`, that of a fresh one that took it, and its sound."""
    one, other = (hosts.get(host).open(identity, 48_000, size) for _ in range(2))
    settings = np.array([[value] for value in values.values()])
    one.render(sound(size), settings)
    save, load = _STATES[host]
    state = save(one)
    load(other, state)
    other._set = other._values = lambda *_: []  # type: ignore[attr-defined]
    starts = np.array([[param.default] for param in other.info.params])
    out = other.render(sound(samples), starts)
    after = save(other)
    one.close()
    other.close()
    return state, after, out


def _vst3_saved(instance: Any) -> bytes:
    return bytes(instance._plugin.raw_state)


def _vst3_loaded(instance: Any, state: bytes) -> None:
    instance._plugin.raw_state = state


def _clap_states(instance: Any) -> tuple[Any, Any]:
    """cffi with CLAP's states, and the plug-in's."""
    ffi = cffi.FFI()
    ffi.include(_library.interface(CLAP))
    ffi.cdef("""
    typedef struct { void* own; int64_t (*write)(const void*, const void*, uint64_t); } ostream;
    typedef struct { void* own; int64_t (*read)(const void*, void*, uint64_t); } istream;
    typedef struct {
      bool (*save)(const clap_plugin*, const ostream*);
      bool (*load)(const clap_plugin*, const istream*);
    } clap_plugin_state;
    """)
    raw = instance._plugin.get_extension(instance._plugin, b"clap.state")
    assert raw, "the plug-in has no state"
    return ffi, ffi.cast("clap_plugin_state*", raw)


def _clap_saved(instance: Any) -> bytes:
    ffi, states = _clap_states(instance)
    kept = bytearray()

    @ffi.callback("int64_t(const void*, const void*, uint64_t)")  # type: ignore[untyped-decorator]
    def write(_: Any, data: Any, size: int) -> int:
        kept.extend(ffi.buffer(data, size))
        return size

    assert states.save(instance._plugin, ffi.new("ostream*", [ffi.NULL, write]))
    return bytes(kept)


def _clap_loaded(instance: Any, state: bytes) -> None:
    ffi, states = _clap_states(instance)
    left = bytearray(state)

    @ffi.callback("int64_t(const void*, void*, uint64_t)")  # type: ignore[untyped-decorator]
    def read(_: Any, data: Any, size: int) -> int:
        part = bytes(left[:size])
        del left[:size]
        ffi.memmove(data, part, len(part))
        return len(part)

    assert states.load(instance._plugin, ffi.new("istream*", [ffi.NULL, read]))


#: How a host asks a plug-in for its state and gives it back.
_STATES: dict[str, tuple[Callable[[Any], bytes], Callable[[Any, bytes], None]]] = {
    "pedalboard": (_vst3_saved, _vst3_loaded),
    "clap": (_clap_saved, _clap_loaded),
}
