"""``dspcore preset``: chain files to start from, and what is in one."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dspcore.chain import Chain
from dspcore.cli.table import table
from dspcore.effects import by_name
from dspcore.errors import UserError
from dspcore.files import write_text
from dspcore.preset import load_preset, preset_text


@click.group()
def command() -> None:
    """Write a new chain file, or show one.

    \b
    Example:
        dspcore preset new eq compressor reverb -o chain.toml
    """


@command.command()
@click.argument("effects", nargs=-1, required=True)
@click.option("-o", "--output", help="File to write.  [default: print it]")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def new(effects: tuple[str, ...], output: str | None, overwrite: bool) -> None:
    """Write a chain file of EFFECTS with their defaults and a comment for every parameter.

    \b
    Example:
        dspcore preset new eq compressor reverb -o chain.toml
    """
    text = preset_text(Chain(by_name(name)() for name in effects))
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
def show(chain: str, sample_rate: int | None, as_json: bool) -> None:
    """Show every setting of a CHAIN file, with those it leaves at their defaults.

    \b
    Example:
        dspcore preset show chain.toml
    """
    loaded = load_preset(chain, sample_rate)
    if as_json:
        items = [{"type": e.name, **e.options, **e.values} for e in loaded]
        facts = {"sample_rate": loaded.sample_rate, "tail_seconds": loaded.tail_seconds()}
        click.echo(json.dumps({**facts, "effect": items}, indent=2))
        return
    rows = []
    for name, effect in zip(loaded.effect_names, loaded, strict=True):
        for key, choice in effect.choices.items():
            rows.append([f"{name}.{key}", effect.options[key], "", choice.describe()])
        for key, param in effect.params.items():
            note = param.describe(loaded.sample_rate)
            rows.append([f"{name}.{key}", f"{effect.values[key]:.6g}", param.unit, note])
    click.echo(table(["setting", "value", "unit", "range"], rows))
    click.echo(f"\n{loaded.sample_rate} Hz, rings for {loaded.tail_seconds():.2f} s")
