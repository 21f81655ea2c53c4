"""The C++ file of a chain: its parts, its parameters and what binds them together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dspcore.effects import Param
from dspcore.errors import UserError
from dspcore.export import part
from dspcore.export.numbers import RATES, Formula
from dspcore.export.program import Program
from dspcore.export.tables import Table
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
    further: tuple[str, ...] = ()  # side-chains, with as many channels as `inputs`
    instrument: bool = False


class Writer:
    """Writes one chain.

    Args:
        rack: The chain or graph.
        channels: In.
        programs: By part, stage and whether parameters move.
        tables: By part.
        latency: In samples.
        headers: The header of every op.
    """

    def __init__(
        self,
        rack: Rack,
        channels: int,
        programs: Mapping[tuple[str, str, bool], Program],
        tables: Mapping[str, Sequence[Table]],
        latency: Formula,
        headers: Mapping[str, str],
    ) -> None:
        self.channels, self.programs = channels, programs
        self.further = rack.inputs
        self.tables = tables
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
        tables = [
            name or "wires"
            for (name, *_), program in self.programs.items()
            if any(f.table for slot in program.slots for f in slot.values)
        ]
        body = [
            *parameters(self.settings),
            *self._defined(),
            *(p.code for p in parts),
            wires.code,
            *self._together(parts, wires, outputs, bool(tables)),
        ]
        code = file_of([*parts, wires], self.headers, body)
        listed = tuple(dict.fromkeys(tables))
        return Source(
            code,
            self.settings,
            self.channels,
            outputs,
            self.latency,
            listed,
            self.further,
        )

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
        functions = [self._table(name, i) for i in range(len(self.tables.get(name, ())))]
        return part.write(owner, name or "the graph", mine, settings, values, functions)

    def _table(self, name: str, index: int) -> str:
        """The C++ function of a table."""
        return f"table_{self.names.index(name)}_{index}"

    def _defined(self) -> list[str]:
        """The tables that are used."""
        lines = []
        for name in self.names:
            mine = [self.programs[name, s, m] for s in STAGES for m in (False, True)]
            used = {slot.table for program in mine for slot in program.slots}
            for i, table in enumerate(self.tables.get(name, ())):
                if i in used:
                    lines += [*table.definition(self._table(name, i)), ""]
        return lines

    def _least_rate(self) -> int:
        """What was not listened to below some rate is not known to hold there."""
        least = max(program.least_rate for program in self.programs.values())
        return least if least > min(RATES) else 1_000

    def _ears(self, wires: part.Written) -> list[str]:
        return [
            f"wires.ear_{key}" if key in wires.sounds else "nullptr"
            for key in ("audio", *self.further)
        ]

    def _together(
        self, parts: list[part.Written], wires: part.Written, outputs: int, tables: bool
    ) -> list[str]:
        numbers = range(len(parts))
        ears = [
            f'  if (part == {i} && !std::strcmp(key, "{key}")) return c->parts.part{i}.ear_{key};'
            for i in numbers
            for key in parts[i].sounds
        ]
        return [
            f"constexpr int kChannels = {self.channels}, kOutputs = {outputs};",
            f"constexpr int kInputs = {self.channels * (1 + len(self.further))};",
            f"constexpr bool kAnyRate = {str(not tables).lower()}, kInstrument = false;",
            f"constexpr double kLeastRate = {self._least_rate()};",
            "",
            "struct Parts {",
            *(f"  Part{i} part{i};" for i in numbers),
            "  Wires wires;",
            "  /// Where a channel of the input goes: first the main one's, then side-chains'.",
            "  double* ear(int channel, std::int64_t n) {",
            f"    double* const ears[] = {{{', '.join(self._ears(wires))}}};",
            "    double* const to = ears[channel / kChannels];",
            "    return to ? to + channel % kChannels * n : nullptr;",
            "  }",
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


def parameters(settings: Sequence[Setting]) -> list[str]:
    """Their declarations in C++."""
    count = max(1, len(settings))
    return [
        f"constexpr int kParameters = {len(settings)};",
        f"const Range kRanges[{count}] = {{",
        *(f"    {s.range()}" for s in settings),
        "};",
        f"const dspcore_parameter kDescriptions[{count}] = {{",
        *(f"    {s.description()}" for s in settings),
        "};",
        "",
    ]


def file_of(
    parts: Sequence[part.Written],
    headers: Mapping[str, str],
    body: Sequence[str],
    more: Sequence[str] = (),
) -> str:
    """A C++ file that has `body`, and the kernels of the ops that `parts` call."""
    kernels = sorted(frozenset().union(*(p.kernels for p in parts)))
    single = any(p.single for p in parts)
    if lost := [name for name in kernels if name not in headers]:
        raise UserError(f"export: no header of csrc/ops has the op {lost[0]}")
    code = [
        "// Made by dspcore export. What sounds is in the headers of csrc/ops.",
        "#define DSP_DERIVATIVES false",
        f"#define DSP_SINGLE {str(single).lower()}",
        '#include "plugin/kernels.hpp"',
        *(f'#include "{h}"' for h in sorted({headers[name] for name in kernels})),
        '#include "plugin/chain.hpp"',
        *(f'#include "{header}"' for header in more),
        "#pragma GCC visibility push(default)  // the linker hides it again in a plug-in",
        '#include "dspcore.h"',
        "#pragma GCC visibility pop",
        "",
        "namespace dsp::plugin {",
        "namespace {",
        "",
        *(f'const Kernel kernel_{name} = kernel("{name}");' for name in kernels),
        "",
        *body,
        "}  // namespace",
        "}  // namespace dsp::plugin",
        "",
        '#include "c_abi.hpp"',
        "",
    ]
    return "\n".join(code)


def _text(words: str) -> str:
    escaped = words.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
