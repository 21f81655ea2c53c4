"""Polyphony: notes that begin together are voices computed together, and all voices are added."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from dspcore.effects.stream import Value
from dspcore.notes import Note
from dspcore.synth.synth import Synth, sizes_of

#: Samples that are computed at a time where no gradient is wanted.
_BLOCK = 4096


@dataclass(frozen=True)
class Voices:
    """Notes that begin together, v of them."""

    pitch: Tensor  # MIDI number, (v, 1) float64
    velocity: Tensor  # 0 to 1, (v, 1) float64
    gate: Tensor  # samples that the key is held, (v, 1) float64
    number: Tensor  # of the note, for its noise, (v, 1) float64
    age: int  # samples since they began

    @property
    def hz(self) -> Tensor:
        """Frequency in equal temperament, A4 at 440 Hz, (v, 1)."""
        return 440.0 * 2 ** ((self.pitch - 69) / 12)


class VoiceSynth(Synth):
    """Base of polyphonic instruments: a subclass writes one voice, `voice`, and how long it rings.

    There are as many voices as notes sound. A voice begins at the sample nearest to its note, and
    is heard until its release has ended. Parameters named in `held` keep the value that they had
    when the note began; the others move while it sounds.
    """

    held: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def voice(
        self, notes: Voices, samples: int, params: dict[str, Tensor], state: Any
    ) -> tuple[Tensor, Any]:
        """The next samples of voices.

        Args:
            notes: The notes, v of them, and how old they are.
            samples: How many, t.
            params: Every `Param`, float64, constant (v, 1) or moving (v, t).
            state: None at first, then what the last call returned: tensors in tuples and dicts.

        Returns:
            The sound, (v, c, t), silent `release_seconds` after the key was let go; and the state.
        """

    @abstractmethod
    def release_seconds(self, params: dict[str, Tensor]) -> Tensor:
        """How long the voices ring after the key is let go, (v, 1)."""

    def play(self, rows: list[tuple[Note, ...]], samples: int, params: dict[str, Tensor]) -> Tensor:
        """Add the voices."""
        state: dict[str, Any] = {"at": 0, "waiting": rows, "groups": []}
        if torch.is_grad_enabled():
            return self._advance(state, samples, params)[0]
        parts = []  # what voices compute on the way then stays in the cache
        for begin in range(0, samples, _BLOCK):
            now = slice(begin, min(begin + _BLOCK, samples))
            local = {n: v if v.shape[1] == 1 else v[:, now] for n, v in params.items()}
            part, state = self._advance(state, now.stop - begin, local)
            parts.append(part)
        return torch.cat(parts, 2)

    def step(self, audio: Tensor, state: Any = None, **params: Value) -> tuple[Tensor, Any]:
        """Go on from a state, for as many samples as `audio`, (1, 0, t), has: see `NoteStream`."""
        if audio.ndim != 3 or audio.shape[1]:
            raise TypeError(f"{self.name}: is an instrument and takes notes, not audio")
        self._check_params(params)
        state = state or {"at": 0, "waiting": [()], "groups": []}
        rows, samples = state["waiting"], audio.shape[2]
        rows = self._sized(rows, 1.0, sizes_of(params))[1]
        ready = self._spread(params, len(rows), samples)
        return self._advance({**state, "waiting": rows}, samples, ready)

    def _advance(
        self, state: dict[str, Any], samples: int, params: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Any]]:
        """The next samples of all that sounds and begins, and the state after them."""
        at, rows = state["at"], state["waiting"]
        begin: dict[int, list[tuple[int, Note]]] = {}
        waiting: list[tuple[Note, ...]] = []
        for item, row in enumerate(rows):
            waiting.append(())
            for note in row:
                place = max(0, round(note.start * self.sample_rate) - at)
                if place < samples:
                    begin.setdefault(place, []).append((item, note))
                else:
                    waiting[-1] += (note,)
        groups = [(0, group) for group in state["groups"]]
        for place, notes in sorted(begin.items()):
            groups.append((place, self._begun(notes, at + place, params, place)))
        out = self._like.new_zeros(len(rows), self.outputs, samples)
        after = []
        for place, group in groups:
            n = min(samples - place, group["length"] - group["age"])
            now = slice(place, place + n)
            local = _picked(params, group["item"], now)
            pitch, velocity, gate, number = group["notes"]
            voices = Voices(pitch, velocity, gate, number, group["age"])
            made, voice_state = self.voice(voices, n, {**local, **group["held"]}, group["state"])
            out[:, :, now] = out[:, :, now].index_add(0, group["item"], made)
            if group["age"] + n < group["length"]:
                after.append({**group, "age": group["age"] + n, "state": voice_state})
        return out, {"at": at + samples, "waiting": waiting, "groups": after}

    def _begun(
        self, notes: list[tuple[int, Note]], start: int, params: dict[str, Tensor], place: int
    ) -> dict[str, Any]:
        """Voices that begin at sample `start`, which is at `place` in the moving parameters."""
        item = torch.tensor([index for index, _ in notes], device=self._like.device)
        rate = self.sample_rate

        def column(values: list[float]) -> Tensor:
            return self._like.new_tensor(values, dtype=torch.float64)[:, None]

        first = _picked(params, item, slice(place, place + 1))
        gate = column([max(1, round(note.seconds * rate)) for _, note in notes])
        ring = (self.release_seconds(first).detach() * rate).ceil()
        # Alike in every split into blocks, and for every item of a batch.
        number = column([start * 128 + note.pitch for _, note in notes])
        return {
            "notes": (
                column([note.pitch for _, note in notes]),
                column([note.velocity / 127 for _, note in notes]),
                gate,
                number,
            ),
            "item": item,
            "held": {name: first[name] for name in self.held},
            "length": int((gate + ring).max()),
            "age": 0,
            "state": None,
        }


def _picked(params: dict[str, Tensor], item: Tensor, now: slice) -> dict[str, Tensor]:
    """The parameters of some items, (v, 1), or (v, n) now where they move."""
    still = {name: value for name, value in params.items() if value.shape[1] == 1}
    moving = {name: value[item, now] for name, value in params.items() if name not in still}
    if still:  # all at once: a stream of small blocks pays by the call
        together = torch.cat(list(still.values()), 1)[item].split(1, 1)
        still = dict(zip(still, together, strict=True))
    return {name: still[name] if name in still else moving[name] for name in params}


def decibels(gain_db: Tensor) -> Tensor:
    """A linear gain of one in dB."""
    return torch.exp(gain_db * (math.log(10) / 20))
