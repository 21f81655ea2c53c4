"""A chain that plays while it is being changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from dspcore.errors import UserError, nearest
from dspcore.export.compiled import structure
from dspcore.export.source import Progress
from dspcore.live.engines import ENGINES, Block, Engine
from dspcore.live.load import Load
from dspcore.rack import Rack

_FADE_SECONDS = 0.03


@dataclass
class _Playing:
    """An engine, and how many samples of the fade into it have passed."""

    engine: Engine
    faded: int


class Player:
    """Plays blocks through a chain; another chain may take its place with a short fade.

    Args:
        rack: The chain or graph, at the rate of the device.
        channels: Of the sound in, 1 or 2.
        loop: A sound (c, t) to play again and again; without one, `process` is given the input.
        engine: "native" or "python".
        progress: Told what is being done.
    """

    def __init__(
        self,
        rack: Rack,
        *,
        channels: int = 2,
        loop: torch.Tensor | None = None,
        engine: str = "native",
        progress: Progress = lambda _: None,
    ) -> None:
        if engine not in ENGINES:
            raise UserError(f"live: unknown engine {engine!r}; {nearest(engine, ENGINES)}")
        if rack.inputs:
            raise UserError(
                f"live: there is no device for the graph's further inputs: {', '.join(rack.inputs)}"
            )
        self.rack, self.channels, self.engine = rack, channels, engine
        self.load = Load(rack.sample_rate)
        self.bypassed = False
        self.peak = 0.0
        self._progress = progress
        self._loop = None if loop is None else np.ascontiguousarray(loop.numpy(), np.float32)
        self._at = 0
        self._fade = max(1, round(_FADE_SECONDS * rack.sample_rate))
        self._now = _Playing(self._made(rack), self._fade)
        self._before: Engine | None = None
        self._next: Engine | None = None

    def _made(self, rack: Rack) -> Engine:
        made = ENGINES[self.engine](rack, self.channels, self._progress)
        made.process(np.zeros((self.channels, 1), np.float32))  # what is slow once is slow now
        return made

    # From any thread.

    def change(self, values: Mapping[str, float | str]) -> None:
        """Set parameters and choices by full name; numbers glide, words take a new engine.

        Raises:
            UserError, ValueError, TypeError: an unknown name or a value out of range; nothing is
                changed then.
        """
        self.replace(self.rack.with_values(values))

    def replace(self, rack: Rack) -> None:
        """Play `rack`: where only values are others they glide, else it fades in."""
        if rack.sample_rate != self.rack.sample_rate:
            rack = rack.at_rate(self.rack.sample_rate)
        if structure(rack) == structure(self.rack):
            (self._next or self._now.engine).set(rack.values)
        else:
            self._next = self._made(rack)
        self.rack = rack

    # From the audio thread.

    def process(self, audio: Block | None, samples: int) -> Block:
        """The next block out, (2, t): of `audio` (c, t), or of the loop."""
        with self.load.block(samples):
            heard = self._heard(audio, samples)
            made = _wide(heard if self.bypassed else self._played(heard))
            self.peak = max(self.peak, float(np.abs(made).max()))
            return np.clip(made, -1.0, 1.0, dtype=np.float32)

    def _heard(self, audio: Block | None, samples: int) -> Block:
        if self._loop is not None:
            places = np.arange(self._at, self._at + samples) % self._loop.shape[1]
            self._at = int(places[-1]) + 1
            audio = self._loop[:, places]
        if audio is None:
            audio = np.zeros((self.channels, samples), np.float32)
        return audio if audio.shape[0] == self.channels else _fitted(audio, self.channels)

    def _played(self, heard: Block) -> Block:
        if self._next is not None:
            self._before, self._now, self._next = self._now.engine, _Playing(self._next, 0), None
        made = self._now.engine.process(heard)
        if self._before is not None:
            old = self._before.process(heard)
            place = np.arange(self._now.faded + 1, self._now.faded + 1 + heard.shape[1])
            share = np.minimum(place / self._fade, 1.0).astype(np.float32)
            made = share * _wide(made) + (1 - share) * _wide(old)
            self._now.faded += heard.shape[1]
            if self._now.faded >= self._fade:
                self._before = None
        return made


def _wide(audio: Block) -> Block:
    return np.repeat(audio, 2, 0) if audio.shape[0] == 1 else audio


def _fitted(audio: Block, channels: int) -> Block:
    """One channel of two is their mean; two of one are the same."""
    if channels == 1:
        return audio.mean(0, keepdims=True, dtype=np.float32)
    return _wide(audio[:2])
