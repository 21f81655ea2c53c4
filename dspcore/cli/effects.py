"""``dspcore effects``: what can be put into a chain."""

from __future__ import annotations

import json
from typing import Any

import click

from dspcore.cli.table import table
from dspcore.effects import Effect, by_name, names


@click.command()
@click.argument("name", required=False)
@click.option("--sample-rate", type=click.IntRange(1), default=48_000, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(name: str | None, sample_rate: int, as_json: bool) -> None:
    """List the effects, or the parameters of one.

    Frequencies end at 0.45 of the sample rate, their defaults too.

    \b
    Examples:
        dspcore effects
        dspcore effects compressor
    """
    if as_json:
        chosen = [by_name(name)] if name else list(names().values())
        said = [facts(effect, sample_rate) for effect in chosen]
        click.echo(json.dumps(said[0] if name else said, indent=2))
    elif name:
        show_params(by_name(name), sample_rate)
    else:
        rows = [[e.name, ", ".join(e.aliases), e.summary()] for e in names().values()]
        click.echo(table(["effect", "also", "what it does"], rows))


def show_params(effect: type[Effect], sample_rate: int) -> None:
    """Print the parameters, choices and files of an effect or an instrument."""
    also = f" (also: {', '.join(effect.aliases)})" if effect.aliases else ""
    click.echo(f"{effect.name}{also}: {effect.summary()}")
    if effect.inputs:
        click.echo(f"in a graph it also hears {', '.join(effect.inputs)}")
    stereo = effect.channels == "stereo" and not getattr(effect, "instrument", False)
    click.echo("stereo out, mono or stereo in\n" if stereo else "")
    rows = []
    for name, param in effect.params.items():
        low, high = param.range(sample_rate)
        default = f"{param.default_at(sample_rate):g}"
        rows.append([name, f"{low:g}", f"{high:g}", default, param.unit, param.scale, param.doc])
    for name, choice in effect.choices.items():
        rows.append([name, "", "", choice.default, "", " | ".join(choice.words), choice.doc])
    for name, file in effect.files.items():
        rows.append([name, "", "", "", "", "path", file.doc])
    head = ["parameter", "from", "to", "default", "unit", "scale", "meaning"]
    click.echo(table(head, rows))


def facts(effect: type[Effect], sample_rate: int) -> dict[str, Any]:
    """What --json says of an effect or an instrument."""
    params = []
    for name, param in effect.params.items():
        low, high = param.range(sample_rate)
        params.append(
            {
                "name": name,
                "minimum": low,
                "maximum": high,
                "default": param.default_at(sample_rate),
                "unit": param.unit,
                "scale": param.scale,
                "doc": param.doc,
            }
        )
    choices = [
        {"name": name, "words": list(choice.words), "default": choice.default, "doc": choice.doc}
        for name, choice in effect.choices.items()
    ]
    return {
        "name": effect.name,
        "aliases": list(effect.aliases),
        "summary": effect.summary(),
        "channels": effect.channels,
        "inputs": list(effect.inputs),
        "params": params,
        "choices": choices,
        "files": [{"name": name, "doc": file.doc} for name, file in effect.files.items()],
    }
