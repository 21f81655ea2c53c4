"""One program as a C++ struct: where its tensors lie, and what is done with them block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

from dspcore.export.numbers import ZERO, Formula, literal
from dspcore.export.operations import ctype, line
from dspcore.export.program import Program, Shown, Step, Whole
from dspcore.export.record import CannotExportError
from dspcore.export.whole import BELLS, CONVOLVE, ROOM
from dspcore.ops import RECORDS

_TYPES = (torch.float32, torch.float64, torch.bool, torch.int64, torch.int32)


class Struct:
    """The C++ of one program.

    Args:
        name: Of the struct.
        program: What it does.
        outside: Where the memory of an input, a state or another part's result is found, by the
            slot's kind and name: a C++ expression.
        lines: The states that are the past of delay lines, kept in place: `Line` by state.
        convolutions: The states that are the past of convolutions: `Convolution` by state.
        tables: The C++ functions of the effect's tables.
        teaches: Whether it tells the convolutions their responses, as one program of a part does.
        ages: Whether the part has an age: samples since it began.
    """

    def __init__(
        self,
        name: str,
        program: Program,
        outside: Callable[[str, str], str],
        lines: Mapping[int, str],
        convolutions: Mapping[int, str],
        tables: Sequence[str],
        teaches: bool,
        ages: bool,
    ) -> None:
        self.name, self.program, self.outside, self.lines = name, program, outside, lines
        self.convolutions, self.tables, self.teaches = convolutions, tables, teaches
        self.ages = ages
        self.kernels: set[str] = set()
        self.single = False  # whether a kernel is called on float32
        self._views: dict[Shown, str] = {}
        self._fixed: list[str] = []
        self._shaped: list[str] = []
        self._memory: dict[int, str] = {}
        self._places: list[str] = []
        self._fills: list[str] = []
        self._numbers: dict[str, str] = {}
        self._members: list[str] = []
        self._prepared: list[str] = []
        self._heard = self._with_audio()
        self._set = self._after({i for i, s in enumerate(program.slots) if s.kind == "setting"})

    # What `operations` asks for.

    def view(self, shown: Shown) -> str:
        """The C++ name of a tensor; its memory is placed when first asked for."""
        if shown not in self._views:
            name = self._views[shown] = f"v{len(self._views)}"
            self._members.append(f"View {name};")
            self._define(name, shown, self._pointer(shown))
        return self._views[shown]

    def number(self, value: Any) -> str:
        """The C++ name of a tensor () float64 that holds a number."""
        code = self.code(value)
        if code not in self._numbers:
            name = self._numbers[code] = f"k{len(self._numbers)}"
            self._members += [f"double {name}_ = 0;", f"View {name};"]
            self._fixed += [
                f"{name}_ = double({code});",
                f"{name} = seen(&{name}_, 0, {{}}, {{}});",
            ]
        return self._numbers[code]

    def code(self, value: Any) -> str:
        """A number as a C++ expression over `rate`, and `n` where it depends on the block."""
        if isinstance(value, Formula):
            return value.code
        if isinstance(value, tuple):
            return whole(value)
        if isinstance(value, (bool, int, float)):
            return literal(value)
        raise CannotExportError(f"an argument {value!r} has no counterpart in C++")

    # Memory.

    def _pointer(self, shown: Shown) -> str:
        if shown.dtype not in _TYPES:
            raise CannotExportError(f"it works with numbers of type {shown.dtype}")
        slot = self.program.slots[shown.slot]
        if slot.kind in ("sound", "setting", "state", "part"):
            return self.outside(slot.kind, slot.name)
        if shown.slot not in self._memory:
            name = self._memory[shown.slot] = f"m{shown.slot}"
            kind = ctype(slot.dtype)
            if slot.kind == "constant" and not slot.values:
                self._table(name, kind, shown)
                return name
            self._members.append(f"{kind}* {name} = nullptr;")
            self._places.append(f"{name} = arena.take<{kind}>({self._count(shown.slot)});")
            if slot.kind == "constant":
                self._constant(name, kind, shown.slot)
        return self._memory[shown.slot]

    def _count(self, slot: int) -> str:
        """Numbers in a slot for the longest block: as many as the tensors that see it reach."""
        values, count = self.program.slots[slot].values, self.program.slots[slot].count
        if len(values) > 1:
            return str(len(values))
        if count is not None:
            return whole(count)
        seen = [s for s in _every(self.program) if s.slot == slot]
        made = [r for step in self.program.steps for r in step.results if r.slot == slot]
        complete = [s for s in made or seen if s.offset == (ZERO, ZERO)]
        sizes = sorted({f"count({{{', '.join(map(whole, s.size))}}})" for s in complete})
        if not sizes:
            raise CannotExportError("it sees only a part of one of its tensors")
        return sizes[0] if len(sizes) == 1 else f"std::max({{{', '.join(sizes)}}})"

    def _table(self, name: str, kind: str, shown: Shown) -> None:
        table = self.program.slots[shown.slot].table
        if table is None:
            raise CannotExportError("the length of a table in it depends on the rate or the block")
        make = self.tables[table]
        self._members.append(f"{kind}* {name} = nullptr;")
        self._places.append(f"{name} = arena.table<{kind}>({self._count(shown.slot)});")
        self._prepared.append(f"fill_from({name}, {self._count(shown.slot)}, {make}(rate));")

    def _constant(self, name: str, kind: str, slot: int) -> None:
        values = self.program.slots[slot].values
        if len(values) == 1:
            size = self._count(slot)
            code = values[0].code
            self._fills.append(
                f"for (std::int64_t i = 0; i < {size}; ++i) {name}[i] = {kind}({code});"
            )
        elif all(v.constant for v in values):
            table = ", ".join(v.code for v in values)
            self._fills.append(
                f"{{ static const double t[] = {{{table}}}; "
                f"for (int i = 0; i < {len(values)}; ++i) {name}[i] = {kind}(t[i]); }}"
            )
        else:
            self._fills += [f"{name}[{i}] = {kind}({v.code});" for i, v in enumerate(values)]

    def _define(self, name: str, shown: Shown, pointer: str) -> None:
        sizes = ", ".join(map(whole, shown.size))
        kind = ctype(shown.dtype)
        if shown.stride is None:
            made = f"dense<{kind}>({pointer}, {whole(shown.offset)}, {{{sizes}}})"
        else:
            strides = ", ".join(map(whole, shown.stride))
            made = f"seen<{kind}>({pointer}, {whole(shown.offset)}, {{{sizes}}}, {{{strides}}})"
        moves = any(w[1] != ZERO for w in (*shown.size, *(shown.stride or ()), shown.offset))
        (self._shaped if moves else self._fixed).append(f"{name} = {made};")

    # Steps.

    def _with_audio(self) -> set[int]:
        """The slots whose values come from sound, or whose shape depends on the block."""
        program = self.program
        heard = {
            i for i, slot in enumerate(program.slots) if slot.kind in ("sound", "state", "part")
        }
        for step in program.steps:
            moves = any(w[1] != ZERO for s in of_step(step) for w in (*s.size, s.offset))
            if moves or step.op in ("part", CONVOLVE, ROOM):
                heard.update(step.writes)
        return self._after(heard)

    def _after(self, slots: set[int]) -> set[int]:
        """These slots, and those that are computed from them."""
        while True:
            before = len(slots)
            for step in self.program.steps:
                if any(s.slot in slots for s in of_step(step)):
                    slots.update(step.writes)
            if len(slots) == before:
                return slots

    def _needed(self) -> list[Step]:
        """The steps without which something that is heard or remembered would be another."""
        program = self.program
        slots = {program.output.slot, *(end.slot for end in program.ends)}
        steps: list[Step] = []
        for step in program.steps[::-1]:
            if step.op != "part" and not slots & set(step.writes):
                continue
            steps.append(step)
            read = of_step(step)
            if step.op in (CONVOLVE, ROOM) and not self.teaches:
                x, _, *more = step.args
                read = iter((x, *more))
            slots.update(shown.slot for shown in read)
        return steps[::-1]

    def _convolution(self, step: Step) -> list[str]:
        x, response, *more, _ = step.args
        ends = [end.slot for end in self.program.ends]
        own = self.convolutions[ends.index(step.results[1].slot)]
        if self.teaches:
            if response.slot in self._set | self._heard:
                raise CannotExportError("its impulse response follows from parameters or the sound")
            self._prepared.append(f"{own}.learn<{ctype(response.dtype)}>({self.view(response)});")
        heard = ", ".join(self.view(shown) for shown in (step.results[0], x, *more))
        return [f"{own}.run({heard});"]

    def _lines_of(self, step: Step) -> list[str]:
        if step.op == "part":
            return self._part(step)
        if step.op in (CONVOLVE, ROOM):
            return self._convolution(step)
        if step.op == BELLS:
            wanted, off, share = step.args
            made = ", ".join(self.view(shown) for shown in (step.results[0], wanted, off))
            return [f"bells({made}, {self.code(share)});"]
        if step.op.startswith("dspcore."):
            return self._kernel(step)
        return line(step, self)

    def _part(self, step: Step) -> list[str]:
        index, audio, further = step.args
        number = int(self.code(index))
        statements = []
        for key, shown in {"audio": audio, **further}.items():
            memory = self.outside("ear", f"{number}.{key}")
            sizes = ", ".join(map(whole, shown.size))
            statements.append(
                f"copy<double>(dense<double>({memory}, 0, {{{sizes}}}), {self.view(shown)});"
            )
        return [*statements, f"{self.outside('run', str(number))};"]

    def _kernel(self, step: Step) -> list[str]:
        name = step.op.split(".")[1]
        record = RECORDS[name]
        *tensors, attrs = step.args
        self.kernels.add(name)
        self.single = self.single or tensors[0].dtype != torch.float64
        kept = len(record.results)
        results: list[str] = []
        after: list[str] = []
        state = self._state_of_line(step) if name == "delay" else None
        views = [
            "" if state is not None and i == 4 else self.view(t) for i, t in enumerate(tensors)
        ]
        if state is not None:
            line = self.lines[state]
            own = []
            for shown in (tensors[4], step.results[3], step.results[1]):  # past, line, past after
                own.append(f"l{len(self._members)}")
                self._members.append(f"View {own[-1]};")
                self._define(own[-1], shown, f"{line}.data")
            views[4] = own[0]
            results = [
                self.view(step.results[0]),
                own[2],
                self.view(step.results[2]),
                own[1],
                "View{}",
            ]
            aim = [f"{line}.aim({', '.join(own)}, n);"]
            after = [f"{line}.advance(n);"]
        else:
            aim = []
            results = [self.view(r) for r in step.results[:kept]]
            results += [
                self.view(r) if record.works_in_kept else "View{}" for r in step.results[kept:]
            ]
        numbers = ", ".join(self.code(a) for a in attrs)
        call = f"call(kernel_{name}, {{{numbers}}}, {{{', '.join([*views, *results])}}});"
        return [*aim, call, *after]

    def _state_of_line(self, step: Step) -> int | None:
        """The state that a delay continues, where that is kept in place."""
        ends = [end.slot for end in self.program.ends]
        after = step.results[1].slot
        return ends.index(after) if after in ends and ends.index(after) in self.lines else None

    def _ending(self) -> list[str]:
        """The state after the block goes where the next one finds it."""
        first: list[str] = []
        second: list[str] = []
        for i, end in enumerate(self.program.ends):
            if i in self.lines or i in self.convolutions:
                continue
            kind = ctype(end.dtype)
            target = f"e{i}"
            self._members.append(f"View {target};")
            plain = Shown(end.slot, end.dtype, end.size, None, (ZERO, ZERO))
            self._define(target, plain, self.outside("state", str(i)))
            source = self.view(end)
            slot = self.program.slots[end.slot]
            if slot.kind == "state" and slot.name == str(i) and end.stride is None:
                continue
            if slot.kind == "state":  # it may lie where another state is about to be put
                spare = f"x{i}"
                size = f"count({{{', '.join(map(whole, end.size))}}})"
                self._members += [f"{kind}* {spare}_ = nullptr;", f"View {spare};"]
                self._places.append(f"{spare}_ = arena.take<{kind}>({size});")
                self._define(spare, plain, f"{spare}_")
                first.append(f"copy<{kind}>({spare}, {source});")
                source = spare
            second.append(f"copy<{kind}>({target}, {source});")
        return first + second

    def source(self, doc: str, owner: str) -> str:
        """The struct; `owner` is the type that has the memory shared with other programs."""
        still: list[str] = []
        playing: list[str] = []
        for step in self._needed():
            writes = set(step.writes)
            place = still if self._set & writes else self._prepared
            if self._heard & writes:
                place = playing
            lines = self._lines_of(step)  # which may itself prepare what it reads
            place += lines
        out = self.program.output
        made = f"o{len(self._members)}"
        self._members.append(f"View {made};")
        sizes = Shown(out.slot, out.dtype, out.size, None, (ZERO, ZERO))
        self._define(made, sizes, self.outside("output", ""))
        playing.append(f"copy<double>({made}, {self.view(out)});")
        playing += self._ending()
        return "\n".join(
            [
                f"/// {doc}",
                f"struct {self.name} {{",
                *_indented([f"{owner}* own = nullptr;", "double rate = 0;"]),
                *_indented(["std::int64_t whole_rate = 0, shaped = -1;", "bool ready = false;"]),
                *_indented(self._members),
                *_method(f"void place(Arena& arena, {owner}& o, double r)", [
                    "own = &o;", "rate = r;", "whole_rate = std::int64_t(r);",
                    "const std::int64_t n = kBlock;", "(void)n, (void)arena;", *self._places]),
                *_method("void fill_in()", [
                    "const std::int64_t n = kBlock;", "(void)n;", *self._fills, *self._fixed,
                    "shaped = -1;", "ready = false;"]),
                *_method("void prepare()", self._prepared),
                *_method("void shape(std::int64_t n)", [*self._shaped, "shaped = n;"]),
                *_method("void settle()", [*still, "ready = true;"]),
                *_method("void run(std::int64_t n)", [
                    *(["const std::int64_t age = *own->age;", "(void)age;"] if self.ages else []),
                    "if (n != shaped) shape(n);", "if (!ready) settle();", *playing]),
                "};",
                "",
            ]
        )  # fmt: skip


def whole(value: Whole) -> str:
    """``a + b n`` in C++."""
    start, slope = value
    if slope == ZERO:
        return start.code
    each = "n" if slope.code == "1" else f"{slope.code} * n"
    return each if start == ZERO else f"{start.code} + {each}"


def of_step(step: Step) -> Iterator[Shown]:
    """The tensors that a step reads and writes."""
    tree = (step.args, dict(step.kwargs))
    leaves = pytree.tree_leaves(tree, is_leaf=lambda x: isinstance(x, Shown))
    yield from (x for x in leaves if isinstance(x, Shown))
    yield from step.results


def _every(program: Program) -> Iterator[Shown]:
    for step in program.steps:
        yield from of_step(step)
    yield from program.inputs.values()
    yield from (*program.states, program.output, *program.ends)


def _indented(lines: list[str]) -> list[str]:
    return [f"  {text}" for text in lines]


def _method(head: str, body: list[str]) -> list[str]:
    return [f"  {head} {{", *(f"    {text}" for text in body), "  }"]
