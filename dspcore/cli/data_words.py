"""``dspcore data words``: words in recordings, aligned, refined, cut and scored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from dspcore import audio
from dspcore.cli.table import table
from dspcore.data import manifest, words
from dspcore.data.words.cut import Cut, Source
from dspcore.errors import UserError


@click.group()
def command() -> None:
    """Find words in recordings and cut them out.

    \b
    Example:
        dspcore data words align speech.wav "the words that are said" -o speech.json
        dspcore data words cut speech.wav speech.json -o words/ --manifest words.jsonl
    """


@command.command()
@click.argument("recording")
@click.argument("text")
@click.option("-o", "--output", help="Write the words as JSON.")
@click.option("--voice", default="en", show_default=True, help="Of espeak-ng, the same language.")
@click.option("--speed", default=160, show_default=True, help="Words per minute, about.")
@click.option("--with", "program", help="Another aligner: mfa, or a line with {corpus} and {out}.")
def align(
    recording: str, text: str, output: str | None, voice: str, speed: int, program: str | None
) -> None:
    """Find when the words of TEXT are said in RECORDING.

    Without --with, espeak-ng reads the text and time is bent until both sound alike: no model is
    needed.
    """
    if program:
        (found,) = words.align_with(program, [(recording, text)])
    else:
        sound, rate = audio.read(recording)
        found = words.align(sound, rate, text, voice, speed)
    _show(found, output)


@command.command("read")
@click.argument("alignment")
@click.option("--tier", default="", help="Of a file with tiers.")
@click.option("-o", "--output", help="Write the words as JSON.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def reading(alignment: str, tier: str, output: str | None, as_json: bool) -> None:
    """Show the words of an ALIGNMENT: TextGrid, JSON, CSV or SMIL of an aligner."""
    found = words.read_words(alignment, tier)
    if as_json:
        click.echo(json.dumps([asdict(word) for word in found], indent=1))
    else:
        _show(found, output)


@command.command()
@click.argument("recording")
@click.argument("alignment")
@click.option("--step-ms", default=40.0, show_default=True, help="How far a boundary may move.")
@click.option("-o", "--output", required=True, help="Write the words as JSON.")
def refine(recording: str, alignment: str, step_ms: float, output: str) -> None:
    """Snap the boundaries of ALIGNMENT to the quietest places of RECORDING near them.

    For aligners with a coarse grid: --step-ms is half the grid. A precise one needs it not.
    """
    sound, rate = audio.read(recording)
    found = words.refine(words.read_words(alignment), sound, rate, step_ms / 1000)
    _show(found, output)


@command.command()
@click.argument("recording")
@click.argument("alignment")
@click.option("-o", "--output", required=True, help="Folder of the words.")
@click.option("--manifest", "listing", required=True, help="The manifest to write, JSONL.")
@click.option("--speaker", default="", help="The group of the rows; the recording's name.")
@click.option("--fade-ms", default=5.0, show_default=True)
@click.option("--least-ms", default=60.0, show_default=True)
@click.option("--most-ms", default=2000.0, show_default=True)
@click.option("--reject", multiple=True, help="A word that is left out.")
@click.option("--per-word", default=0, help="At most so many of a word; 0 is all.")
@click.option("--seed", default=0, show_default=True)
def cut(
    recording: str,
    alignment: str,
    output: str,
    listing: str,
    speaker: str,
    fade_ms: float,
    least_ms: float,
    most_ms: float,
    reject: tuple[str, ...],
    per_word: int,
    seed: int,
) -> None:
    """Write every word of RECORDING as a file of its own, and a manifest of them."""
    how = Cut(
        fade_ms=fade_ms,
        least_s=least_ms / 1000,
        most_s=most_ms / 1000,
        reject=frozenset(reject),
        per_word=per_word,
        seed=seed,
    )
    name = Path(recording)
    source = Source(name, speaker or name.stem, words.read_words(alignment))
    rows, left_out = words.cut([source], output, listing, how)
    if not rows:
        raise UserError(f"{alignment}: no word is left to cut: {dict(left_out)}")
    manifest.write(listing, rows)
    reasons = ", ".join(f"{n} {why}" for why, n in left_out.items() if n)
    click.echo(f"{output}: {len(rows)} words" + (f"; left out: {reasons}" if reasons else ""))


@command.command()
@click.argument("alignment")
@click.argument("truth")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def score(alignment: str, truth: str, as_json: bool) -> None:
    """Compare ALIGNMENT with TRUTH, boundary by boundary."""
    made = words.score(words.read_words(alignment), words.read_words(truth))
    if as_json:
        click.echo(json.dumps(asdict(made), indent=1))
        return
    click.echo(f"{made.matched} words, {made.missing} missing, {made.extra} too many")
    click.echo(f"error: mean {made.mean_ms:.1f} ms, median {made.median_ms:.1f} ms")
    rows = [[f"{ms} ms", f"{made.starts[ms]:.1%}", f"{made.ends[ms]:.1%}"] for ms in made.starts]
    click.echo(table(["within", "starts", "ends"], rows))


def _show(found: Sequence[words.Word], output: str | None) -> None:
    if output:
        words.write_words(output, found)
        click.echo(f"{output}: {len(found)} words")
        return
    rows = [[word.text, f"{word.start_s:.3f}", f"{word.end_s:.3f}"] for word in found]
    click.echo(table(["word", "start, s", "end, s"], rows))
