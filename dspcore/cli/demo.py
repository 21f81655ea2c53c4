"""``dspcore demo``: hide the settings of a chain, and find them again."""

from __future__ import annotations

from pathlib import Path

import click
import torch

from dspcore import audio
from dspcore.chain import Chain
from dspcore.cli.match import find
from dspcore.demo import SAMPLE_RATE, hidden_chain, loop
from dspcore.effects import Compressor, Delay, ParametricEQ
from dspcore.match.save import folder_for
from dspcore.preset import save_preset


@click.command()
@click.option("--out", default="demo", show_default=True, help="Folder for all that is written.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What to hide.")
@click.option("--quick", is_flag=True, help="One bar and a short search, to see that it works.")
def command(out: str, seed: int, quick: bool) -> None:
    """Show the main job: play a loop, hide settings of three effects, and find them again.

    Writes the dry loop, the reference made with the hidden settings, and what `dspcore match` makes
    of the two. Needs no file and no network; a second run replaces the first.

    \b
    Example:
        dspcore demo --out demo/
    """
    with folder_for(out, overwrite=True) as folder, folder_for(Path(out, "result"), overwrite=True):
        dry = loop(seed, bars=1 if quick else 3)
        hidden = hidden_chain(dry, seed)
        with torch.no_grad():
            reference = hidden(dry[None])[0]
        start = Chain([ParametricEQ(SAMPLE_RATE), Compressor(SAMPLE_RATE), Delay(SAMPLE_RATE)])
        audio.write(folder / "dry.wav", dry, SAMPLE_RATE, "FLOAT")
        audio.write(folder / "reference.wav", reference, SAMPLE_RATE, "FLOAT")
        save_preset(hidden, folder / "hidden.toml", "What the search does not know.")
        save_preset(start, folder / "chain.toml", "Where the search starts.")
        click.echo(
            f"{folder}: a loop of {dry.shape[1] / SAMPLE_RATE:.1f} s, and the same through hidden "
            "settings of equaliser, compressor and delay; searching for them"
        )
        find(
            dry,
            reference,
            start,
            folder / "result",
            true=hidden.canonical().values,
            effort="quick" if quick else "normal",
            seed=seed,
            title="Hidden settings, found again",
            notes=["The dry loop is played by dspcore's own oscillators and filters."],
        )
