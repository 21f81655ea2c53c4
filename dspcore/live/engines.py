"""What computes the blocks: the chain compiled to C++, or the chain in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from dspcore.export.compiled import native
from dspcore.export.source import Progress
from dspcore.rack import Rack

Block = NDArray[np.float32]


class Engine(Protocol):
    """A chain that plays; `set` is called from another thread than `process`."""

    def set(self, values: Mapping[str, float]) -> None:
        """Parameters by full name; they glide there."""

    def process(self, audio: Block) -> Block:
        """The next block, (c, t) to (c, t)."""


class Compiled:
    """The chain as a C library, which is compiled where it is not kept yet."""

    def __init__(self, rack: Rack, channels: int, progress: Progress) -> None:
        self._library = native(rack, channels=channels, progress=progress)
        self._symbols = dict(zip(rack.params, self._library.names, strict=True))

    def set(self, values: Mapping[str, float]) -> None:
        """Parameters by full name."""
        self._library.set(**{self._symbols[name]: value for name, value in values.items()})

    def process(self, audio: Block) -> Block:
        """The next block."""
        return self._library.process(audio)


class Interpreted:
    """The chain in Python."""

    def __init__(self, rack: Rack, channels: int, progress: Progress) -> None:
        self._stream = rack.stream()
        self._values = dict(rack.values)

    def set(self, values: Mapping[str, float]) -> None:
        """Parameters by full name."""
        self._values = {**self._values, **values}

    def process(self, audio: Block) -> Block:
        """The next block."""
        with torch.inference_mode():
            made = self._stream(torch.from_numpy(audio)[None], **self._values)
        return made[0].numpy()


#: By the name that the command line has for them.
ENGINES: dict[str, Callable[[Rack, int, Progress], Engine]] = {
    "native": Compiled,
    "python": Interpreted,
}
