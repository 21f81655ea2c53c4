"""One part of a chain, an effect or the wires, as C++: its four programs and their memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dspcore.errors import UserError
from dspcore.export.emit import Struct, of_step, whole
from dspcore.export.numbers import ZERO
from dspcore.export.operations import ctype
from dspcore.export.program import Program, Shown
from dspcore.export.record import CannotExportError
from dspcore.export.takes import FIRST, NEXT
from dspcore.export.whole import CONVOLVE, ROOM

_MEMBERS = ("still_first", "still_next", "moving_first", "moving_next")


@dataclass(frozen=True)
class Written:
    """The C++ of a part."""

    code: str
    kernels: frozenset[str]  # ops that it calls
    single: bool  # whether it calls one on float32
    sounds: tuple[str, ...]  # its inputs that are audio


def write(
    owner: str,
    name: str,
    programs: Mapping[tuple[str, bool], Program],
    settings: Iterable[int],
    values: Callable[[str], str],
    tables: Sequence[str] = (),
    kept: int = 0,
    held: Sequence[int] = (),
) -> Written:
    """The struct called `owner`.

    Args:
        owner: In C++.
        name: Of the part, for people.
        programs: By stage and whether parameters move.
        settings: The indices of its parameters.
        values: Where the values of a parameter, by its name in the program, are found in C++.
        tables: The C++ functions of the effect's tables.
        kept: Of a voice: how many numbers it is told when its note begins.
        held: Of a voice: the indices of the parameters among them.
    """
    first, following = programs[FIRST, False], programs[NEXT, False]
    if not len(first.ends) == len(following.ends) == len(following.states):
        raise UserError(f"{name} cannot be exported: its state is another after the first block")
    lines = {i: f"own->line{i}" for i in _lines(programs.values())}
    rooms = _convolutions(first)
    convolutions = {i: f"own->convolution{i}" for i in rooms}

    def outside(kind: str, what: str) -> str:
        known = {
            "sound": f"own->ear_{what}",
            "state": f"own->state{what}",
            "output": "own->made",
            "part": f"part_made(own->chain, {what})",
            "ear": f'part_ear(own->chain, {what.partition(".")[0]}, "{what.partition(".")[2]}")',
            "run": f"part_run(own->chain, {what}, n)",
        }
        return known[kind] if kind in known else values(what)

    structs, members = [], []
    kernels: set[str] = set()
    single = False
    for (stage, moving), program in programs.items():
        kind = "moving" if moving else "still"
        struct = Struct(
            f"{owner}{kind.title()}{stage.title()}",
            program,
            outside,
            lines,
            convolutions,
            tables,
            teaches=(stage, moving) == (FIRST, False),
            ages=bool(kept),
        )
        try:
            structs.append(struct.source(f"{name}, {kind}, {stage} block.", f"{owner}Memory"))
        except CannotExportError as error:
            raise UserError(f"{name} cannot be exported: {error}") from error
        kernels |= struct.kernels
        single = single or struct.single
        members.append(f"  {struct.name} {kind}_{stage};")
    sounds = tuple(
        k for k, s in following.inputs.items() if following.slots[s.slot].kind == "sound"
    )
    shared, places = _memory(following, sounds, lines.keys(), rooms)
    numbers = ", ".join(map(str, settings)) or "-1"
    ready = " = ".join(f"{member}.ready" for member in _MEMBERS)
    voice = []
    if kept:
        shared += ["  double* kept = nullptr;", "  std::int64_t* age = nullptr;"]
        places += [f"kept = arena.take<double>({kept});", "age = arena.take<std::int64_t>(1);"]
        voice = [
            f"  static constexpr int kHeld[] = {{{', '.join(map(str, held)) or '-1'}}};",
            "  /// What followed from its note is to be computed again.",
            "  void forget() {",
            f"    {ready} = false;",
            "  }",
        ]
    code = [
        f"struct {owner}Memory {{",
        "  Chain* chain = nullptr;",
        *shared,
        "};",
        "",
        *structs,
        f"/// {name}.",
        f"struct {owner} : {owner}Memory {{",
        f"  static constexpr int kSettings[] = {{{numbers}}};",
        *voice,
        *members,
        "  std::int64_t* begun = nullptr;",
        "",
        "  void place(Arena& arena, Chain& c, double rate) {",
        "    const std::int64_t whole_rate = std::int64_t(rate), n = kBlock;",
        "    (void)whole_rate, (void)n;",
        "    chain = &c;",
        "    begun = arena.take<std::int64_t>(1);",
        *(f"    {line}" for line in places),
        *(f"    {member}.place(arena, *this, rate);" for member in _MEMBERS),
        "  }",
        "  void fill_in() {",
        *(f"    {member}.fill_in();" for member in _MEMBERS),
        "  }",
        "  void prepare() {",
        *(f"    {member}.prepare();" for member in _MEMBERS),
        "  }",
        "  void reset() {",
        "    *begun = 0;",
        *(f"    line{i}.clear();" for i in sorted(lines)),
        *(f"    convolution{i}.clear();" for i in sorted(rooms)),
        "  }",
        "  void run(std::int64_t n, bool moving, bool changed) {",
        "    if (moving || changed) still_first.ready = still_next.ready = false;",
        "    if (*begun)",
        "      moving ? moving_next.run(n) : still_next.run(n);",
        "    else",
        "      moving ? moving_first.run(n) : still_first.run(n);",
        "    *begun = 1;",
        "  }",
        "};",
        "",
    ]
    return Written("\n".join(code), frozenset(kernels), single, sounds)


def _memory(
    program: Program, sounds: Iterable[str], lines: Iterable[int], rooms: Mapping[int, str]
) -> tuple[list[str], list[str]]:
    """What the programs of a part share: members, and how each gets its place."""
    shared, places = [], []
    for key in sounds:
        shared.append(f"  double* ear_{key} = nullptr;")
        places.append(f"ear_{key} = arena.take<double>({_room(program.inputs[key])});")
    shared.append("  double* made = nullptr;")
    places.append(f"made = arena.take<double>({_room(program.output)});")
    for i, end in enumerate(program.ends):
        if i in lines:
            *rows, (length, _) = program.states[i].size
            count = " * ".join(f"({size.code})" for size, _ in rows)
            shared.append(f"  Line line{i};")
            places.append(f"line{i}.place(arena, {count}, {length.code});")
        elif i in rooms:
            shared.append(f"  Convolution convolution{i};")
            places.append(f"convolution{i}.place(arena, {rooms[i]}, rate);")
        else:
            kind = ctype(end.dtype)
            shared.append(f"  {kind}* state{i} = nullptr;")
            places.append(f"state{i} = arena.take<{kind}>({_room(end)});")
    return shared, places


def _lines(programs: Iterable[Program]) -> list[int]:
    """The states that are nothing but the past of one delay, in every program of a part."""
    found: list[set[int]] = []
    for program in programs:
        here: set[int] = set()
        for step in program.steps:
            if step.op != "dspcore.delay.default":
                continue
            past, after = step.args[4], step.results[1]
            slot = program.slots[past.slot]
            ends = [i for i, end in enumerate(program.ends) if _same_line(end, after)]
            silent = bool(slot.values) and all(
                v.constant and not float(v.code) for v in slot.values
            )
            uses = sum(s.slot == past.slot for other in program.steps for s in of_step(other))
            follows = slot.kind == "state" and uses == 1 and [int(slot.name)] == ends
            if len(ends) == 1 and past.stride is None and (silent or follows):
                here.update(ends)
        found.append(here)
    return sorted(set.intersection(*found)) if found else []


def _same_line(end: Shown, after: Shown) -> bool:
    """Whether a state is the past after a delay, which may count its lines in other dimensions."""
    dense = end.stride is None is after.stride and end.offset == after.offset == (ZERO, ZERO)
    return dense and end.slot == after.slot and end.size[-1] == after.size[-1]


def _convolutions(program: Program) -> dict[int, str]:
    """The states that are the past of convolutions, with channels, bands, responses, and taps."""
    found = {}
    ends = [end.slot for end in program.ends]
    for step in program.steps:
        if step.op in (CONVOLVE, ROOM):
            x, response = step.args[:2]
            bands, own, taps = response.size
            sizes = (x.size[1], bands, own, taps)
            found[ends.index(step.results[1].slot)] = ", ".join(map(whole, sizes))
    return found


def _room(shown: Shown) -> str:
    return f"count({{{', '.join(map(whole, shown.size))}}})"
