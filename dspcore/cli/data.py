"""``dspcore data``: folders of recordings become manifests, audits, splits, shards and words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from dspcore import data
from dspcore.cli import data_words
from dspcore.cli.table import table
from dspcore.data.audit import KINDS
from dspcore.errors import UserError
from dspcore.files import write_text


@click.group()
def command() -> None:
    """Turn folders of recordings into data sets; no file is ever moved.

    \b
    Example:
        dspcore data manifest packs/ -o set.jsonl
        dspcore data audit set.jsonl -o audit.html
        dspcore data split set.jsonl -o split.json
        dspcore data shard set.jsonl --split split.json -o shards/
    """


command.add_command(data_words.command, "words")


def _pairs(_: click.Context, option: click.Parameter, given: tuple[str, ...]) -> list[Any]:
    pairs = [tuple(text.split("=", 1)) for text in given]
    if wrong := [text for text, pair in zip(given, pairs, strict=True) if len(pair) != 2]:
        raise click.BadParameter(f"wanted NAME=VALUE, got {wrong[0]!r}", param=option)
    return pairs


@command.command()
@click.argument("folders", nargs=-1, required=True)
@click.option("-o", "--output", required=True, help="The manifest to write, JSONL.")
@click.option("--include", multiple=True, help="Patterns of names to take; all by default.")
@click.option("--exclude", multiple=True, help="Patterns of names to leave out.")
@click.option("--group", default="", help="Regular expression; its bracket is the group.")
@click.option("--tag", multiple=True, callback=_pairs, help="TAG=PATTERN: tag what matches.")
@click.option("--licence", default="", help="Of all; by default the nearest LICENSE file's title.")
def manifest(
    folders: tuple[str, ...],
    output: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    group: str,
    tag: list[tuple[str, str]],
    licence: str,
) -> None:
    """Measure every audio file of FOLDERS and write a line of JSON for each.

    \b
    Example:
        dspcore data manifest sonic_pi/ -o set.jsonl --group '([a-z]+)_' --tag 'snares=sn_*'
    """
    rules = data.Rules(include or ("*",), exclude, group, tuple(tag), licence)
    rows = data.scan(folders, output, rules, progress=_shown("measuring"))
    minutes = sum(row.seconds for row in rows) / 60
    groups = len({row.group for row in rows})
    click.echo(f"{output}: {len(rows)} files, {minutes:.1f} min, {groups} groups")
    for row in rows:
        if row.error:
            click.echo(f"  {row.path}: {row.error}", err=True)


@command.command()
@click.argument("manifest")
@click.option("-o", "--output", help="The HTML page to write, with players.")
@click.option("--alike/--no-alike", default=True, help="Look for near copies, too.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def audit(manifest: str, output: str | None, alike: bool, as_json: bool) -> None:
    """Say what is wrong with the files of MANIFEST: copies, silence, clipping, wrong rates.

    \b
    Example:
        dspcore data audit set.jsonl -o audit.html
    """
    rows = data.read(manifest)
    findings = data.audit(rows, manifest, alike=alike, progress=_shown("listening"))
    if output:
        write_text(output, data.audit_page(rows, findings, manifest))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
        return
    counts = Counter(finding.kind for finding in findings)
    lines = [[kind, str(counts[kind]), KINDS[kind]] for kind in KINDS if counts[kind]]
    click.echo(table(["finding", "found", "rule"], lines) if lines else "nothing found")
    if output:
        click.echo(f"{output}: written")


@command.command()
@click.argument("manifest")
@click.option("-o", "--output", required=True, help="The split to write, JSON.")
@click.option("--share", multiple=True, callback=_pairs, help="SIDE=SHARE; train=0.9 valid=0.1.")
@click.option("--seed", default=0, show_default=True)
@click.option("--by", type=click.Choice(["files", "seconds"]), default="files", show_default=True)
def split(manifest: str, output: str, share: list[tuple[str, str]], seed: int, by: Any) -> None:
    """Deal the groups of MANIFEST to sides, so that none stands on two.

    \b
    Example:
        dspcore data split set.jsonl -o split.json --share train=0.8 --share test=0.2
    """
    try:
        shares = {side: float(value) for side, value in share} or {"train": 0.9, "valid": 0.1}
    except ValueError as error:
        raise UserError(f"--share: a share is a number; {error}") from error
    listed = data.read(manifest)
    made = data.split(listed, shares, seed=seed, by=by)
    data.write_split(output, made)
    rows = [
        [side, str(len(paths)), f"{made.shares[side]:.1%}", f"{made.wanted[side]:.1%}"]
        for side, paths in made.sides.items()
    ]
    click.echo(table(["side", "files", "share", "wanted"], rows))
    for side, (words, shared) in data.word_overlap(listed, made).items():
        click.echo(f"{side}: {words} different words, {shared} of them on another side, too")
    for names in made.joined:
        click.echo(f"kept together, they hold the same file: {', '.join(names)}")
    if max(abs(made.shares[s] - made.wanted[s]) for s in made.sides) > 0.01:
        click.echo("the groups are too few or too large to come nearer", err=True)


@command.command()
@click.argument("manifest")
@click.option("-o", "--output", required=True, help="Folder of the shards; one below it a side.")
@click.option("--split", "split_file", help="Write the sides of this split apart.")
@click.option("--sample-rate", type=click.IntRange(1), default=44_100, show_default=True)
@click.option("--channels", type=click.Choice(["mono", "stereo", "same"]), default="same")
@click.option("--shard-megabytes", type=click.IntRange(1), default=64, show_default=True)
@click.option("--ship", "tar", is_flag=True, help="Also write a tar of FLACs, for WebDataset.")
def shard(
    manifest: str,
    output: str,
    split_file: str | None,
    sample_rate: int,
    channels: str,
    shard_megabytes: int,
    tar: bool,
) -> None:
    """Write the clips of MANIFEST as a few large files that are read at random.

    Short clips are kept as they are. A run that was stopped goes on where it was.

    \b
    Example:
        dspcore data shard set.jsonl --split split.json -o shards/ --channels mono
    """
    rows = data.read(manifest)
    form = data.Format(sample_rate, {"mono": 1, "stereo": 2, "same": 0}[channels], shard_megabytes)
    broken: dict[str, str] = {row.path: row.error for row in rows if row.error}
    for side, chosen in _sides(rows, split_file).items():
        folder = Path(output, side)
        done = data.pack(chosen, manifest, folder, form, progress=_shown(side or "packing"))
        broken |= done.left_out
        click.echo(f"{folder}: {done.written} clips written, {done.kept} there already")
        if tar:
            target = folder.with_name(f"{folder.name}.tar")
            data.ship(data.Shards(folder), target, progress=_shown("shipping"))
            click.echo(f"{target}: written")
    for path, reason in broken.items():
        click.echo(f"left out {path}: {reason}", err=True)
    if broken:
        raise UserError(f"{len(broken)} of {len(rows)} files left out, all others are packed")


def _sides(rows: list[data.Row], split_file: str | None) -> dict[str, list[data.Row]]:
    """The rows by side; all under an empty name without a split."""
    if not split_file:
        return {"": rows}
    where = data.read_split(split_file).side_of()
    unknown = [row.path for row in rows if not row.error and row.path not in where]
    if unknown:
        raise UserError(
            f"{split_file}: has no {unknown[0]} and {len(unknown) - 1} other files; split it anew"
        )
    sides: dict[str, list[data.Row]] = {side: [] for side in where.values()}
    for row in rows:
        if not row.error:
            sides[where[row.path]].append(row)
    return sides


def _shown(what: str) -> Callable[..., Iterable[Any]]:
    def bar(items: Iterable[Any], total: int | None = None) -> Iterable[Any]:
        return tqdm(items, what, total=total, unit="file", leave=False)

    return bar
