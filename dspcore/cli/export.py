"""``dspcore export``: a chain as a native plug-in."""

from __future__ import annotations

import time
from pathlib import Path

import click
from tqdm import tqdm

from dspcore.errors import UserError, nearest
from dspcore.export import FORMATS, export
from dspcore.preset import load_preset


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
@click.option("--maker", default="dspcore", show_default=True, help="Who made it.")
@click.option("--march", help="A processor to build for, as g++ knows it: native, x86-64-v3.")
@click.option("--source", is_flag=True, help="Keep the C++, too.")
def command(
    chain: str,
    formats: list[str],
    name: str | None,
    out: str,
    channels: int,
    maker: str,
    march: str | None,
    source: bool,
) -> None:
    """Build CHAIN, a preset of a chain or a graph, as a native plug-in.

    Its sound is the chain's, computed by the same C++; every parameter is one of the plug-in, and
    the preset's values are its defaults. Plug-ins need g++ and Debian's dpf-source; the format c,
    a library with a header, needs g++ alone.

    \b
    Examples:
        dspcore export chain.toml --name "My Chain"
        dspcore export result/preset.toml --format vst3 clap lv2 vst2 ladspa --out build/
    """
    rack = load_preset(chain)
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
