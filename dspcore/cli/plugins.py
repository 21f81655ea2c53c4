"""``dspcore plugins``: what is installed, what it can do, how it behaves, and sound through it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from tqdm import tqdm

from dspcore import audio
from dspcore.blackbox import find, hosts, probe
from dspcore.blackbox import scan as scanning
from dspcore.blackbox.isolate import Isolate
from dspcore.blackbox.plugin import Parameter, PluginInfo
from dspcore.blackbox.probe import Audit
from dspcore.blackbox.scan import Row
from dspcore.cli.table import table
from dspcore.errors import UserError
from dspcore.notes import Note

_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")
_DEADLINE = click.option(
    "--deadline",
    type=click.FloatRange(0.1),
    default=60.0,
    show_default=True,
    help="Seconds a plug-in may take.",
)
_RATE = click.option(
    "--sample-rate", type=click.IntRange(1), default=44_100, show_default=True, help="In Hz."
)


@click.group()
def command() -> None:
    """Look at the plug-ins of this machine and render through one.

    Each runs in a process of its own: one that crashes or hangs is a line in a table. A plug-in is
    named by package and name ("mda:Overdrive"), by format and name ("vst3:ZamEQ2",
    "pedalboard:Reverb"), by an LV2 URI or a path.

    \b
    Example:
        dspcore plugins scan mda
        dspcore plugins show mda:Overdrive
    """


@command.command()
@click.argument("words", default="")
@click.option("--host", "only", multiple=True, help="Only this host; may be repeated.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="At a time.")
@_DEADLINE
@_JSON
def scan(words: str, only: tuple[str, ...], jobs: int, deadline: float, as_json: bool) -> None:
    """List what is installed and whether it sounds, all of it or what has WORDS in its name.

    Effects hear noise of 0.1 rms, instruments play a C4, a second each at the defaults.

    \b
    Example:
        dspcore plugins scan --jobs 2
        dspcore plugins scan calf --host lv2 --json
    """
    for host in only:
        hosts.get(host)
    todo = scanning.entries(only, words)
    results = scanning.scan(todo, jobs=jobs, deadline=deadline)
    rows = list(tqdm(results, total=len(todo), unit="plug-in", disable=None))
    rows.sort(key=lambda row: (row.entry.host, row.entry.format, row.entry.short.lower()))
    if as_json:
        click.echo(json.dumps([_row_facts(row) for row in rows], indent=2))
        return
    head = ["plug-in", "host", "format", "in", "out", "params", "status", "why"]
    click.echo(table(head, [_row_cells(row) for row in rows]) if rows else "none found")
    counts = Counter(row.status for row in rows)
    click.echo(", ".join(f"{count} {status}" for status, count in counts.most_common()))


@command.command()
@click.argument("plugin")
@_DEADLINE
@_JSON
def show(plugin: str, deadline: float, as_json: bool) -> None:
    """Show channels and parameters of PLUGIN, with ranges, units and kinds.

    \b
    Example:
        dspcore plugins show mda:Overdrive
    """
    host, identity = find.resolve(plugin)
    with Isolate() as isolate:
        info: PluginInfo = isolate.call(probe.describe, host, identity, deadline=deadline).unwrap()
    if as_json:
        click.echo(json.dumps(asdict(info), indent=2))
        return
    by = f" by {info.maker}" if info.maker else ""
    click.echo(f"{info.name}{by}: {info.identity} ({info.host})")
    notes = ", takes notes" if info.notes else ""
    click.echo(f"{info.inputs} in, {info.outputs} out, latency {info.latency} samples{notes}\n")
    head = ["parameter", "from", "to", "default", "unit", "scale", "kind", "name"]
    click.echo(table(head, [_param_cells(param) for param in info.params]))


@command.command()
@click.argument("plugins", nargs=-1, required=True)
@_RATE
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="At a time.")
@_DEADLINE
@_JSON
def audit(
    plugins: tuple[str, ...], sample_rate: int, jobs: int, deadline: float, as_json: bool
) -> None:
    """Measure how PLUGINS behave: what matters before one is trained through.

    Latency as declared and by an impulse; whether a fresh instance repeats the sound, also with
    random numbers seeded; whether a second render hears the first; whether blocks of 64 or 4096
    sound like blocks of 512; speed as seconds of audio a second of CPU time.

    \b
    Example:
        dspcore plugins audit mda:Overdrive mda:Delay
    """
    todo = [find.Entry(*find.resolve(plugin), plugin) for plugin in plugins]

    def measured(isolate: Isolate, entry: find.Entry) -> tuple[str, Any]:
        arguments = (entry.host, entry.identity, sample_rate)
        return entry.name, isolate.call(probe.audit, *arguments, deadline=deadline)

    outcomes = dict(scanning.in_parallel(todo, measured, jobs))
    failed = {name: o.text for name, o in outcomes.items() if o.how != "ok"}
    done = {name: outcomes[name].value for name in plugins if name not in failed}
    if as_json:
        facts = {name: asdict(found) for name, found in done.items()}
        click.echo(json.dumps(facts | {n: {"failed": t} for n, t in failed.items()}, indent=2))
    elif done:
        head = ["plug-in", "status", "latency", "measured", "repeats", "keeps state"]
        head += ["block 64", "block 4096", "speed", "opens in"]
        click.echo(table(head, [_audit_cells(name, found) for name, found in done.items()]))
    if failed:
        raise click.ClickException("\n".join(f"{name}: {text}" for name, text in failed.items()))


@command.command()
@click.argument("plugin")
@click.argument("source", required=False)
@click.option("-o", "--output", required=True, help="File to write.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="May be repeated.")
@click.option("--note", type=click.IntRange(0, 127), help="MIDI note for an instrument, as 60.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.01),
    default=2.0,
    show_default=True,
    help="Length without a file; half of it holds the note.",
)
@click.option("--block", type=click.IntRange(1), default=512, show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
@_DEADLINE
@_RATE
def render(
    plugin: str,
    source: str | None,
    output: str,
    settings: tuple[str, ...],
    note: int | None,
    seconds: float,
    block: int,
    overwrite: bool,
    deadline: float,
    sample_rate: int,
) -> None:
    """Render the file SOURCE, or a note, through PLUGIN.

    A file keeps its sample rate; a mono one goes to every input of a stereo plug-in, and through a
    mono plug-in each channel goes by itself. --sample-rate is for notes.

    \b
    Example:
        dspcore plugins render mda:Overdrive in.wav -o out.wav --set drive=0.6
        dspcore plugins render mda:EPiano -o note.wav --note 60
    """
    if Path(output).exists() and not overwrite:
        raise UserError(f"{output}: exists already; replace with --overwrite")
    audio.format_of(output)
    if source is not None and note is not None:
        raise UserError("plugins render: an audio file for an effect, or --note; not both")
    host, identity = find.resolve(plugin)
    if source is not None:
        heard, sample_rate = audio.read(source)
        given = heard.numpy()
        notes: list[Note] = []
    else:
        given = np.zeros((0, round(seconds * sample_rate)), np.float32)
        notes = [] if note is None else [Note(0.0, seconds / 2, note)]
    job = (host, identity, given, notes, list(settings), sample_rate, block)
    with Isolate() as isolate:
        out = isolate.call(probe.through, *job, deadline=deadline).unwrap()
    if not np.isfinite(out).all():
        raise UserError(f"{plugin}: its output has NaN or infinite samples; nothing was written")
    peak = float(np.abs(out).max(initial=0.0))
    subtype = "FLOAT" if peak > audio.FULL_SCALE and Path(output).suffix.lower() == ".wav" else None
    audio.write(output, torch.from_numpy(out), sample_rate, subtype)
    click.echo(
        f"{output}: {out.shape[1] / sample_rate:.2f} s, {out.shape[0]} channels, "
        f"{sample_rate} Hz, peak {audio.dbfs(peak):.2f} dBFS"
    )


def _row_cells(row: Row) -> list[str]:
    info = row.seen.info if row.seen else None
    numbers = [info.inputs, info.outputs, len(info.params)] if info else ["", "", ""]
    entry = row.entry
    return [entry.short, entry.host, entry.format, *map(str, numbers), row.status, row.reason]


def _row_facts(row: Row) -> dict[str, Any]:
    info = row.seen.info if row.seen else None
    facts: dict[str, Any] = {
        "plugin": row.entry.short,
        "name": row.entry.name,
        "host": row.entry.host,
        "format": row.entry.format,
        "identity": row.entry.identity,
        "package": row.entry.package,
        "file": row.entry.file,
        "status": row.status,
        "reason": row.reason,
    }
    if info is not None and row.seen is not None:
        facts |= {
            "inputs": info.inputs,
            "outputs": info.outputs,
            "notes": info.notes,
            "params": len(info.params),
            "latency": info.latency,
            "rms": row.seen.rms,
        }
    return facts


def _param_cells(param: Parameter) -> list[str]:
    numbers = [f"{value:g}" for value in (param.minimum, param.maximum, param.default)]
    kind = param.kind
    if param.labels:
        kind = " | ".join(word for word, _ in param.labels)  # type: ignore[assignment]
    return [param.symbol, *numbers, param.unit, param.scale, kind, param.name]


def _audit_cells(name: str, found: Audit) -> list[str]:
    def word(difference: float | None) -> str:
        if difference is None:
            return ""
        return "same" if probe.same(difference, found.peak) else f"differs by {difference:.2g}"

    repeats = word(found.repeats)
    if repeats.startswith("differs") and word(found.repeats_seeded) == "same":
        repeats = "if seeded"
    keeps = {"": "", "same": "no"}.get(word(found.keeps_state), "yes")
    measured = "" if found.measured_latency is None else str(found.measured_latency)
    blocks = [word(found.block_sizes.get(size)) for size in (64, 4_096)]
    speed = f"{found.speed:.0f} x" if found.speed else ""
    opens = f"{1e3 * found.open_seconds:.1f} ms" if found.open_seconds else ""
    first = [name, found.status, str(found.info.latency), measured, repeats, keeps]
    return [*first, *blocks, speed, opens]
