"""The C++ file of a chain: its parts, its parameters and what binds them together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dspcore.effects import Param
from dspcore.errors import UserError
from dspcore.export import part
from dspcore.export.numbers import Formula
from dspcore.export.program import Program
from dspcore.export.takes import NEXT, STAGES, WIRES
from dspcore.rack import Rack


@dataclass(frozen=True)
class Setting:
    """A parameter of the exported chain."""

    name: str  # "compressor.threshold_db"
    param: Param
    value: float

    @property
    def symbol(self) -> str:
        """The name as formats that want letters, digits and _ take it."""
        return re.sub(r"\W", "_", self.name)

    @property
    def title(self) -> str:
        """The name as a person reads it, without the unit."""
        owner, _, key = self.name.partition(".")
        word, _, unit = key.rpartition("_")
        return f"{owner} {word if self.param.unit and unit else key}".replace("_", " ")

    def range(self) -> str:
        """As csrc/plugin/parameter.hpp wants it."""
        p = self.param
        flags = f"{str(p.scale == 'log').lower()}, {str(p.unit == 'Hz').lower()}"
        return f"{{{p.minimum!r}, {p.maximum!r}, {self.value!r}, {flags}}},"

    def description(self) -> str:
        """As dspcore.h wants it."""
        p = self.param
        words = ", ".join(map(_text, (self.title, self.symbol, p.unit, p.doc)))
        numbers = f"{p.minimum!r}, {p.maximum!r}, {self.value!r}, {int(p.scale == 'log')}"
        return f"{{{words}, {numbers}}},"


@dataclass(frozen=True)
class Source:
    """The C++ of a chain, and what a format's description needs to know of it."""

    code: str
    settings: tuple[Setting, ...]
    inputs: int
    outputs: int
    latency: Formula
    tables: tuple[str, ...]  # parts that hold at the usual rates alone


class Writer:
    """Writes one chain.

    Args:
        rack: The chain or graph.
        channels: In.
        programs: By part, stage and whether parameters move.
        latency: In samples.
        headers: The header of every op.
    """

    def __init__(
        self,
        rack: Rack,
        channels: int,
        programs: Mapping[tuple[str, str, bool], Program],
        latency: Formula,
        headers: Mapping[str, str],
    ) -> None:
        self.channels, self.programs = channels, programs
        self.latency, self.headers = latency, headers
        self.names = list(rack.effect_names)
        values = rack.values
        self.settings = tuple(Setting(n, p, values[n]) for n, p in rack.params.items())
        self.index = {s.name: i for i, s in enumerate(self.settings)}
        effects = zip(self.names, rack, strict=True)
        self.own = {f"{name}.{key}" for name, effect in effects for key in effect.params}

    def source(self) -> Source:
        """The file."""
        parts = [self._part(f"Part{i}", name) for i, name in enumerate(self.names)]
        wires = self._part("Wires", WIRES)
        outputs = int(self.programs[WIRES, NEXT, False].output.size[1][0].code)
        if outputs not in (1, 2):
            raise UserError(f"export: plug-ins have 1 or 2 channels, the chain gives {outputs}")
        kernels = sorted(frozenset().union(*(p.kernels for p in parts)))
        if lost := [name for name in kernels if name not in self.headers]:
            raise UserError(f"export: no header of csrc/ops has the op {lost[0]}")
        tables = [
            name or "wires"
            for (name, *_), program in self.programs.items()
            if any(f.table for slot in program.slots for f in slot.values)
        ]
        code = [
            "// Made by dspcore export. What sounds is in the headers of csrc/ops.",
            "#define DSP_DERIVATIVES false",
            '#include "plugin/kernels.hpp"',
            *(f'#include "{h}"' for h in sorted({self.headers[name] for name in kernels})),
            '#include "plugin/chain.hpp"',
            "#pragma GCC visibility push(default)  // the linker hides it again in a plug-in",
            '#include "dspcore.h"',
            "#pragma GCC visibility pop",
            "",
            "namespace dsp::plugin {",
            "namespace {",
            "",
            *(f'const Kernel kernel_{name} = kernel("{name}");' for name in kernels),
            "",
            *self._described(),
            *(p.code for p in parts),
            wires.code,
            *self._together(parts, outputs, bool(tables)),
            "}  // namespace",
            "}  // namespace dsp::plugin",
            "",
            '#include "c_abi.hpp"',
            "",
        ]
        listed = tuple(dict.fromkeys(tables))
        return Source("\n".join(code), self.settings, self.channels, outputs, self.latency, listed)

    def _described(self) -> list[str]:
        count = max(1, len(self.settings))
        return [
            f"constexpr int kParameters = {len(self.settings)};",
            f"const Range kRanges[{count}] = {{",
            *(f"    {s.range()}" for s in self.settings),
            "};",
            f"const dspcore_parameter kDescriptions[{count}] = {{",
            *(f"    {s.description()}" for s in self.settings),
            "};",
            "",
        ]

    def _part(self, owner: str, name: str) -> part.Written:
        mine = {(s, m): self.programs[name, s, m] for s in STAGES for m in (False, True)}

        def values(key: str) -> str:
            full = f"{name}.{key}" if name else key
            return f"setting_values(own->chain, {self.index[full]})"

        if name:
            keys = [f"{name}.{key}" for key in mine[NEXT, False].inputs]
        else:  # the levels of wires
            keys = [key for key in self.index if key not in self.own]
        settings = [self.index[key] for key in keys if key in self.index]
        return part.write(owner, name or "the graph", mine, settings, values)

    def _together(self, parts: list[part.Written], outputs: int, tables: bool) -> list[str]:
        numbers = range(len(parts))
        ears = [
            f'  if (part == {i} && !std::strcmp(key, "{key}")) return c->parts.part{i}.ear_{key};'
            for i in numbers
            for key in parts[i].sounds
        ]
        return [
            f"constexpr int kInputs = {self.channels}, kOutputs = {outputs};",
            f"constexpr bool kAnyRate = {str(not tables).lower()};",
            "",
            "struct Parts {",
            *(f"  Part{i} part{i};" for i in numbers),
            "  Wires wires;",
            "  template <class Use>",
            "  void each(Use use) {",
            *(f"    use(part{i});" for i in numbers),
            "    use(wires);",
            "  }",
            "};",
            "inline std::int64_t latency_at(double rate) {",
            "  const std::int64_t whole_rate = std::int64_t(rate);",
            "  (void)whole_rate;",
            f"  return std::int64_t({self.latency.code});",
            "}",
            "",
            "struct Chain : ChainOf<Parts, kParameters, kInputs, kOutputs> {",
            "  explicit Chain(double rate) : ChainOf(*this, rate, kRanges) {}",
            "};",
            "double* setting_values(Chain* c, int i) { return c->parameters[i].values; }",
            "double* part_made(Chain* c, int part) {",
            "  switch (part) {",
            *(f"    case {i}: return c->parts.part{i}.made;" for i in numbers),
            "  }",
            "  return nullptr;",
            "}",
            "double* part_ear(Chain* c, int part, const char* key) {",
            *ears,
            "  return nullptr;",
            "}",
            "void part_run(Chain* c, int part, std::int64_t n) {",
            "  switch (part) {",
            *(f"    case {i}: return c->play(c->parts.part{i}, n);" for i in numbers),
            "  }",
            "}",
            "",
        ]


def _text(words: str) -> str:
    escaped = words.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
