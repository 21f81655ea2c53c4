"""Block after block: the state is kept, and settings that jump between blocks glide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from dspcore.effects.param import Param
from dspcore.errors import checking_values

Value = float | Tensor

#: How long a setting takes to a new value: short to a hand, long to an ear's zipper.
GLIDE_MS = 20.0


class Streamable(Protocol):
    """What `Stream` drives: an effect, a chain, or what else steps through audio with a state."""

    @property
    def name(self) -> str:
        """What errors call it."""

    @property
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""

    @property
    def params(self) -> Mapping[str, Param]:
        """Every continuous parameter by the name that `step` takes."""

    @property
    def values(self) -> Mapping[str, float]:
        """The values of those that `step` is not told."""

    def step(self, audio: Tensor, state: Any = None, **params: Value) -> tuple[Tensor, Any]:
        """Process a block from `state`, and return the new state too."""


class Stream:
    """Runs an effect, a chain or a graph block after block, with the result of one long block.

    Parameters may change with every block. A new constant value (a number, or one for each item;
    given here or set on the effect) is reached in a straight line on the parameter's own scale,
    `glide_ms` after the change, whatever the blocks are; a jump would be heard as zipper noise. The
    first block starts at its values, and frames (b, f) are taken as they are. The state stays in
    the autograd graph: call `detach` between blocks to truncate backpropagation there, or stream
    under ``torch.no_grad()``.

    Args:
        effect: What to run.
        glide_ms: How long a parameter takes to a new constant value; 0 lets it jump.
    """

    def __init__(self, effect: Streamable, glide_ms: float = GLIDE_MS) -> None:
        if not 0 <= glide_ms < float("inf"):
            raise ValueError(
                f"{effect.name}: glide_ms must be 0 (parameters jump) or more, got {glide_ms}"
            )
        self.effect, self.glide_ms = effect, float(glide_ms)
        self.reset()

    def reset(self) -> None:
        """Forget everything heard so far."""
        self.state: Any = None
        self._shape: tuple[int, ...] | None = None
        self._glides: dict[str, _Glide] = {}
        self._still: Mapping[str, Value] | None = None  # own values that all have been reached

    def detach(self) -> None:
        """Cut the gradient between what came and what comes."""
        self.state = _detached(self.state)
        for glide in self._glides.values():
            glide.start, glide.target = _detached(glide.start), _detached(glide.target)

    def __call__(self, block: Tensor, **params: Value) -> Tensor:
        """Process the next block, (b, c, t) with the b and c of the first one."""
        shape = tuple(block.shape[:2])
        if self._shape not in (None, shape):
            raise ValueError(
                f"{self.effect.name}: the stream began with (b, c) = {self._shape}, got {shape}; "
                "reset() it or open another"
            )
        if self.glide_ms and checking_values() and block.ndim == 3:
            given, glides, left = self._glided(params, block.shape[2])
            if 0 < left < block.shape[2] and not any(map(_moves, params.values())):
                # Only what glides pays for moving settings.
                parts = block.split([left, block.shape[2] - left], -1)
                return torch.cat([self(part, **params) for part in parts], -1)
            out, self.state = self.effect.step(block, self.state, **given)
            self._glides = glides
            if params or left:
                self._still = None
            elif self._still is None:
                self._still = dict(self.effect.values)
        else:
            out, self.state = self.effect.step(block, self.state, **params)
        self._shape = shape
        return out

    def _glided(
        self, params: dict[str, Value], samples: int
    ) -> tuple[dict[str, Value], dict[str, _Glide], int]:
        """What to tell the effect for this block, where every parameter stands after it, and how
        many samples of it pass until the last one has arrived.
        """
        rate = self.effect.sample_rate
        length = max(1, round(self.glide_ms * rate / 1000))
        own, given = self.effect.values, dict(params)
        if not params and self._still == own:
            return given, self._glides, 0
        after: dict[str, _Glide] = {}
        left = 0
        for name, param in self.effect.params.items():
            value = params.get(name, own[name])
            if name in params:
                param.check(value, rate, who=self.effect.name)
            if isinstance(value, Tensor) and _moves(value):
                after[name] = _Glide(value[:, -1], value[:, -1], length)
                continue
            glide = self._glides.get(name) or _Glide(value, value, length)
            if not _same(glide.target, value):
                glide = _Glide(glide.at(glide.done, length, param, rate), value, 0)
            if glide.done < length:
                place = torch.arange(glide.done + 1, glide.done + samples + 1)
                given[name] = glide.frames(place, length, param, rate)
                left = max(left, length - glide.done)
            after[name] = _Glide(glide.start, value, min(length, glide.done + samples))
        return given, after, left


@dataclass
class _Glide:
    """A parameter on its way: from `start` to `target`, `done` samples after the change."""

    start: Value
    target: Value
    done: int

    def at(self, place: int, length: int, param: Param, rate: int) -> Value:
        """The value `place` samples after the change, for all items or for each."""
        if place >= length:
            return self.target
        frames = self.frames(torch.tensor([place]), length, param, rate)[:, 0]
        return frames if max(map(_items, (self.start, self.target))) > 1 else frames[0]

    def frames(self, place: Tensor, length: int, param: Param, rate: int) -> Tensor:
        """The values at many places, (b, n) float64; from `length` on exactly the target."""
        start, target = (_column(value) for value in (self.start, self.target))
        device = target.device if isinstance(self.target, Tensor) else start.device
        start, target, place = start.to(device), target.to(device), place.to(device)
        share = (place.double() / length).clamp(max=1)
        units = [param.to_unit(value, rate) for value in (start, target)]
        between = param.from_unit(units[0] + share * (units[1] - units[0]), rate)
        return torch.where(place >= length, target, between)


def _moves(value: Value) -> bool:
    """Whether a value has frames, or is audio."""
    return isinstance(value, Tensor) and value.ndim > 1


def _column(value: Value) -> Tensor:
    """(b, 1) float64."""
    return torch.as_tensor(value, dtype=torch.float64).reshape(-1, 1)


def _items(value: Value) -> int:
    return value.numel() if isinstance(value, Tensor) else 1


def _same(first: Value, second: Value) -> bool:
    """Whether two constants are the same numbers."""
    if not isinstance(first, Tensor) and not isinstance(second, Tensor):
        return first == second
    one, other = (_column(value).detach().cpu() for value in (first, second))
    return bool((one == other).all()) if 1 in (len(one), len(other)) else torch.equal(one, other)


def _detached(state: Any) -> Any:
    """`state` with every tensor in its tuples, lists and dicts cut from the graph."""
    if isinstance(state, Tensor):
        return state.detach()
    if isinstance(state, (tuple, list)):
        return type(state)(_detached(item) for item in state)
    if isinstance(state, dict):
        return {key: _detached(item) for key, item in state.items()}
    return state
