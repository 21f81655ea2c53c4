"""The last look before plug-ins are made: does what was compiled sound as the chain?"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import torch

from dspcore.errors import UserError
from dspcore.rack import Rack

#: How near the compiled chain must be to the Python chain in float64, in dB below the peak.
LIMIT_DB = -110.0
_BLOCKS = (300, 700, 1, 999)  # samples; the parameters change after the second


def check(rack: Rack, library: Path, channels: int) -> None:
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
    chain = lib.dspcore_create(float(rack.sample_rate))
    if not chain:
        raise UserError(f"export: the compiled chain does not play at {rack.sample_rate} Hz")
    generator = torch.Generator().manual_seed(0)
    p = rack.normalize() + 0.2 * (0.5 - rack.normalize())  # towards the middle of every range
    after = {name: float(v) for name, v in rack.denormalize(p).items()}
    stream = rack.stream()
    worst = peak = 0.0
    for i, samples in enumerate(_BLOCKS):
        audio = 0.2 * torch.randn(channels, samples, generator=generator)
        changed = after if i > 1 else {}
        for index, value in enumerate(changed.values()):
            lib.dspcore_set(chain, index, value)
        with torch.no_grad():
            wanted = stream(audio[None].double(), **changed)[0].numpy()
        out = np.zeros((len(wanted), samples), np.float32)
        heard = (ctypes.c_void_p * channels)(*[row.data_ptr() for row in audio])
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
