"""The face of every instrument, ours and plug-ins: notes in, sound out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from dspcore.effects.effect import Effect, check_unit, spread
from dspcore.effects.stream import GLIDE_MS, Stream, Value
from dspcore.notes import Note, Notes, check_note, rows_of


class Synth(Effect):
    """Base of instruments: ``sound = synth(notes, seconds, cutoff_hz=800.0)``, (b, c, t).

    A subclass declares its parameters as an effect does and writes `play`. The sound has the type
    and the device of the module: float32 unless it was told ``synth.double()``.
    """

    instrument: ClassVar[bool] = True
    #: Channels of the sound.
    outputs: ClassVar[int] = 1

    def __init__(self, sample_rate: int = 48_000, **values: float | str) -> None:
        super().__init__(sample_rate, **values)
        self.register_buffer("_like", torch.zeros(0), persistent=False)
        self._like: Tensor

    # What a subclass writes.

    def play(self, rows: list[tuple[Note, ...]], samples: int, params: dict[str, Tensor]) -> Tensor:
        """The first `samples` of what is heard, (b, c, t).

        Args:
            rows: The notes of each item.
            samples: How many.
            params: Every `Param` in physical units, float64, constant (b, 1) or moving (b, t).
        """
        raise NotImplementedError(f"{self.name}: an instrument must define play()")

    # What everyone uses.

    def forward(self, notes: Notes, seconds: float, **params: Value) -> Tensor:  # type: ignore[override]
        """Play.

        Args:
            notes: The same for each item, or a list of lists, one for each. None at all is silence.
            seconds: How long to listen, from 0 s on.
            params: As an effect's: physical units; a float, (), (b,) or (b, f).

        Returns:
            (b, outputs, t).

        Raises:
            TypeError, ValueError: notes that are none, a pitch or velocity that MIDI does not know,
                batches that do not go together; parameters as for an effect.
        """
        self._check_params(params)
        return self._played(rows_of(notes, self.name), seconds, params)

    def normalized(self, notes: Notes, seconds: float, p: Tensor) -> Tensor:  # type: ignore[override]
        """Play with parameters (b, num_params) or (b, num_params, f) in [0, 1]."""
        check_unit(p, self.num_params, self.name)
        return self._played(rows_of(notes, self.name), seconds, self.denormalize(p))

    def stream(self, notes: Notes = (), glide_ms: float = GLIDE_MS) -> NoteStream:  # type: ignore[override]
        """Open a `NoteStream`, to play block after block: ``y = stream(480)``."""
        return NoteStream(self, notes, glide_ms)

    def tail_seconds(self) -> float:
        """An instrument does not ring after an input: it has none."""
        return 0.0

    def _played(
        self, rows: list[tuple[Note, ...]], seconds: float, params: Mapping[str, Value]
    ) -> Tensor:
        samples, rows = self._sized(rows, seconds, sizes_of(params))
        return self.play(rows, samples, self._spread(params, len(rows), samples))

    def _spread(self, params: Mapping[str, Value], batch: int, samples: int) -> dict[str, Tensor]:
        """Every parameter, given or the own, as `play` wants it: (b, 1) or (b, t)."""
        settings = {name: params.get(name, self.values[name]) for name in self.params}
        numbers = {n: float(v) for n, v in settings.items() if not isinstance(v, Tensor)}
        # Numbers become tensors together: a stream of small blocks pays by the call.
        row = self._like.new_tensor([list(numbers.values())], dtype=torch.float64)
        ready = dict(zip(numbers, row.expand(batch, -1).split(1, 1), strict=False))
        frame = self._like.new_zeros(1, 1, 1).expand(batch, 1, samples)
        moved = {n: spread(v, frame) for n, v in settings.items() if isinstance(v, Tensor)}
        return {name: moved[name] if name in moved else ready[name] for name in settings}

    def _sized(
        self, rows: list[tuple[Note, ...]], seconds: float, sizes: set[int]
    ) -> tuple[int, list[tuple[Note, ...]]]:
        """Samples, and the notes of each item of the batch, checked."""
        batch = max([len(rows), *sizes])
        wrong = [size for size in (len(rows), *sizes) if size not in (1, batch)]
        if wrong:
            raise ValueError(f"{self.name}: batches of {batch} and {wrong[0]} do not go together")
        if not 0 < seconds < 1e6:
            raise ValueError(f"{self.name}: seconds must be above 0, got {seconds}")
        for note in {note for row in rows for note in row}:
            check_note(note, self.name)
        samples = max(1, round(seconds * self.sample_rate))
        return samples, rows * batch if len(rows) == 1 else rows

    def step(self, audio: Tensor, state: Any = None, **params: Value) -> tuple[Tensor, Any]:
        """What `NoteStream` drives."""
        raise TypeError(f"{self.name}: is an instrument and takes notes, not audio")

    def _run(self, *arguments: Any) -> Any:
        raise TypeError(f"{self.name}: is an instrument and takes notes, not audio")


class NoteStream:
    """Plays an instrument block after block, with the sound of one long block.

    Settings may change with every block and glide as in `Stream`. Notes may be added while it
    plays; those that should have begun before begin with the next block.

    Args:
        synth: What to play, an instrument of ours.
        notes: Their starts count from the beginning of the stream.
        glide_ms: How long a parameter takes to a new constant value; 0 lets it jump.
    """

    def __init__(self, synth: Synth, notes: Notes = (), glide_ms: float = GLIDE_MS) -> None:
        self.synth, self.rows = synth, rows_of(notes, synth.name)
        self._stream = Stream(synth, glide_ms)
        self.reset()

    def reset(self) -> None:
        """Begin again."""
        self._stream.reset()
        self._stream.state = {"at": 0, "waiting": self.rows, "groups": []}

    def detach(self) -> None:
        """Cut the gradient between what came and what comes."""
        self._stream.detach()

    def add(self, notes: Sequence[Note]) -> None:
        """Play these too, in every item of the batch; their starts count from the beginning."""
        more = rows_of(notes, self.synth.name)
        if len(more) > 1:
            raise ValueError(f"{self.synth.name}: add() takes one list of notes for all items")
        waiting = [(*row, *more[0]) for row in self._stream.state["waiting"]]
        self._stream.state = {**self._stream.state, "waiting": waiting}

    def __call__(self, samples: int, **params: Value) -> Tensor:
        """The next `samples`, (b, c, samples)."""
        if samples < 1:
            raise ValueError(f"{self.synth.name}: wanted 1 sample or more, got {samples}")
        return self._stream(torch.zeros(1, 0, samples), **params)


def sizes_of(params: Mapping[str, Value]) -> set[int]:
    """The batch sizes of what has one."""
    return {v.shape[0] for v in params.values() if isinstance(v, Tensor) and v.ndim}
