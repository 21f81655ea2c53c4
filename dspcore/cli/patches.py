"""``dspcore synth params, audit, generate, pack``: patches of a synth and data sets of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from tqdm import tqdm

from dspcore import patches
from dspcore.cli.table import table
from dspcore.errors import UserError
from dspcore.notes import Note, pitch_of
from dspcore.patches import (
    ISOLATIONS,
    Audit,
    Gates,
    Isolation,
    NoteRange,
    Recipe,
    Renderer,
)
from dspcore.patches.auditing import recalled, remember
from dspcore.patches.engines import Slurm
from dspcore.patches.generating import LOG, begin, finish, make_shards
from dspcore.patches.overlay import value_of
from dspcore.patches.recipe import RECIPE, read_recipe
from dspcore.patches.webdataset import export_webdataset

Function = TypeVar("Function", bound=Callable[..., Any])

_OPENING = (
    click.option("--sample-rate", type=click.IntRange(1), help="In Hz.  [default: 44100]"),
    click.option("--seconds", type=float, help="Of a sound.  [default: 1.5]"),
    click.option("--note", help="Pitch, 60 or C4, or a range, 36-72.  [default: 60]"),
    click.option("--velocity", help="1 to 127, or a range, 40-120.  [default: 100]"),
    click.option("--hold", type=float, help="Seconds that the key is down.  [default: 1]"),
    click.option("--channel", type=click.Choice(["left", "mix", "all"]), help="[default: left]"),
    click.option("--overlay", help="TOML file with corrections of the parameters."),
    click.option("--only", help="Parameters that are free, with commas; the rest is fixed."),
    click.option(
        "--chance/--no-chance",
        default=True,
        help="Whether parameters that draw random numbers stay free.  [default: they do]",
    ),
    click.option("--fix", multiple=True, metavar="NAME=VALUE", help="A parameter that is fixed."),
)


def _opening(function: Function) -> Function:
    """The options that say which synth, and how it is played."""
    for option in reversed(_OPENING):
        function = option(function)
    return click.argument("synth")(function)


def _opened(told: dict[str, Any], **more: Any) -> tuple[Renderer, NoteRange]:
    """The renderer and the notes of the options of `_opening`."""
    fixed = {}
    for setting in told.pop("fix"):
        name, equals, word = setting.partition("=")
        if not equals:
            raise UserError(f"--fix: wanted NAME=VALUE, got {setting!r}")
        fixed[name] = value_of(word)
    only = told.pop("only")
    notes = {name: told.pop(name) for name in ("note", "velocity", "hold")}
    renderer = patches.open_renderer(
        told.pop("synth"), only=only.split(",") if only else None, fixed=fixed, **told, **more
    )
    own = renderer.note
    pitch = _range(notes["note"], own.pitch, "--note")
    velocity = _range(notes["velocity"], own.velocity, "--velocity")
    played = NoteRange(pitch, velocity, own.start, notes["hold"] or own.seconds)
    note = Note(played.start, played.seconds, pitch[0], velocity[0])
    return renderer.with_setting(note=note), played


def _range(text: str | None, own: int, option: str) -> tuple[int, int]:
    if text is None:
        return own, own
    low, dash, high = text.partition("-") if text[:1].isdigit() else (text, "", "")
    try:
        found = [int(word) if word.isdigit() else pitch_of(word) for word in (low, high or low)]
    except UserError as error:
        raise UserError(f"{option}: wanted 60, C4 or 36-72, got {text!r}") from error
    if dash and not high:
        raise UserError(f"{option}: wanted 36-72, got {text!r}")
    return found[0], found[1]


@click.command()
@_opening
@click.option("--json", "as_json", is_flag=True, help="The typed space, as shards hold it.")
def params(as_json: bool, **told: Any) -> None:
    """Show the typed parameter space of SYNTH: kinds, scales, gates, symmetries, fingerprint.

    SYNTH is one of ours (dspcore synth list), faust24, a Faust file, vital, or a plug-in.

    \b
    Examples:
        dspcore synth params faust24
        dspcore synth params vst2:amsynth --only amp_attack,filter_cutoff --json
    """
    renderer, _ = _opened(told)
    renderer.close()
    space = renderer.space
    if as_json:
        click.echo(json.dumps({**space.to_dict(), "fingerprint": space.fingerprint}, indent=2))
        return
    rows = []
    for param in space.params:
        gate = " or ".join(
            " and ".join(f"{c.param} {c.op} {c.value}" for c in group) for group in param.gate
        )
        group = param.symmetry
        where = "" if group is None else f"{group.group} {group.member} {group.role}"
        scale = getattr(param, "scale", "")
        default = param.default
        shown = f"{default:.6g}" if isinstance(default, float) else str(default)
        kind = f"{param.kind}, chance" if param.chance else param.kind
        rows.append([param.name, kind, param.described(), scale, shown, gate, where])
    click.echo(
        table(["parameter", "kind", "values", "scale", "default", "heard if", "group"], rows)
    )
    fixed = len(space.params) - space.size
    click.echo(
        f"{space.synth}: {space.size} free, {fixed} fixed; fingerprint {space.fingerprint[:16]}"
    )


@click.command()
@_opening
@click.option("--patches", "count", type=click.IntRange(2), default=16, show_default=True)
@click.option("--more", type=click.IntRange(0), default=0, help="Patches that prove a level.")
@click.option(
    "--level",
    "levels",
    multiple=True,
    type=click.Choice(ISOLATIONS),
    help="Try this one; several are possible.  [default: from the cheapest on]",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def audit(count: int, more: int, levels: tuple[Isolation, ...], as_json: bool, **told: Any) -> None:
    """Render patches of SYNTH forwards, backwards and each in a new process: are the bits the same?

    Says the cheapest isolation that makes them so, and remembers it for ``generate``: none, reset
    (the host's own), instance (a new one for each), zygote (a fork of a process that has loaded the
    synth and never played), process (a new one for each).

    \b
    Examples:
        dspcore synth audit vst2:amsynth
        dspcore synth audit vst2:amsynth --more 500
    """
    renderer, _ = _opened(told, workers=1)
    with renderer:
        found = patches.audit(
            renderer,
            count,
            levels or None,
            more=more,
            progress=lambda text: click.echo(text, err=True),
        )
    if not levels:
        remember(renderer, found)
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else _audit_text(found))


def _audit_text(found: Audit) -> str:
    rows = []
    for level in found.levels:
        same = f"{level.equal_order}/{level.patches}"
        fresh = f"{level.equal_fresh}/{level.patches}"
        off = f"{level.distance_db:.1f} dB" if level.distance_db else ""
        speed = f"{1 / level.seconds:.1f}" if level.seconds else ""
        more = f"{level.more_equal}/{level.more}" if level.more else ""
        cells = [same, fresh, more, off, speed, ""]
        if level.problem:
            cells = ["", "", "", "", "", level.problem]
        rows.append([level.isolation, *cells])
    head = ["isolation", "any order", "as in a new process", "more", "off by", "renders/s"]
    head.append("problem")
    said = (
        f"{found.source}: use {found.chosen}"
        if found.clean
        else f"{found.source}: no level that was tried gives the same bits; use {found.chosen}"
    )
    return f"{table(head, rows)}\n{said} ({found.sounding} of the patches sound)"


@click.command()
@_opening
@click.option("-o", "--out", required=True, help="Folder; one that is half done goes on.")
@click.option("--count", type=click.IntRange(1), default=1_000, show_default=True, help="Rows.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--split", default="train", show_default=True, help="A name; each has its own key.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="First index.")
@click.option("--isolation", type=click.Choice(ISOLATIONS), help="[default: what an audit finds]")
@click.option("--floor", help="LUFS below which is drawn again, or none.  [default: -60]")
@click.option("--ceiling", help="Peak in dBFS above which is drawn again, or none.  [default: 18]")
@click.option("--tail", help="RMS of the last 50 ms in dBFS above which is drawn again.")
@click.option("--shard-rows", type=click.IntRange(1), default=512, show_default=True)
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one a core]")
@click.option("--deadline", type=float, default=20.0, show_default=True, help="Seconds a render.")
@click.option("--engine", type=click.Choice(["local", "slurm"]), default="local", show_default=True)
@click.option("--dry-run", is_flag=True, help="Write the recipe, show what would run, stop.")
@click.option("--jobs", type=click.IntRange(1), default=100, show_default=True, help="Of Slurm.")
@click.option("--cpus", type=click.IntRange(1), default=4, show_default=True, help="Of a job.")
@click.option("--minutes", type=click.IntRange(1), default=240, show_default=True, help="Of a job.")
@click.option("--partition", default="", help="Of Slurm.")
@click.option("--cluster", type=click.Choice(["slurm", "local", "debug"]), default="slurm")
def generate(
    out: str,
    count: int,
    seed: int,
    split: str,
    first: int,
    isolation: str | None,
    floor: str | None,
    ceiling: str | None,
    tail: str | None,
    shard_rows: int,
    workers: int | None,
    deadline: float,
    engine: str,
    dry_run: bool,
    jobs: int,
    cpus: int,
    minutes: int,
    partition: str,
    cluster: Any,
    **told: Any,
) -> None:
    """Draw patches of SYNTH, render them, and write them with their sounds into a folder.

    Row i of a split is the same whatever the order, the number of workers and the interruptions:
    run the same command again to go on. Sounds that are silent, clipped, not finite, or cut
    off while they sound (--tail) are drawn again, and the manifest says how many. A crash or a hang
    of the synth costs its row.

    ``--engine slurm`` hands the shards to Slurm as an array of jobs through submitit; a job that
    is taken away is put back into the queue and goes on. ``--dry-run`` shows its script.

    \b
    Examples:
        dspcore synth generate faust24 --count 8000 --seed 7 --out faust24/
        dspcore synth generate vst2:amsynth --note 36-72 --count 100000 --out set/
        dspcore synth generate vital --count 1000000 --engine slurm --dry-run --out set/
    """
    home = Path(out)
    if isolation is None and (home / RECIPE).exists():
        isolation = read_recipe(home).setting.isolation
    renderer, notes = _opened(told, isolation=isolation, workers=workers, deadline_s=deadline)
    with renderer:
        audited: dict[str, Any] = {}
        if isolation is None:
            found = _audited(renderer)
            audited, renderer = found.to_dict(), renderer.with_setting(isolation=found.chosen)
        plain = renderer.source == patches.FAUST24  # whose rows are defined without gates
        recipe = Recipe.of(
            renderer,
            count=count,
            seed=seed,
            split=split,
            first=first,
            shard_rows=shard_rows,
            notes=notes,
            gates=Gates(
                _level(floor, None if plain else -60.0, "--floor"),
                _level(ceiling, None if plain else 18.0, "--ceiling"),
                tail_db=_level(tail, None, "--tail"),
            ),
            audit=audited,
        )
        numbers = begin(recipe, home)
        if engine == "slurm":
            slurm = Slurm(jobs, cpus, minutes, partition=partition, cluster=cluster)
            _handed_over(slurm, home, numbers, dry_run)
            return
        if dry_run:
            click.echo(f"{out}: {len(numbers)} of {recipe.shards} shards to render here")
            return
        done = count - sum(len(recipe.rows(number)) for number in numbers)
        with tqdm(total=count, initial=done, unit="patch", disable=None) as bar:
            make_shards(recipe, renderer, home, numbers, bar.update)
    _report(recipe, home)


def _audited(renderer: Renderer) -> Audit:
    """What an earlier audit has found, or a new one."""
    found = recalled(renderer)
    if found is None:
        click.echo(f"{renderer.source}: audit of the isolation it needs ...", err=True)
        found = patches.audit(renderer)
        remember(renderer, found)
        click.echo(_audit_text(found), err=True)
    if not found.clean:
        raise UserError(
            f"{renderer.source}: no isolation gives the same bits in any order; say --isolation "
            f"{found.chosen} to go on all the same, or fix the parameters that draw random numbers"
        )
    return found


def _level(text: str | None, own: float | None, option: str) -> float | None:
    if text is None:
        return own
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise UserError(f"{option}: wanted a number or none, got {text!r}") from error


def _handed_over(slurm: Slurm, home: Path, numbers: list[int], dry_run: bool) -> None:
    tasks = slurm.shared_out(home, numbers)
    if not tasks:
        click.echo(f"{home}: every shard is there")
        return
    if dry_run:
        click.echo(slurm.script(home, tasks))
        for i, task in enumerate(tasks):
            shown = ", ".join(map(str, task.shards[:8])) + (", ..." if len(task.shards) > 8 else "")
            click.echo(f"# job {i}: shards {shown}")
        return
    started = slurm.submit(home, tasks)
    click.echo(f"{home}: {len(tasks)} jobs, the first is {started[0].job_id}; logs in {home}/slurm")
    if slurm.cluster != "slurm":
        for job in started:
            job.result()


def _report(recipe: Recipe, home: Path) -> None:
    manifest = finish(recipe, home)
    assert manifest is not None
    refused = ", ".join(f"{n} {why}" for why, n in manifest["refused"].items()) or "none"
    click.echo(
        f"{home}: {manifest['rows']} rows in {len(manifest['shards'])} shards, isolation "
        f"{manifest['isolation']}; {manifest['draws']} draws, refused: {refused} "
        f"({manifest['rejection_rate']:.1%}); digest {manifest['digest'][:16]}"
    )
    if manifest["lost"]:
        click.echo(f"{len(manifest['lost'])} rows were lost: see {home / LOG}", err=True)


@click.command()
@click.argument("folder")
@click.option("-o", "--out", required=True, help="Folder to write.")
@click.option("--rows", type=click.IntRange(1), default=1_000, show_default=True, help="In a file.")
def pack(folder: str, out: str, rows: int) -> None:
    """Write the data set in FOLDER as WebDataset: tar files of FLAC and JSON.

    \b
    Example:
        dspcore synth pack faust24/ --out faust24-wds/
    """
    dataset = patches.Dataset(folder)
    with tqdm(total=len(dataset), unit="patch", disable=None) as bar:
        made = export_webdataset(dataset, out, rows=rows, step=bar.update)
    click.echo(f"{out}: {len(dataset)} rows in {len(made)} files")


COMMANDS = (params, audit, generate, pack)
