"""Effects wired freely, with the face of one effect."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from dspcore.chain import Chain
from dspcore.effects import Effect
from dspcore.errors import nearest
from dspcore.graph.wires import (
    Edge,
    Mix,
    Node,
    Place,
    Send,
    Source,
    at_level,
    delayed,
    level_name,
    level_param,
    sorted_places,
    summed,
)
from dspcore.rack import Part, Rack, Trace

INPUT, OUTPUT = "input", "output"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Graph(Rack):
    """Effects with any wiring that does not lead back: parallel paths, sends, side-chains.

    ::

        g = Graph(48_000)
        eq = g.add(ParametricEQ(), g.input, name="eq")
        comp = g.add(Compressor(), eq, sidechain=g.add_input("kick"))
        verb = g.add(Reverb(mix=1.0), send(eq, -12))
        g.output = mix(comp, verb)

    Then it is used as a chain is: ``g(audio, kick=drums, **{"reverb.from_eq_db": -6})``. Parameters
    are those of the effects, ``"compressor.ratio"``, and the levels given by `send`. Where paths
    of different latency meet, the earlier ones wait, to the sample.

    Args:
        sample_rate: Of the audio, in Hz; all effects are made with it.
    """

    name = "graph"

    def __init__(self, sample_rate: int = 48_000) -> None:
        super().__init__()
        self._rate = Effect(sample_rate).sample_rate  # the same check and message
        self.effects = nn.ModuleList()
        self._places: dict[str, Place] = {}
        self._output = Place(None, ())
        self._sound = False  # checked since the last change

    # Building.

    @property
    def input(self) -> Node:
        """The audio that the graph is given."""
        return Node(self, INPUT)

    @property
    def output(self) -> Node:
        """What the graph gives; set it to a node, a `send` or a `mix`."""
        return Node(self, OUTPUT)

    @output.setter
    def output(self, source: Source) -> None:
        self._output = Place(None, self._edges(OUTPUT, [source]))
        self._sound = False

    def add_input(self, name: str) -> Node:
        """A further input: audio that `forward` takes by this name (a side-chain)."""
        self._check_name(name)
        self.inputs = (*self.inputs, name)
        return Node(self, name)

    def add(
        self,
        effect: Effect | Sequence[Effect],
        *sources: Source,
        name: str | None = None,
        **inputs: Source,
    ) -> Node:
        """Put an effect behind `sources`, which are added up.

        Args:
            effect: It, or several (a list, a `Chain`) that follow each other.
            sources: Nodes, their names, and what `send` and `mix` make of them.
            name: For parameters and presets; by default the effect's, numbered.
            inputs: What the effect's further inputs hear: ``sidechain=kick``.

        Returns:
            The node, to be named as a source; of several effects the last.

        Raises:
            ValueError, TypeError: names, sample rates or sources do not fit.
        """
        if isinstance(effect, (list, tuple, Chain)):
            return self._add_series(list(effect), sources, name, inputs)
        if not isinstance(effect, Effect):
            raise TypeError(f"graph: can only add effects, got {effect!r}")
        if effect.sample_rate != self._rate:
            raise ValueError(
                f"graph: {effect.name} is made for {effect.sample_rate} Hz, the graph for "
                f"{self._rate} Hz; make it with {type(effect).__name__}({self._rate})"
            )
        if any(effect is place.effect for place in self._places.values()):
            raise ValueError(
                f"graph: this {effect.name} is in the graph already; add another, or send its node "
                "to several places"
            )
        if name is None:
            taken = {INPUT, OUTPUT, *self.inputs, *self._places}
            numbers = (f"{effect.name}_{i}" for i in range(2, len(taken) + 3))
            name = next(n for n in (effect.name, *numbers) if n not in taken)
        self._check_name(name)
        if not sources:
            raise ValueError(
                f"graph: {name} hears nothing; say what: graph.add(..., graph.input), or a node"
            )
        place = Place(effect, self._edges(name, sources))
        for key, source in inputs.items():
            place.inputs[self._input_of(effect, name, key)] = self._edges(name, [source])
        self._places[name] = place
        self.effects.append(effect)
        self._sound = False
        return Node(self, name)

    def connect(self, source: Source, to: Node | str, *, input: str | None = None) -> None:
        """Let a node that is there already hear `source` too, at its `input` where one is named.

        A level given again replaces the one before.

        Raises:
            ValueError, TypeError: a name is unknown, or the sound would run in a circle.
        """
        name = self._name_of(to)
        old = self._output if name == OUTPUT else self._places.get(name)
        if old is None:
            raise ValueError(f"graph: {name} is an input, nothing can be sent there")
        new = Place(old.effect, old.sources, dict(old.inputs))
        edges = self._edges(name, [source])
        if input is None:
            new.sources = _merged(old.sources, edges)
        elif old.effect is None:
            raise TypeError(f"graph: output has no input {input!r}")
        else:
            key = self._input_of(old.effect, name, input)
            new.inputs[key] = _merged(old.inputs.get(key, ()), edges)
        if name == OUTPUT:
            self._output = new
        else:
            # A copy: a cycle leaves the graph as it was.
            self._places = self._sorted({**self._places, name: new})
            self.effects = nn.ModuleList(p.effect for p in self._places.values() if p.effect)
        self._sound = False

    @classmethod
    def of(cls, chain: Rack) -> Graph:
        """`chain` as a graph of the same effects (not copied); a graph as it is."""
        if isinstance(chain, Graph):
            return chain
        graph = cls(chain.sample_rate)
        last = graph.input
        for name, effect in zip(chain.effect_names, chain, strict=True):
            last = graph.add(effect, last, name=name)
        graph.output = last
        return graph

    def __getitem__(self, name: str) -> Effect:
        """The effect of the node with this name."""
        place = self._places.get(name)
        if place is None or place.effect is None:
            raise KeyError(f"graph: no effect {name!r}; {nearest(name, self._places)}")
        return place.effect

    def nodes(self) -> dict[str, Place]:
        """Every node with its effect and what it hears, in order; the output comes last."""
        return {**self._places, OUTPUT: self._output}

    def check(self) -> None:
        """Raise unless there is an output and every node leads there."""
        if self._sound:
            return
        if not self._output.sources:
            raise ValueError("graph: has no output; say graph.output = node, or mix(node, node)")
        self._sorted(self._places)
        heard, open_ends = set(), [OUTPUT]
        nodes = self.nodes()
        while open_ends:
            name = open_ends.pop()
            if name not in heard and name in nodes:
                heard.add(name)
                open_ends += nodes[name].before()
        if lost := [name for name in self._places if name not in heard]:
            raise ValueError(
                f"graph: nothing hears {', '.join(lost)}; send it to another node or to the output"
            )
        self._sound = True

    def extra_repr(self) -> str:
        """The sample rate and who hears whom, as ``repr`` shows them."""
        wires = [f"{name} <- {', '.join(place.before())}" for name, place in self.nodes().items()]
        return "\n".join([f"{self._rate} Hz", *wires])

    # The face of an effect.

    @property
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""
        return self._rate

    def at_rate(self, sample_rate: int) -> Graph:
        """A copy for audio of another rate in Hz; frequencies that it cannot hold are lowered."""
        other = type(self)(sample_rate)
        other.inputs = self.inputs
        for name, place in self._places.items():
            assert place.effect is not None
            effect = place.effect.at_rate(sample_rate)
            other._places[name] = place.with_levels({}, effect)
            other.effects.append(effect)
        other._output = self._output
        return other

    def tail_seconds(self) -> float:
        """How long the output rings after the input ends: the longest way's sum of tails."""
        tails: dict[str, float] = {}
        for name, place in self.nodes().items():
            before = max((tails.get(source, 0.0) for source in place.before()), default=0.0)
            tails[name] = before + (place.effect.tail_seconds() if place.effect else 0.0)
        return tails[OUTPUT]

    def latency_samples(self) -> int:
        """How many samples late the output is: as its latest path is."""
        return self._lateness()[OUTPUT]

    def _parts(self) -> list[Part]:
        parts = []
        for name, place in self.nodes().items():
            levels = place.levels()
            params = {key: level_param(edge.source, key) for key, edge in levels.items()}
            values = {key: edge.gain_db or 0.0 for key, edge in levels.items()}
            if (effect := place.effect) is not None:
                params = {**effect.params, **params}
                values = {**effect.values, **values}
            parts.append(Part(name, params, values, effect))
        return parts

    def _run(
        self, audio: Tensor, state: Any, groups: Mapping[str, dict[str, Any]], trace: Trace = None
    ) -> tuple[Tensor, Any]:
        self.check()
        sounds = {INPUT: audio}
        for key in self.inputs:
            given = groups[""].get(key)
            if given is None:
                raise TypeError(f"graph: wants the input {key!r} too: graph(audio, {key}=...)")
            if given.shape[2] != audio.shape[2]:
                raise ValueError(
                    f"graph: {key} must be as long as the audio, {audio.shape[2]} samples, "
                    f"got {given.shape[2]}"
                )
            sounds[key] = given
        late, before, after = self._lateness(), state or {}, {}
        for name, place in self.nodes().items():
            own, past, lines = dict(groups[name]), before.get(name, (None, {})), {}
            arrives = max([late[source] for source in place.before()])
            mixed: dict[str, dict[str, Tensor]] = {}
            for key, edge in place.edges():
                level = level_name(key, edge.source)
                gain = own.pop(level, edge.gain_db)
                sound, line = delayed(
                    sounds[edge.source], arrives - late[edge.source], past[1].get(level)
                )
                if line is not None:
                    lines[level] = line
                mixed.setdefault(key, {})[edge.source] = at_level(sound, gain, f"{name}: {level}")
            heard = {key: summed(parts, f"graph: {name}") for key, parts in mixed.items()}
            main = heard.pop("")
            if place.effect is None:
                sounds[name], end = main, None
            else:
                sounds[name], end = place.effect._run(main, past[0], {**own, **heard})
                if trace is not None:
                    trace[name] = (main, sounds[name])
            after[name] = (end, lines)
        return sounds[OUTPUT], after

    def _replaced(self, values: Mapping[str, Mapping[str, float | str]]) -> Graph:
        other = type(self)(self._rate)
        other.inputs = self.inputs
        for name, place in self.nodes().items():
            levels = {}
            own = dict(values.get(name, {}))
            for key in place.levels():
                if key in own:
                    param = level_param(name, key)
                    levels[key] = param.checked(own.pop(key), self._rate, who=name)  # type: ignore[arg-type]
            if place.effect is None:
                if own:
                    key = next(iter(own))
                    raise TypeError(f"graph: no level {key!r}; {nearest(key, place.levels())}")
                other._output = place.with_levels(levels, None)
            else:
                effect = place.effect.with_values(**own)
                other._places[name] = place.with_levels(levels, effect)
                other.effects.append(effect)
        return other

    def _lateness(self) -> dict[str, int]:
        """How many samples late each node's sound is."""
        late = {INPUT: 0, **dict.fromkeys(self.inputs, 0)}
        for name, place in self.nodes().items():
            arrives = max([0, *(late[source] for source in place.before())])
            late[name] = arrives + (place.effect.latency_samples() if place.effect else 0)
        return late

    # Names and edges.

    def _add_series(
        self,
        effects: list[Effect],
        sources: tuple[Source, ...],
        name: str | None,
        inputs: dict[str, Source],
    ) -> Node:
        if not effects:
            raise ValueError("graph: got an empty list of effects")
        if len(effects) > 1 and (name is not None or inputs):
            raise ValueError("graph: a name and further inputs belong to one effect; add it alone")
        node = self.add(effects[0], *sources, name=name, **inputs)
        for effect in effects[1:]:
            node = self.add(effect, node)
        return node

    def _sorted(self, places: Mapping[str, Place]) -> dict[str, Place]:
        return sorted_places(places, (INPUT, *self.inputs), self.name)

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"graph: a node's name must be a letter, then letters, digits and _, got {name!r}"
            )
        if name in (INPUT, OUTPUT, *self.inputs, *self._places):
            raise ValueError(f"graph: the name {name!r} is taken; choose another")

    def _name_of(self, node: Node | str) -> str:
        if isinstance(node, Node):
            if node.graph is not self:
                raise ValueError(f"graph: {node.name} is a node of another graph")
            return node.name
        known = [INPUT, OUTPUT, *self.inputs, *self._places]
        if not isinstance(node, str):
            raise TypeError(f"graph: wants a node, its name, send(...) or mix(...), got {node!r}")
        if node not in known:
            raise ValueError(f"graph: unknown node {node!r}; {nearest(node, known)}")
        return node

    def _edges(self, name: str, sources: Iterable[Source]) -> tuple[Edge, ...]:
        edges: list[Edge] = []
        for source in sources:
            for part in source.sources if isinstance(source, Mix) else (source,):
                if isinstance(part, Send):
                    edge = Edge(self._name_of(part.source), part.gain_db, part.fixed)
                else:
                    assert not isinstance(part, Mix)
                    edge = Edge(self._name_of(part))
                if edge.source == OUTPUT:
                    raise ValueError(f"graph: {name} cannot hear the output")
                if any(edge.source == other.source for other in edges):
                    raise ValueError(f"graph: {name} hears {edge.source} twice; give it one level")
                edges.append(edge)
        return tuple(edges)

    @staticmethod
    def _input_of(effect: Effect, name: str, key: str) -> str:
        if key not in effect.inputs:
            hint = nearest(key, effect.inputs)
            raise TypeError(f"graph: {name} ({effect.name}) has no input {key!r}; {hint}")
        return key


def _merged(old: tuple[Edge, ...], new: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """The edges with those of `new` in place of those with the same source."""
    return tuple({edge.source: edge for edge in (*old, *new)}.values())
