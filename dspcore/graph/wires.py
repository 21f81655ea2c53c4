"""What nodes are and how sound gets from one to another: edges with levels, alignment in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dspcore.effects import Effect, Param
from dspcore.effects.effect import spread
from dspcore.effects.stream import Value
from dspcore.errors import nearest

if TYPE_CHECKING:
    from dspcore.graph.graph import Graph

#: The range of a level between two nodes.
QUIETEST_DB, LOUDEST_DB = -60.0, 24.0


@dataclass(frozen=True)
class Edge:
    """A way from one node to another: as it is, at a level that is a parameter, or a fixed one."""

    source: str
    gain_db: float | None = None
    fixed: bool = False


@dataclass(frozen=True)
class Node:
    """A place in a graph, to be named as a source: what `Graph.add` returns."""

    graph: Graph = field(repr=False)
    name: str

    @property
    def effect(self) -> Effect:
        """The effect that stands there."""
        return self.graph[self.name]


@dataclass(frozen=True)
class Send:
    """A source at a level; made by `send`."""

    source: Node | str
    gain_db: float
    fixed: bool = False


@dataclass(frozen=True)
class Mix:
    """The sum of several sources; made by `mix`."""

    sources: tuple[Node | str | Send, ...]


Source = Node | str | Send | Mix


def send(source: Node | str, gain_db: float = 0.0, *, fixed: bool = False) -> Send:
    """`source` at a level of `gain_db` (-60 to 24 dB).

    The level is a parameter of the graph, ``"reverb.from_eq_db"``; where `fixed`, it is not.
    """
    if isinstance(source, (Send, Mix)):
        raise TypeError("send: wants a node; send each of several by itself: mix(send(a), send(b))")
    level_param("send", "gain_db").checked(gain_db, 0, who="send")
    return Send(source, float(gain_db), bool(fixed))


def mix(*sources: Source) -> Mix:
    """The sum of several sources; mono counts for both channels where another is stereo."""
    if not sources:
        raise ValueError("mix: wants at least one source")
    flat = [part for s in sources for part in (s.sources if isinstance(s, Mix) else (s,))]
    return Mix(tuple(flat))


def level_param(source: str, name: str) -> Param:
    """The declaration of a level."""
    param = Param(QUIETEST_DB, LOUDEST_DB, default=0.0, doc=f"Level of {source} there.")
    param.__set_name__(Effect, name)
    return param


@dataclass
class Place:
    """A node from within: its effect (none at the output) and all that flows into it."""

    effect: Effect | None
    sources: tuple[Edge, ...]
    inputs: dict[str, tuple[Edge, ...]] = field(default_factory=dict)

    def edges(self) -> list[tuple[str, Edge]]:
        """Every edge into this node with the input that it enters, "" for the main one."""
        sides = [(key, edge) for key, edges in self.inputs.items() for edge in edges]
        return [("", edge) for edge in self.sources] + sides

    def before(self) -> list[str]:
        """The nodes that this one hears."""
        return list(dict.fromkeys(edge.source for _, edge in self.edges()))

    def levels(self) -> dict[str, Edge]:
        """The edges whose level is a parameter, by its name."""
        return {
            level_name(key, edge.source): edge
            for key, edge in self.edges()
            if edge.gain_db is not None and not edge.fixed
        }

    def with_levels(self, values: Mapping[str, float], effect: Effect | None) -> Place:
        """A copy with other levels, by the names in `levels`, around another effect."""

        def changed(key: str, edges: Iterable[Edge]) -> tuple[Edge, ...]:
            return tuple(
                Edge(e.source, values.get(level_name(key, e.source), e.gain_db), e.fixed)
                for e in edges
            )

        inputs = {key: changed(key, edges) for key, edges in self.inputs.items()}
        return Place(effect, changed("", self.sources), inputs)


def level_name(key: str, source: str) -> str:
    """The parameter's name of the level of `source` into the input `key` ("" for the main one)."""
    return f"{key}_from_{source}_db" if key else f"from_{source}_db"


def delayed(sound: Tensor, samples: int, past: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """`sound` (b, c, t) so many samples later, and its last ones for the block after."""
    if not samples:
        return sound, None
    if past is None:
        past = sound.new_zeros(*sound.shape[:2], samples)
    line = torch.cat([past, sound], -1)
    return line[..., : sound.shape[-1]], line[..., sound.shape[-1] :]


def at_level(sound: Tensor, gain_db: Value | None, who: str) -> Tensor:
    """`sound` (b, c, t) times ``10 ** (gain_db / 20)``; as it is where there is no level."""
    if gain_db is None:
        return sound
    batch = sound.shape[0]
    if isinstance(gain_db, Tensor) and gain_db.ndim and gain_db.shape[0] != batch:
        if 1 not in (batch, gain_db.shape[0]):
            raise ValueError(f"{who} has a batch of {gain_db.shape[0]}, wanted 1 or {batch}")
        batch = max(batch, gain_db.shape[0])
    sound = sound.expand(batch, -1, -1)
    return sound * (10 ** (spread(gain_db, sound) / 20))[:, None].to(sound.dtype)


def summed(sounds: Mapping[str, Tensor], who: str) -> Tensor:
    """The sum of sounds by source; mono counts for both channels where another is stereo."""
    channels = {sound.shape[1] for sound in sounds.values()}
    if len(channels - {1}) > 1:
        each = ", ".join(f"{name} has {sound.shape[1]}" for name, sound in sounds.items())
        raise ValueError(f"{who}: cannot add different numbers of channels: {each}")
    total: Any = 0
    for sound in sounds.values():
        total = sound if isinstance(total, int) else total + sound
    return total


def sorted_places(places: Mapping[str, Place], free: Iterable[str], who: str) -> dict[str, Place]:
    """The places in an order that the sound can take, near the one they came in.

    Args:
        places: By name.
        free: Names of sources that are there from the start.
        who: What errors call the graph.

    Raises:
        ValueError: A source is unknown (the nearest names are given), or nodes form a cycle.
    """
    ready = set(free)
    for name, place in places.items():
        for source in place.before():
            if source not in places and source not in ready:
                hint = nearest(source, [*ready, *places])
                raise ValueError(f"{who}: {name} hears an unknown node {source!r}; {hint}")
    waiting, found = dict(places), {}
    while waiting:
        able = [name for name, place in waiting.items() if ready.issuperset(place.before())]
        if not able:
            circle = " -> ".join(_circle(waiting))
            raise ValueError(
                f"{who}: {circle} is a cycle; sound cannot flow back through a graph "
                "(an echo's feedback is inside the delay effect)"
            )
        found[able[0]] = waiting.pop(able[0])
        ready.add(able[0])
    return found


def _circle(waiting: Mapping[str, Place]) -> list[str]:
    """Nodes, each heard by the next, that lead back to the first."""
    path = [next(iter(waiting))]
    while path.count(path[-1]) < 2:
        path.append(next(name for name in waiting[path[-1]].before() if name in waiting))
    return path[path.index(path[-1]) :][::-1]
