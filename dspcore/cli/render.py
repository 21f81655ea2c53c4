"""``dspcore render``: audio files through a chain."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import click
from tqdm import tqdm

from dspcore.audio import open_audio
from dspcore.cli import debugging
from dspcore.cli.batch import Failure, Job, attempt, plan, render_all
from dspcore.preset import load_preset
from dspcore.render import Level, Rendered


def _tail(_: click.Context, __: click.Parameter, value: str) -> float | None:
    if value == "auto":
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise click.BadParameter(f"wanted seconds or 'auto', got {value!r}")
    return seconds


def _level(_: click.Context, __: click.Parameter, value: str | None) -> Level | None:
    return None if value is None else Level.parse(value)


@click.command()
@click.argument("chain")
@click.argument("inputs", nargs=-1, required=True)
@click.option("-o", "--output", required=True, help="File for one input file, else a folder.")
@click.option(
    "--tail",
    default="auto",
    callback=_tail,
    metavar="SECONDS|auto",
    show_default=True,
    help="How long to go on after the input ends; auto: until the chain has rung out.",
)
@click.option(
    "--normalize",
    callback=_level,
    metavar="LEVEL",
    help="Bring the result to a loudness (-14LUFS) or a peak (-1dBFS).",
)
@click.option(
    "--subtype",
    help="Sample format: PCM_16, PCM_24, FLOAT, ...  [default: 24 bits where there are]",
)
@click.option(
    "--format", "ending", help="wav, flac, aiff, ogg, mp3: of the files in an output folder."
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Files to render at the same time, a process each.",
)
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@click.option(
    "--block",
    type=click.IntRange(1),
    default=65_536,
    show_default=True,
    help="Samples at a time; bounds the memory, not the result.",
)
def command(
    chain: str,
    inputs: tuple[str, ...],
    output: str,
    tail: float | None,
    normalize: Level | None,
    subtype: str | None,
    ending: str | None,
    jobs: int,
    overwrite: bool,
    block: int,
) -> None:
    """Render audio files through a CHAIN or graph (a preset file).

    INPUTS are files, folders and patterns; a folder's structure is kept. The chain runs at the
    sample rate of each file; a latency it has is cut off, so that results line up with their
    inputs. Nothing is written for a file that fails, and the rest go on.

    \b
    Examples:
        dspcore render chain.toml in.wav -o out.flac --normalize -14LUFS
        dspcore render chain.toml takes/ 'more/**/*.wav' -o rendered/ --jobs 4
    """
    load_preset(chain)  # a mistake in it is one message, not one per file
    todo = plan(inputs, output, ending=ending, overwrite=overwrite)
    if todo.ignored:
        names = ", ".join(str(path) for path in todo.ignored[:3])
        more = ", ..." if len(todo.ignored) > 3 else ""
        click.echo(f"no input by its name or place, left alone: {names}{more}", err=True)
    options = {
        "make_chain": partial(load_preset, chain),
        "tail_seconds": tail,
        "normalize": normalize,
        "subtype": subtype,
        "block": block,
    }
    done: list[Rendered] = []
    failures: list[Failure] = []
    for result in _with_bar(todo.jobs, options, jobs):
        if isinstance(result, Failure):
            failures.append(result)
        else:
            done.append(result)
    if len(todo.jobs) == 1 and done:
        click.echo(_line(done[0]))
    elif len(todo.jobs) > 1:
        click.echo(f"{output}: {len(done)} of {len(todo.jobs)} files rendered")
    if failures:
        if debugging():
            click.echo("\n".join(failure.trace for failure in failures), err=True)
        head = "" if len(todo.jobs) == 1 else f"{len(failures)} failed:\n  "
        raise click.ClickException(head + "\n  ".join(failure.message for failure in failures))


def _with_bar(
    jobs: list[Job], options: dict[str, Any], processes: int
) -> Iterator[Rendered | Failure]:
    """The results, under a bar that counts files, or the seconds of a single one."""
    if len(jobs) > 1:
        results = render_all(jobs, options, processes=processes)
        yield from (
            result for _, result in tqdm(results, total=len(jobs), unit="file", disable=None)
        )
        return
    with open_audio(jobs[0].source) as file:
        seconds = file.frames / file.samplerate
    form = "{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]"
    with tqdm(total=seconds, bar_format=form, disable=None) as bar:
        yield attempt(jobs[0], options, progress=bar.update)


def _line(result: Rendered) -> str:
    channels = {1: "mono", 2: "stereo"}.get(result.channels, f"{result.channels} channels")
    return (
        f"{result.path}: {result.samples / result.sample_rate:.2f} s, {channels}, "
        f"{result.sample_rate} Hz, {result.subtype}, peak {result.peak_dbfs:.2f} dBFS"
    )
