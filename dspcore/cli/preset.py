"""``dspcore preset``: chain files to start from, and what is in one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from dspcore import graphs
from dspcore.chain import Chain
from dspcore.cli.table import table
from dspcore.effects import Effect
from dspcore.errors import UserError
from dspcore.files import write_text
from dspcore.graph import Graph
from dspcore.graph.picture import draw
from dspcore.graph.words import wiring
from dspcore.preset import load_preset, preset_text
from dspcore.preset.tables import find_effect

#: Of a new chain, in Hz; ``dspcore render`` follows the file that it is given.
_RATE = 48_000


@click.group()
def command() -> None:
    """Write a new chain file, or show one.

    \b
    Example:
        dspcore preset new eq compressor reverb -o chain.toml
    """


@command.command()
@click.argument("effects", nargs=-1)
@click.option("--graph", metavar="NAME", help=f"A ready graph: {', '.join(graphs.READY)}.")
@click.option("-o", "--output", help="File to write.  [default: print it]")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def new(effects: tuple[str, ...], graph: str | None, output: str | None, overwrite: bool) -> None:
    """Write a chain file of EFFECTS, or a ready graph, with a comment for every parameter.

    A plug-in is named as for `dspcore plugins`.

    \b
    Examples:
        dspcore preset new eq compressor reverb -o chain.toml
        dspcore preset new eq mda:Overdrive limiter -o chain.toml
        dspcore preset new --graph vocal -o vocal.toml
    """
    if bool(effects) == (graph is not None):
        raise click.UsageError("name the effects of a chain, or --graph and the name of a graph")
    if graph is None:
        text = preset_text(Chain(find_effect(name, _RATE)(_RATE) for name in effects))
    else:
        ready = graphs.by_name(graph)
        text = preset_text(ready(), (ready.__doc__ or "").partition("\n")[0])
    if output is None:
        click.echo(text, nl=False)
        return
    if Path(output).exists() and not overwrite:
        raise UserError(f"{output}: exists already; replace with --overwrite")
    write_text(output, text)
    click.echo(f"{output}: written; next: dspcore render {output} in.wav -o out.wav")


@command.command()
@click.argument("chain")
@click.option("--sample-rate", type=click.IntRange(1), help="As if for audio of this rate, in Hz.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--plot", metavar="FILE", help="Draw it: .png, .svg or .pdf; replaces the file.")
def show(chain: str, sample_rate: int | None, as_json: bool, plot: str | None) -> None:
    """Show the wiring and every setting of a CHAIN file, with those left at their defaults.

    \b
    Examples:
        dspcore preset show chain.toml
        dspcore preset show chain.toml --plot chain.png
    """
    loaded = load_preset(chain, sample_rate)
    if plot is not None:
        draw(loaded, plot)
    if as_json:
        click.echo(json.dumps(_facts(loaded), indent=2))
        return
    if isinstance(loaded, Graph):
        if loaded.inputs:
            click.echo(f"further inputs: {', '.join(loaded.inputs)}")
        click.echo(table(["node", "effect", "hears"], wiring(loaded)) + "\n")
    else:
        click.echo(" -> ".join(["input", *loaded.effect_names, "output"]) + "\n")
    if rows := _settings(loaded):
        click.echo(table(["setting", "value", "unit", "range"], rows) + "\n")
    late = loaded.latency_samples()
    said = f", {late} samples late" if late else ""
    click.echo(f"{loaded.sample_rate} Hz, rings for {loaded.tail_seconds():.2f} s{said}")


def _settings(loaded: Chain | Graph) -> list[list[str]]:
    """A row for every choice and parameter: full name, value, unit, range."""
    rows, params, values = [], loaded.params, loaded.values
    effects = dict(zip(loaded.effect_names, loaded, strict=True))
    for name in [*effects, "output"]:
        if name in effects:
            for key, choice in effects[name].choices.items():
                rows.append([f"{name}.{key}", effects[name].options[key], "", choice.describe()])
        for full, param in params.items():
            if full.startswith(f"{name}."):
                note = param.describe(loaded.sample_rate)
                rows.append([full, f"{values[full]:.6g}", param.unit, note])
    return rows


def _type(effect: Effect) -> str:
    """As a preset writes it."""
    return effect.source or effect.name


def _facts(loaded: Chain | Graph) -> dict[str, Any]:
    """What --json shows."""
    facts: dict[str, Any] = {
        "sample_rate": loaded.sample_rate,
        "tail_seconds": loaded.tail_seconds(),
        "latency_samples": loaded.latency_samples(),
    }
    if isinstance(loaded, Chain):
        facts["effect"] = [{"type": _type(e), **e.options, **e.values} for e in loaded]
        return facts
    facts["inputs"] = list(loaded.inputs)
    facts["node"] = []
    for name, place in loaded.nodes().items():
        fact: dict[str, Any] = {"name": name, "from": [asdict(edge) for edge in place.sources]}
        for key, edges in place.inputs.items():
            fact[key] = [asdict(edge) for edge in edges]
        if (effect := place.effect) is not None:
            fact |= {"type": _type(effect), **effect.options, **effect.values}
        facts["node"].append(fact)
    return facts
