"""Effects in series, with the face of one effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from typing import Any, overload

import torch
from torch import Tensor, nn

from dspcore.effects.effect import Effect, Stream, Value, check_audio, check_unit, stack_units
from dspcore.effects.param import Param
from dspcore.errors import nearest


class Chain(nn.Module, MutableSequence[Effect]):
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

    @property
    def effect_names(self) -> list[str]:
        """A name for each effect that is unique in this chain: ``["delay", "gain", "delay_2"]``."""
        seen: Counter[str] = Counter()
        names = []
        for effect in self:
            seen[effect.name] += 1
            count = seen[effect.name]
            names.append(effect.name if count == 1 else f"{effect.name}_{count}")
        return names

    @property
    def params(self) -> dict[str, Param]:
        """Every continuous parameter by its full name, in order."""
        return {f"{name}.{key}": p for name, e in self._named() for key, p in e.params.items()}

    @property
    def param_names(self) -> list[str]:
        """The full names, in the order of p in `normalized`."""
        return list(self.params)

    @property
    def num_params(self) -> int:
        """Number of continuous parameters of all effects."""
        return sum(effect.num_params for effect in self)

    @property
    def values(self) -> dict[str, float]:
        """The effects' own values in physical units by their full names."""
        return {f"{name}.{key}": v for name, e in self._named() for key, v in e.values.items()}

    def forward(self, audio: Tensor, **params: Value) -> Tensor:
        """Process a whole signal (b, c, t) as `Effect.forward` does; parameters by full name."""
        return self.step(audio, None, **params)[0]

    def step(self, audio: Tensor, state: Any = None, **params: Value) -> tuple[Tensor, Any]:
        """Like `forward`, but continue from `state`, None at first, and return the new one too."""
        check_audio(audio, self.name)
        groups = self._grouped(params)
        for effect, group in zip(self, groups, strict=True):
            effect._check_params(group)
        return self._run(audio, state, groups)

    def stream(self) -> Stream:
        """Open a `Stream`, to process block after block: ``y = stream(block)``."""
        return Stream(self)

    def tail_seconds(self) -> float:
        """How long the output rings after the input ends: the sum of the effects' tails."""
        return sum(effect.tail_seconds() for effect in self)

    def normalized(self, audio: Tensor, p: Tensor) -> Tensor:
        """Process with `p`, (b, num_params) or (b, num_params, f), as `Effect.normalized` does."""
        check_audio(audio, self.name)
        return self._run(audio, None, self._grouped(self.denormalize(p)))[0]

    def denormalize(self, p: Tensor) -> dict[str, Tensor]:
        """Physical values by full name, float64, (b,) or (b, f) each, of `p` in [0, 1]."""
        check_unit(p, self.num_params, self.name)
        out: dict[str, Tensor] = {}
        start = 0
        for name, effect in self._named():
            part = p[:, start : start + effect.num_params]
            start += effect.num_params
            for i, (key, param) in enumerate(effect.params.items()):
                out[f"{name}.{key}"] = param.from_unit(part[:, i].double(), effect.sample_rate)
        return out

    def normalize(self, **params: Value) -> Tensor:
        """The p, float64, of physical values by full name; the effects' own where left out."""
        for effect, group in zip(self, self._grouped(params), strict=True):
            effect._check_params(group)
        settings: dict[str, Value] = {**self.values, **params}
        return stack_units(
            [(p, settings[name]) for name, p in self.params.items()], self.sample_rate
        )

    def random(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """`n` settings drawn evenly from [0, 1], (n, num_params)."""
        return torch.rand(n, self.num_params, generator=generator)

    def with_values(self, values: Mapping[str, float | str]) -> Chain:
        """A copy of this chain with some values replaced, by full name."""
        groups = self._grouped(values)
        return Chain(
            effect.with_values(**group) for effect, group in zip(self, groups, strict=True)
        )

    def canonical(self) -> Chain:
        """Of the settings that sound just like this chain's, the ones that read best."""
        return Chain(effect.with_values(**effect.canonical(effect.values)) for effect in self)

    def _run(self, audio: Tensor, state: Any, groups: list[dict[str, Any]]) -> tuple[Tensor, Any]:
        states = state or (None,) * len(self)
        ends = []
        for effect, group, begin in zip(self, groups, states, strict=True):
            audio, end = effect._run(audio, begin, group)
            ends.append(end)
        return audio, tuple(ends)

    def _grouped(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What of `params`, by full name, belongs to each effect, by its own name."""
        groups: dict[str, dict[str, Any]] = {name: {} for name in self.effect_names}
        for full, value in params.items():
            name, _, key = full.partition(".")
            if name not in groups or not key:
                hint = nearest(full, self.param_names)
                raise TypeError(f"chain: unknown parameter {full!r}; {hint}")
            groups[name][key] = value
        return list(groups.values())

    def _named(self) -> list[tuple[str, Effect]]:
        return list(zip(self.effect_names, self, strict=True))

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
