"""Effects in series, with the face of one effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from typing import Any, overload

from torch import Tensor, nn

from dspcore.effects import Effect
from dspcore.rack import Part, Rack, Trace, numbered


class Chain(Rack, MutableSequence[Effect]):
    """Effects one after the other; a module and a list, with the parameters of all of them.

    A parameter's name is ``"compressor.threshold_db"``, that of a second compressor
    ``"compressor_2.threshold_db"``. Wherever an `Effect` takes parameters by name, a chain takes
    them by these: ``chain(audio, **{"gain.gain_db": -6})``.

    Args:
        effects: In the order the sound passes them, all at the same sample rate.
    """

    name = "chain"

    def __init__(self, effects: Iterable[Effect] = ()) -> None:
        super().__init__()
        self.effects = nn.ModuleList()
        self.extend(effects)

    # A list.

    @overload
    def __getitem__(self, index: int) -> Effect: ...
    @overload
    def __getitem__(self, index: slice) -> Chain: ...
    def __getitem__(self, index: int | slice) -> Effect | Chain:
        if isinstance(index, slice):
            return Chain(self._listed()[index])
        return self._listed()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        effects = self._listed()
        effects[index] = value
        self._replace(effects)

    def __delitem__(self, index: int | slice) -> None:
        effects = self._listed()
        del effects[index]
        self._replace(effects)

    def __len__(self) -> int:
        return len(self.effects)

    def __iter__(self) -> Iterator[Effect]:
        return iter(self._listed())

    def insert(self, index: int, value: Effect) -> None:
        """Put an effect in front of the one at `index`."""
        effects = self._listed()
        effects.insert(index, value)
        self._replace(effects)

    # The face of an effect.

    @property
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""
        if not len(self):
            raise ValueError("chain: an empty chain has no sample rate; put an effect into it")
        return self[0].sample_rate

    def at_rate(self, sample_rate: int) -> Chain:
        """A copy for audio of another rate in Hz; frequencies that it cannot hold are lowered."""
        return Chain(effect.at_rate(sample_rate) for effect in self)

    def tail_seconds(self) -> float:
        """How long the output rings after the input ends: the sum of the effects' tails."""
        return sum(effect.tail_seconds() for effect in self)

    def latency_samples(self) -> int:
        """How many samples late the output is: the sum of the effects' latencies."""
        return sum(effect.latency_samples() for effect in self)

    def _parts(self) -> list[Part]:
        effects = self._listed()
        names = numbered(effect.name for effect in effects)
        return [
            Part(name, effect.params, effect.values, effect)
            for name, effect in zip(names, effects, strict=True)
        ]

    def _run(
        self, audio: Tensor, state: Any, groups: Mapping[str, dict[str, Any]], trace: Trace = None
    ) -> tuple[Tensor, Any]:
        states = state or (None,) * len(self)
        ends = []
        for (name, _, _, effect), begin in zip(self._parts(), states, strict=True):
            assert effect is not None
            heard = audio
            audio, end = effect._run(audio, begin, groups[name])
            ends.append(end)
            if trace is not None:
                trace[name] = (heard, audio)
        return audio, tuple(ends)

    def _replaced(self, values: Mapping[str, Mapping[str, float | str]]) -> Chain:
        pairs = zip(self.effect_names, self, strict=True)
        return Chain(effect.with_values(**values.get(name, {})) for name, effect in pairs)

    def _listed(self) -> list[Effect]:
        return list(self.effects)  # type: ignore[arg-type]

    def _replace(self, effects: list[Effect]) -> None:
        for i, effect in enumerate(effects):
            if not isinstance(effect, Effect):
                raise TypeError(f"chain: item {i + 1} must be an effect, got {effect!r}")
            if effect.sample_rate != effects[0].sample_rate:
                raise ValueError(
                    f"chain: {effect.name} is made for {effect.sample_rate} Hz, "
                    f"{effects[0].name} for {effects[0].sample_rate} Hz; "
                    "make all effects of a chain with one sample_rate"
                )
        self.effects = nn.ModuleList(effects)
