"""The last look before plug-ins are made: does what was compiled sound as the chain?"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dspcore.errors import UserError
from dspcore.notes import Note
from dspcore.rack import Rack
from dspcore.synth import VoiceSynth

#: How near the compiled chain must be to the Python chain in float64, in dB below the peak.
LIMIT_DB = -110.0
_BLOCKS = (300, 700, 1, 999)  # samples; the parameters change after the second
#: Notes: pitch, the block before which the key goes down, and the one before which it goes up.
_NOTES = ((57, 0, 2), (64, 1, 3), (60, 3, 9))
Notes = Sequence[tuple[int, int, int]]
Play = Callable[[int, Mapping[str, float]], tuple[Tensor, NDArray[np.float64]]]


def check(rack: Rack | VoiceSynth, library: Path, channels: int, voices: int) -> None:
    """Play a little noise through both, parameters changing on the way.

    Raises:
        UserError: They differ: a fault of dspcore, of which no plug-in should be made.
    """
    lib = ctypes.CDLL(str(library))
    lib.dspcore_create.restype = ctypes.c_void_p
    lib.dspcore_create.argtypes = [ctypes.c_double]
    lib.dspcore_destroy.argtypes = [ctypes.c_void_p]
    lib.dspcore_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_double]
    lib.dspcore_process.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64]
    lib.dspcore_note_on.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    lib.dspcore_note_off.argtypes = [ctypes.c_void_p, ctypes.c_int]
    chain = lib.dspcore_create(float(rack.sample_rate))
    if not chain:
        raise UserError(f"export: the compiled chain does not play at {rack.sample_rate} Hz")
    generator = torch.Generator().manual_seed(0)
    p = rack.normalize()  # and all move: towards the middle of the range, or off it
    p = p + torch.where((p - 0.5).abs() < 0.1, 0.1, 0.2 * (0.5 - p))
    after = {name: float(v) for name, v in rack.denormalize(p).items()}
    notes: Notes = ()
    if isinstance(rack, VoiceSynth):
        notes = _NOTES[:voices]
        play = _played(rack, notes)
    else:
        play = _sound(rack, channels, generator)
    worst = peak = 0.0
    for i, samples in enumerate(_BLOCKS):
        changed = after if i > 1 else {}
        for index, value in enumerate(changed.values()):
            lib.dspcore_set(chain, index, value)
        for pitch, down, up in notes:
            if i == down:
                lib.dspcore_note_on(chain, pitch, 90)
            if i == up:
                lib.dspcore_note_off(chain, pitch)
        audio, wanted = play(samples, changed)
        out = np.zeros((max(len(wanted), lib.dspcore_outputs()), samples), np.float32)
        heard = (ctypes.c_void_p * (len(audio) + 1))(*[row.data_ptr() for row in audio])
        made = (ctypes.c_void_p * len(out))(*[row.ctypes.data for row in out])
        lib.dspcore_process(chain, heard, made, samples)
        worst = max(worst, float(np.abs(out - wanted).max()))
        peak = max(peak, float(np.abs(wanted).max()))
    lib.dspcore_destroy(chain)
    if not worst <= 10 ** (LIMIT_DB / 20) * max(peak, 1e-3):
        raise UserError(
            f"export: the compiled chain differs from the chain by {worst:.3g} of {peak:.3g}; "
            "nothing was built. This is a fault of dspcore: please report it with the preset"
        )


def _sound(rack: Rack, channels: int, generator: torch.Generator) -> Play:
    """Noise into the chain in Python: rows of all inputs, and what comes out."""
    stream = rack.stream()

    def play(samples: int, changed: Mapping[str, float]) -> tuple[Tensor, NDArray[np.float64]]:
        audio = 0.2 * torch.randn(channels * (1 + len(rack.inputs)), samples, generator=generator)
        main, *further = audio[None].double().split(channels, 1)
        inputs = dict(zip(rack.inputs, further, strict=True))
        with torch.no_grad():
            return audio, stream(main, **inputs, **changed)[0].numpy()

    return play


def _played(synth: VoiceSynth, notes: Notes) -> Play:
    """The instrument in Python: no rows of input, and what comes out."""
    starts = [sum(_BLOCKS[:i]) / synth.sample_rate for i in range(len(_BLOCKS))]
    ends = dict(enumerate(starts))
    timed = [Note(starts[a], ends.get(z, 9.0) - starts[a], pitch, 90) for pitch, a, z in notes]
    exact: Any = synth.with_values()
    stream = exact.double().stream(timed)

    def play(samples: int, changed: Mapping[str, float]) -> tuple[Tensor, NDArray[np.float64]]:
        with torch.no_grad():
            return torch.zeros(0, samples), stream(samples, **changed)[0].numpy()

    return play
