"""``dspcore synth``: instruments, and notes played by them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import torch
from tqdm import tqdm

from dspcore import audio, blackbox
from dspcore.cli import patches, synth_estimators, synth_predictability
from dspcore.cli.effects import facts, show_params
from dspcore.cli.table import table
from dspcore.errors import UserError
from dspcore.files import write_text
from dspcore.notes import read_notes
from dspcore.preset import load_synth, synth_text
from dspcore.preset.synths import find_synth
from dspcore.synth import Synth, VoiceSynth, by_name, names

_BLOCK_SECONDS = 2.0


@click.group()
def command() -> None:
    """Play instruments, and make data sets of their patches.

    \b
    Examples:
        dspcore synth render notes.mid --synth subtractive -o out.wav
        dspcore synth generate faust24 --count 8000 --out faust24/
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def listing(as_json: bool) -> None:
    """List the instruments.

    \b
    Example:
        dspcore synth list
    """
    if as_json:
        click.echo(json.dumps([facts(kind, 48_000) for kind in names().values()], indent=2))
        return
    rows = [[kind.name, ", ".join(kind.aliases), kind.summary()] for kind in names().values()]
    click.echo(table(["instrument", "also", "what it does"], rows))


@command.command()
@click.argument("name")
@click.option("--sample-rate", type=click.IntRange(1), default=48_000, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(name: str, sample_rate: int, as_json: bool) -> None:
    """Show the parameters of the instrument NAME, ours or a plug-in.

    \b
    Examples:
        dspcore synth show subtractive
        dspcore synth show mda:EPiano
    """
    kind = find_synth(name, sample_rate)
    if as_json:
        click.echo(json.dumps(facts(kind, sample_rate), indent=2))
    else:
        show_params(kind, sample_rate)


@command.command()
@click.argument("name")
@click.option("--random", "seed", type=int, metavar="SEED", help="Settings drawn at random.")
@click.option("--sample-rate", type=click.IntRange(1), default=48_000, show_default=True)
@click.option("-o", "--output", help="File to write.  [default: print it]")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def new(name: str, seed: int | None, sample_rate: int, output: str | None, overwrite: bool) -> None:
    """Write a preset of the instrument NAME, with a comment for every parameter.

    \b
    Example:
        dspcore synth new subtractive -o lead.toml
    """
    instrument = find_synth(name, sample_rate)(sample_rate)
    if seed is not None:
        p = instrument.random(1, torch.Generator().manual_seed(seed))
        values = {n: float(v) for n, v in instrument.denormalize(p).items()}
        instrument = type(instrument)(sample_rate, **values)
    text = synth_text(instrument)
    if output is None:
        click.echo(text, nl=False)
        return
    if Path(output).exists() and not overwrite:
        raise UserError(f"{output}: exists already; replace with --overwrite")
    write_text(output, text)
    click.echo(
        f"{output}: written; next: dspcore synth render notes.mid --synth {output} -o out.wav"
    )


@command.command()
@click.argument("notes")
@click.option(
    "--synth", "name", required=True, help="An instrument's name, its preset, or a plug-in."
)
@click.option("-o", "--output", required=True, help="Audio file to write.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Length.  [default: all]")
@click.option("--sample-rate", type=click.IntRange(1), help="In Hz.  [default: 48000, or preset's]")
@click.option("--channel", type=click.IntRange(1, 16), help="Of the MIDI file.  [default: all]")
@click.option("--subtype", help="Sample format: PCM_16, PCM_24, FLOAT, ...")
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
def render(
    notes: str,
    name: str,
    output: str,
    settings: tuple[str, ...],
    seconds: float | None,
    sample_rate: int | None,
    channel: int | None,
    subtype: str | None,
    overwrite: bool,
) -> None:
    """Play NOTES, a MIDI file or a TOML file, with an instrument.

    A TOML file has a table [[note]] with start, seconds, pitch and velocity for each. Percussion
    (MIDI channel 10) is left out unless asked for. A result that would clip is turned down, and
    that is said.

    \b
    Examples:
        dspcore synth render notes.mid --synth subtractive -o out.wav
        dspcore synth render notes.toml --synth lead.toml --set cutoff_hz=2000 -o out.flac
    """
    if Path(output).exists() and not overwrite:
        raise UserError(f"{output}: exists already; replace with --overwrite")
    audio.format_of(output, subtype)
    played = read_notes(notes, channel)
    if not played:
        raise UserError(f"{notes}: has no notes" + (f" on channel {channel}" if channel else ""))
    instrument = _instrument(name, sample_rate, settings)
    rate = instrument.sample_rate
    ring = 2.0
    if isinstance(instrument, VoiceSynth):
        own = {n: torch.tensor([[v]]) for n, v in instrument.values.items()}
        ring = float(instrument.release_seconds(own))
    length = seconds or max(note.start + note.seconds for note in played) + ring
    with torch.no_grad():
        sound = _rendered(instrument, played, length)
    peak = float(sound.abs().max())
    said = f"peak {audio.dbfs(peak):.2f} dBFS"
    if peak > 1.0:
        sound = sound / peak * 0.99
        said = f"turned down by {audio.dbfs(peak / 0.99):.1f} dB, for it would have clipped"
    audio.write(output, sound, rate, subtype)
    click.echo(f"{output}: {len(played)} notes, {sound.shape[1] / rate:.2f} s, {rate} Hz, {said}")


for _command in (
    *patches.COMMANDS,
    *synth_estimators.COMMANDS,
    synth_predictability.predictability,
):
    command.add_command(_command)


def _instrument(name: str, sample_rate: int | None, settings: tuple[str, ...]) -> Synth:
    """The instrument of a name, a preset or a plug-in, with settings in place of its own."""
    values: dict[str, Any] = {}
    if name.endswith(".toml"):
        made = load_synth(name, sample_rate)
        kind, values = type(made), {**made.values, **made.options}
        rate = made.sample_rate
    else:
        rate = sample_rate or 48_000
        kind = find_synth(name, rate) if blackbox.is_source(name) else by_name(name)
    for setting in settings:
        key, equals, word = setting.partition("=")
        if not equals:
            raise UserError(f"--set: wanted NAME=VALUE, got {setting!r}")
        try:
            values[key] = word if key in kind.choices else float(word)
        except ValueError as error:
            raise UserError(f"--set {key}: must be a number, got {word!r}") from error
    return kind(rate, **values)


def _rendered(instrument: Synth, played: list[Any], seconds: float) -> torch.Tensor:
    """The sound (c, t): ours block by block under a bar, a plug-in's as a whole."""
    if not isinstance(instrument, VoiceSynth):
        return instrument(played, seconds)[0]
    stream, rate = instrument.stream(played), instrument.sample_rate
    total, size, parts = max(1, round(seconds * rate)), round(_BLOCK_SECONDS * rate), []
    form = "{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]"
    with tqdm(total=total / rate, bar_format=form, disable=None) as bar:
        for start in range(0, total, size):
            parts.append(stream(min(size, total - start))[0])
            bar.update(parts[-1].shape[1] / rate)
    return torch.cat(parts, 1)
