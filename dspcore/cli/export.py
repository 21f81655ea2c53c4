"""``dspcore export``: a chain as a native plug-in."""

from __future__ import annotations

import time
import tomllib
from contextlib import suppress
from pathlib import Path

import click
from tqdm import tqdm

from dspcore.effects import names
from dspcore.errors import UserError, nearest
from dspcore.export import FORMATS, export
from dspcore.graph import Graph
from dspcore.preset import load_preset, load_synth
from dspcore.rack import Rack
from dspcore.synth import VoiceSynth


class _Command(click.Command):
    """Takes several formats after one ``--format``, as people write them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each format."""
        spread: list[str] = []
        taking = False
        for arg in args:
            if taking and arg.lower() in FORMATS and spread[-1] not in ("-f", "--format"):
                spread += ["--format", arg]
                continue
            taking = arg in ("-f", "--format") or (taking and spread[-1] in ("-f", "--format"))
            spread.append(arg)
        return super().parse_args(ctx, spread)


def _formats(_: click.Context, __: click.Parameter, words: tuple[str, ...]) -> list[str]:
    keys = [key.lower() for word in words for key in word.split(",") if key]
    for key in keys:
        if key not in FORMATS:
            raise click.BadParameter(f"{key!r} is no format; {nearest(key, FORMATS)}")
    return list(dict.fromkeys(keys))


def _loaded(path: str) -> Rack | VoiceSynth:
    """The chain, the graph or the instrument of a preset."""
    with suppress(OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        if "synth" in tomllib.loads(Path(path).read_text(encoding="utf-8")):
            synth = load_synth(path)
            if not isinstance(synth, VoiceSynth):
                raise UserError(f"{path}: {synth.name} is a plug-in itself and cannot be exported")
            return synth
    return load_preset(path)


def _with_sidechain(rack: Rack | VoiceSynth, path: str) -> Graph:
    """The same with an input that every effect hears whose side-chain nothing was sent to."""
    if isinstance(rack, VoiceSynth):
        raise UserError(f"{path}: an instrument has no side-chain")
    graph = Graph.of(rack)
    free = [
        name
        for name, place in graph.nodes().items()
        if place.effect and "sidechain" in place.effect.inputs and "sidechain" not in place.inputs
    ]
    if not free:
        able = ", ".join(kind.name for kind in names().values() if "sidechain" in kind.inputs)
        raise UserError(f"{path}: nothing in it takes a side-chain; these do: {able}")
    beside = graph.add_input("sidechain")
    for name in free:
        graph.connect(beside, name, input="sidechain")
    return graph


@click.command(cls=_Command)
@click.argument("chain", type=click.Path())
@click.option(
    "-f",
    "--format",
    "formats",
    multiple=True,
    default=("vst3", "clap", "lv2"),
    show_default=True,
    metavar="FORMAT...",
    callback=_formats,
    help=f"One or several of {', '.join(FORMATS)}.",
)
@click.option("--name", help="What hosts show.  [default: the name of the file]")
@click.option("-o", "--out", default="build", show_default=True, help="Folder for the plug-ins.")
@click.option("--channels", type=click.IntRange(1, 2), default=2, show_default=True, help="In.")
@click.option("--sidechain", is_flag=True, help="A second input, for all that has a side-chain.")
@click.option(
    "--voices", type=click.IntRange(1, 128), default=16, show_default=True, help="Of an instrument."
)
@click.option("--maker", default="dspcore", show_default=True, help="Who made it.")
@click.option("--march", help="A processor to build for, as g++ knows it: native, x86-64-v3.")
@click.option("--source", is_flag=True, help="Keep the C++, too.")
def command(
    chain: str,
    formats: list[str],
    name: str | None,
    out: str,
    channels: int,
    sidechain: bool,
    voices: int,
    maker: str,
    march: str | None,
    source: bool,
) -> None:
    """Build CHAIN, a preset of a chain, a graph or an instrument, as a native plug-in.

    Its sound is the chain's, computed by the same C++; every parameter is one of the plug-in, and
    the preset's values are its defaults. Plug-ins need g++ and Debian's dpf-source; the format c,
    a library with a header, needs g++ alone.

    \b
    Examples:
        dspcore export chain.toml --name "My Chain"
        dspcore export ducked.toml --sidechain --format vst3
        dspcore export lead.toml --format clap lv2 --voices 8
        dspcore export result/preset.toml --format vst3 clap lv2 vst2 ladspa --out build/
    """
    rack: Rack | VoiceSynth = _loaded(chain)
    if sidechain:
        rack = _with_sidechain(rack, chain)
    if name is None:
        stem = Path(chain).stem
        name = Path(chain).resolve().parent.name if stem == "preset" else stem
        name = name.replace("_", " ").title()
        if not any(letter.isalpha() for letter in name):
            raise UserError(f"{chain}: no name for hosts in it; give one with --name")
    began = time.monotonic()
    with tqdm(bar_format="{desc} [{elapsed}]", leave=False, disable=None) as bar:
        done = export(
            rack,
            out,
            name=name,
            formats=formats,
            channels=channels,
            voices=voices,
            maker=maker,
            march=march,
            source=source,
            progress=bar.set_description_str,
        )
    for made in done:
        click.echo(f"{made.path}: {FORMATS[made.format].title}")
    click.echo(
        f"{name}: {len(rack.params)} parameters, {time.monotonic() - began:.0f} s; "
        "put it where your host looks, or add the folder to its search paths"
    )
