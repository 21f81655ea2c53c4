"""An exported C library, used from Python by cffi: what dspcore.h says and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspcore.errors import UserError
from dspcore.export.build import sources


class Library:
    """A chain of a library that `export` built with the format ``c``.

    Args:
        path: Of the library.
        sample_rate: Of the audio, in Hz.

    Raises:
        UserError: cffi is missing, or the library does not play at this rate.
    """

    def __init__(self, path: Path, sample_rate: float) -> None:
        try:
            import cffi
        except ImportError as error:
            raise UserError(
                "Library: needs cffi; install it: pip install 'dspcore[plugins]'"
            ) from error
        header = (sources() / "bindings" / "dspcore.h").read_text(encoding="utf-8")
        text = re.sub(r'extern "C" \{|^#.*$', "", header, flags=re.MULTILINE)
        self.ffi = cffi.FFI()
        self.ffi.cdef(text.rpartition("}")[0] if text.count("{") < text.count("}") else text)
        self.lib: Any = self.ffi.dlopen(str(path))
        made = self.lib.dspcore_create(sample_rate)
        if not made:
            raise UserError(f"{path}: does not play at {sample_rate} Hz")
        self.chain = self.ffi.gc(made, self.lib.dspcore_destroy)
        self.rows = self.lib.dspcore_inputs()
        self.names = [
            self.ffi.string(self.lib.dspcore_describe(i).symbol).decode()
            for i in range(self.lib.dspcore_parameters())
        ]

    def set(self, **values: float) -> None:
        """Parameters by symbol."""
        for symbol, value in values.items():
            self.lib.dspcore_set(self.chain, self.names.index(symbol), value)

    def process(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """One block, (c, t): the channels of the input and after them those of side-chains."""
        audio = np.ascontiguousarray(audio, np.float32)
        if audio.ndim != 2 or audio.shape[0] != self.rows:
            raise ValueError(f"Library: audio must be ({self.rows}, t), got {audio.shape}")
        out = np.empty((self.lib.dspcore_outputs(), audio.shape[1]), np.float32)
        heard = [self.ffi.cast("const float*", row.ctypes.data) for row in audio]
        made = [self.ffi.cast("float*", row.ctypes.data) for row in out]
        self.lib.dspcore_process(
            self.chain,
            self.ffi.new("const float*[]", heard),
            self.ffi.new("float*[]", made),
            audio.shape[1],
        )
        return out

    def blocks(self, audio: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """A whole signal in blocks."""
        parts = [self.process(audio[:, i : i + size]) for i in range(0, audio.shape[1], size)]
        return np.concatenate(parts, 1)

    def loop(self, audio: NDArray[np.float32], size: int) -> None:
        """The same, contiguous, for its cost alone: nothing is kept and little is Python's."""
        outputs, samples = self.lib.dspcore_outputs(), audio.shape[1]
        out = np.empty((outputs, size), np.float32)
        made = self.ffi.new("float*[]", [self.ffi.cast("float*", r.ctypes.data) for r in out])
        heard = self.ffi.new("const float*[]", len(audio))
        rows = [self.ffi.cast("const float*", row.ctypes.data) for row in audio]
        for start in range(0, samples - size + 1, size):
            for i, row in enumerate(rows):
                heard[i] = row + start
            self.lib.dspcore_process(self.chain, heard, made, size)

    def note_on(self, pitch: int, velocity: int) -> None:
        """A key of an instrument goes down at the next sample, as MIDI numbers it."""
        self.lib.dspcore_note_on(self.chain, pitch, velocity)

    def note_off(self, pitch: int) -> None:
        """It goes up."""
        self.lib.dspcore_note_off(self.chain, pitch)

    def save(self) -> bytes:
        """The state."""
        state = self.ffi.new("char[]", self.lib.dspcore_state_size(self.chain))
        self.lib.dspcore_save(self.chain, state)
        return bytes(self.ffi.buffer(state))

    def load(self, state: bytes) -> bool:
        """Go on from a state."""
        return bool(self.lib.dspcore_load(self.chain, state, len(state)))
