"""``python -m docs``: write the tables in ops.md and effects.md again, from the declarations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dspcore import effects, ops, synth
from dspcore.effects import Effect
from dspcore.ops import RECORDS

HERE = Path(__file__).parent
BEGIN, END = "<!-- begin: written by `make docs` -->", "<!-- end -->"
RATE = 48_000  # Hz, at which ranges and defaults are shown


def main() -> None:
    """Write every page whose tables have changed."""
    for path, text in pages().items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"{path}: written")


def pages() -> dict[Path, str]:
    """What each page with tables should say."""
    makers: dict[str, Callable[[], Iterator[str]]] = {
        "ops.md": op_lines,
        "effects.md": lambda: effect_lines(effects.names()),
        "synth.md": lambda: effect_lines(synth.names()),
    }
    return {HERE / name: _filled(HERE / name, make()) for name, make in makers.items()}


def op_lines() -> Iterator[str]:
    """The public functions, then the kernels beneath them as their records say."""
    yield from _head("function", "what it computes")
    for name, function in functions().items():
        yield _row(f"`{name}({', '.join(_arguments(function))})`", _first_line(function))
    yield from ("", "## Kernels", "")
    yield from _head("op", "arguments", "results", "attributes", "error below, dB")
    for _, record in sorted(RECORDS.items()):
        groups = [
            ", ".join(
                f"{name} ({', '.join(dims.split())})" + ("*" if name in record.precise else "")
                for name, dims in group.items()
            )
            for group in (record.arguments, record.results)
        ]
        yield _row(
            f"`{record.name}`", *groups, ", ".join(record.attributes), f"{record.budget_db:g}"
        )


def functions() -> dict[str, Callable[..., Any]]:
    """Every public function of `dspcore.ops` by the name it is called by."""
    found = {name: item for name in ops.__all__ if callable(item := getattr(ops, name))}
    for name, item in inspect.getmembers(ops.design, inspect.isfunction):
        if item.__module__ == ops.design.__name__ and not name.startswith("_"):
            found[f"design.{name}"] = item
    return found


def effect_lines(named: Mapping[str, type[Effect]]) -> Iterator[str]:
    """A section for each effect or instrument."""
    for effect in named.values():
        yield from ("", f"## {effect.__name__}", "", _prose(effect), "", _called(effect), "")
        yield from _head("parameter", "from", "to", "default", "unit", "scale", "meaning")
        for name, param in effect.params.items():
            low, high = param.range(RATE)
            numbers = (f"{value:g}" for value in (low, high, param.default_at(RATE)))
            yield _row(f"`{name}`", *numbers, param.unit, param.scale, param.doc)
        for name, choice in effect.choices.items():
            words = ", ".join(f"`{word}`" for word in choice.words)
            yield _row(f"`{name}`", "", "", f"`{choice.default}`", "", words, choice.doc)
        for name, file in effect.files.items():
            yield _row(f"`{name}`", "", "", "", "", "path", file.doc)


def _called(effect: type[Effect]) -> str:
    plays = issubclass(effect, synth.Synth)
    text = f"In {'presets' if plays else 'chain files'}: " + " or ".join(
        f"`{name}`" for name in (effect.name, *effect.aliases)
    )
    if effect.channels == "stereo":
        text += "; mono or stereo in, stereo out"
    if effect.inputs:
        text += "; also hears " + ", ".join(f"`{name}`" for name in effect.inputs)
    return text + "."


def _filled(path: Path, lines: Iterator[str]) -> str:
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n" + "\n".join(lines).strip("\n") + f"\n\n{END}{after}"


def _head(*titles: str) -> Iterator[str]:
    yield "| " + " | ".join(titles) + " |"
    yield "|" + " --- |" * len(titles)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _arguments(function: Callable[..., Any]) -> Iterator[str]:
    named = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not named:
            named = True
            yield "*"
        required = parameter.default is inspect.Parameter.empty
        yield parameter.name if required else f"{parameter.name}={parameter.default!r}"


def _first_line(item: Any) -> str:
    return _prose(item).partition("\n")[0]


def _prose(item: Any) -> str:
    return (inspect.getdoc(item) or "").replace("``", "`")


if __name__ == "__main__":
    main()
