"""What chains and graphs share: the parameters of several effects under one set of names."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from dspcore.effects import Effect, Param, Stream
from dspcore.effects.effect import check_audio, check_unit, stack_units
from dspcore.effects.stream import GLIDE_MS, Value
from dspcore.errors import nearest


class Part(NamedTuple):
    """What stands under one name in a rack: an effect, levels, or both."""

    name: str
    params: Mapping[str, Param]
    values: Mapping[str, float]
    effect: Effect | None


class Rack(nn.Module):
    """Several effects with the face of one; base of `Chain` and `Graph`.

    A parameter's name is ``"compressor.threshold_db"``: the part, a dot, and its own name. Wherever
    an `Effect` takes parameters by name, a rack takes them by these.
    """

    #: What errors call it.
    name = "rack"
    #: Further audio by name that `forward` takes.
    inputs: tuple[str, ...] = ()

    # What a subclass writes.

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""

    @abstractmethod
    def _parts(self) -> list[Part]:
        """Every part in the order the sound passes them."""

    @abstractmethod
    def _run(
        self, audio: Tensor, state: Any, groups: Mapping[str, dict[str, Any]], trace: Trace = None
    ) -> tuple[Tensor, Any]:
        """Process checked audio; parameters by part, further inputs under "". Fills `trace`."""

    @abstractmethod
    def _replaced(self, values: Mapping[str, Mapping[str, float | str]]) -> Self:
        """A copy with other values or choices, by part."""

    @abstractmethod
    def at_rate(self, sample_rate: int) -> Self:
        """A copy for audio of another rate in Hz; frequencies that it cannot hold are lowered."""

    @abstractmethod
    def tail_seconds(self) -> float:
        """How long the output rings after the input ends."""

    @abstractmethod
    def latency_samples(self) -> int:
        """How many samples late the output is."""

    # The face of an effect.

    def __iter__(self) -> Iterator[Effect]:
        return iter([part.effect for part in self._parts() if part.effect is not None])

    def __len__(self) -> int:
        return len(list(iter(self)))

    @property
    def effect_names(self) -> list[str]:
        """A name for each effect that is unique here: ``["delay", "gain", "delay_2"]``."""
        return [part.name for part in self._parts() if part.effect is not None]

    @property
    def params(self) -> dict[str, Param]:
        """Every continuous parameter by its full name, in order."""
        return {f"{part.name}.{key}": p for part in self._parts() for key, p in part.params.items()}

    @property
    def param_names(self) -> list[str]:
        """The full names, in the order of p in `normalized`."""
        return list(self.params)

    @property
    def num_params(self) -> int:
        """Number of continuous parameters of all parts."""
        return sum(len(part.params) for part in self._parts())

    @property
    def values(self) -> dict[str, float]:
        """The parts' own values in physical units by their full names."""
        return {f"{part.name}.{key}": v for part in self._parts() for key, v in part.values.items()}

    def forward(self, audio: Tensor, **params: Value) -> Tensor:
        """Process a whole signal (b, c, t) as `Effect.forward` does; parameters by full name."""
        return self.step(audio, None, **params)[0]

    def step(self, audio: Tensor, state: Any = None, **params: Value) -> tuple[Tensor, Any]:
        """Like `forward`, but continue from `state`, None at first, and return the new one too."""
        check_audio(audio, self.name)
        return self._run(audio, state, self._checked(params))

    def stream(self, glide_ms: float = GLIDE_MS) -> Stream:
        """Open a `Stream`, to process block after block: ``y = stream(block)``."""
        return Stream(self, glide_ms)

    def normalized(self, audio: Tensor, p: Tensor, **inputs: Tensor) -> Tensor:
        """Process with `p`, (b, num_params) or (b, num_params, f), as `Effect.normalized` does."""
        check_audio(audio, self.name)
        self._checked(inputs)
        return self._run(audio, None, self._grouped({**self.denormalize(p), **inputs}))[0]

    def denormalize(self, p: Tensor) -> dict[str, Tensor]:
        """Physical values by full name, float64, (b,) or (b, f) each, of `p` in [0, 1]."""
        check_unit(p, self.num_params, self.name)
        columns = zip(self.params.items(), p.double().unbind(dim=1), strict=True)
        return {name: param.from_unit(u, self.sample_rate) for (name, param), u in columns}

    def normalize(self, **params: Value) -> Tensor:
        """The p, float64, of physical values by full name; the parts' own where left out."""
        self._checked(params)
        settings: dict[str, Value] = {**self.values, **params}
        return stack_units(
            [(p, settings[name]) for name, p in self.params.items()], self.sample_rate
        )

    def random(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """`n` settings drawn evenly from [0, 1], (n, num_params)."""
        return torch.rand(n, self.num_params, generator=generator)

    def with_values(self, values: Mapping[str, float | str]) -> Self:
        """A copy with some values replaced, by full name."""
        return self._replaced(self._grouped(values))

    def canonical(self) -> Self:
        """Of the settings that sound just like these, the ones that read best."""
        parts = [part for part in self._parts() if part.effect is not None]
        return self._replaced(
            {p.name: p.effect.canonical(p.effect.values) for p in parts if p.effect is not None}
        )

    def traced(self, audio: Tensor, **params: Value) -> dict[str, tuple[Tensor, Tensor]]:
        """What every effect hears and what it makes of it, each (b, c, t), by the effect's name."""
        check_audio(audio, self.name)
        heard: dict[str, tuple[Tensor, Tensor]] = {}
        self._run(audio, None, self._checked(params), heard)
        return heard

    def _checked(self, params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """`_grouped`, after a look at every value."""
        groups = self._grouped(params)
        for name, value in groups[""].items():
            check_audio(value, f"{self.name}: {name}")
        for part in self._parts():
            levels = {key: v for key, v in groups[part.name].items() if self._is_level(part, key)}
            for key, value in levels.items():
                part.params[key].check(value, self.sample_rate, who=part.name)
            if part.effect is not None:
                group = groups[part.name]
                part.effect._check_params({k: v for k, v in group.items() if k not in levels})
        return groups

    @staticmethod
    def _is_level(part: Part, key: str) -> bool:
        return key in part.params and (part.effect is None or key not in part.effect.params)

    def _grouped(self, params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """What of `params` belongs to each part, by its own name; further inputs under ""."""
        groups: dict[str, dict[str, Any]] = {"": {}, **{part.name: {} for part in self._parts()}}
        for full, value in params.items():
            name, _, key = full.partition(".")
            if full in self.inputs:
                groups[""][full] = value
            elif not key or name not in groups:
                hint = nearest(full, [*self.param_names, *self.inputs])
                raise TypeError(f"{self.name}: unknown parameter {full!r}; {hint}")
            else:
                groups[name][key] = value
        return groups


Trace = dict[str, tuple[Tensor, Tensor]] | None


def numbered(names: Iterable[str]) -> list[str]:
    """The names made unique: the second ``gain`` becomes ``gain_2``."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return unique
