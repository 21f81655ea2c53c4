"""``dspcore estimate``: the partials of a recording."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import torch
from torch import Tensor
from tqdm import tqdm

from dspcore import __version__, audio, estimate, report
from dspcore.cli.table import table
from dspcore.errors import UserError
from dspcore.estimate import Estimate, Tracks
from dspcore.files import replacing
from dspcore.match.save import folder_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("nomp", "fft_peaks", "esprit", "particles", "surrogate", "surrogate_reseed")
SOUND, PAGE, NUMBERS = "result.wav", "report.html", "estimate.json"
SHOWN = 20  # partials in the table


@click.command()
@click.argument("sound")
@click.option("--method", type=click.Choice(METHODS), default="nomp", show_default=True)
@click.option("-k", "k", type=click.IntRange(1), help="Partials at a time; else what stands out.")
@click.option("--whole", is_flag=True, help="One set of steady sinusoids for the whole sound.")
@click.option("--damped", is_flag=True, help="With --whole: partials die away (nomp, esprit).")
@click.option("--start", type=click.FloatRange(0), default=0.0, help="Seconds to skip.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Length to analyse.")
@click.option(
    "--window-ms", type=click.FloatRange(1), default=46.0, show_default=True, help="Of a frame."
)
@click.option("--hop-ms", type=click.FloatRange(0.1), default=10.0, show_default=True)
@click.option("--out", metavar="FOLDER", help="Write sound, page and numbers there.")
@click.option("--overwrite", is_flag=True, help="Replace a result that exists.")
@click.option("--json", "as_json", is_flag=True, help="Print every number as JSON.")
def command(
    sound: str,
    method: str,
    k: int | None,
    whole: bool,
    damped: bool,
    start: float,
    seconds: float | None,
    window_ms: float,
    hop_ms: float,
    out: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Find the partials of SOUND: their frequencies and levels over time, without a common pitch.

    Frames are analysed one by one and joined to partials that begin, move and end. --whole takes
    the sound as one set of sinusoids instead, right for test tones, bells and strings.

    \b
    Examples:
        dspcore estimate in.wav -k 8
        dspcore estimate in.wav --method nomp -k 8 --out result/
        dspcore estimate in.wav --whole --damped -k 12 --json
    """
    if damped and not (whole and method in ("nomp", "esprit")):
        raise UserError("--damped: needs --whole and --method nomp or esprit")
    if k is None and method.startswith("surrogate"):
        raise UserError(f"--method {method}: needs to know how many; give -k")
    y, rate = _read(sound, start, seconds)
    options = {"method": method, "k": k, "whole": whole, "damped": damped, "dspcore": __version__}
    if out is None:
        facts = _found(y, rate, method, k, whole, damped, window_ms, hop_ms)[0]
        click.echo(json.dumps(facts | options, indent=2) if as_json else summary(facts))
        return
    with folder_for(out, overwrite=overwrite, names=(SOUND, PAGE, NUMBERS)) as folder:
        facts, found = _found(y, rate, method, k, whole, damped, window_ms, hop_ms)
        save(y, rate, facts, found, folder, title=f"Partials of {Path(sound).name}", about=options)
    click.echo(json.dumps(facts | options, indent=2) if as_json else summary(facts))
    click.echo(f"\nlisten and look: {folder / PAGE}", err=as_json)


def save(
    y: Tensor,
    rate: int,
    facts: dict[str, Any],
    found: Estimate | Tracks,
    folder: Path,
    *,
    title: str,
    about: dict[str, Any],
) -> None:
    """Write the resynthesis, the page and the numbers, all or none."""
    again = found.render().reshape(1, -1).float()
    text = page(y, again, rate, facts, title)
    numbers = json.dumps(facts | about, indent=2) + "\n"
    with ExitStack() as files:
        file = files.enter_context(audio.writing(folder / SOUND, rate, 1, "FLOAT"))
        file.write(again)
        for name, content in ((PAGE, text), (NUMBERS, numbers)):
            files.enter_context(replacing(folder / name)).write(content.encode())


def summary(facts: dict[str, Any]) -> str:
    """The partials as a table, and what they leave unexplained."""
    head, rows = _rows(facts)
    text = table(head, rows[:SHOWN])
    if len(rows) > SHOWN:
        text += f"\nand {len(rows) - SHOWN} more; --json lists all"
    if not rows:
        text = "no partial stands out"
    return f"{text}\n\nleft unexplained: {facts['residual_db']:.1f} dB of the sound"


def page(y: Tensor, again: Tensor, rate: int, facts: dict[str, Any], title: str) -> str:
    """The HTML page."""
    head, rows = _rows(facts)
    kept = report.PLAYED_SECONDS * rate
    gain = min(1.0, 0.99 / max(float(y.abs().max()), float(again.abs().max()), 1e-9))
    sounds = {"sound": y[None], "partials": again, "what is left": y[None] - again}
    levels = {
        name: f"peak {audio.dbfs(float(s.abs().max())):.1f} dBFS" for name, s in sounds.items()
    }
    blocks = [
        report.player(name, levels[name], (gain * s[:, :kept]).float(), rate)
        for name, s in sounds.items()
    ]
    cells = "".join(f"<th>{name}</th>" for name in head)
    lines = [f"<tr>{cells}</tr>"]
    lines += ["<tr>" + "".join(f"<td>{v}</td>" for v in row) + "</tr>" for row in rows[:100]]
    drawing = report.drawn(lambda figure: _picture(figure, y, rate, facts), 4.2)
    return report.page(
        title,
        [
            report.numbers(
                [
                    ("partials", str(len(rows))),
                    ("left unexplained", f"{facts['residual_db']:.1f} dB"),
                    ("length", f"{len(y) / rate:.2f} s"),
                ]
            ),
            "<h2>Listen</h2>",
            report.players(blocks),
            "<h2>Partials over the spectrogram</h2>",
            report.figure(drawing, "Partials over time", "Grey: the sound. Lines: its partials."),
            "<h2>Numbers</h2>",
            '<div class="scroll"><table>' + "\n".join(lines) + "</table></div>",
        ],
        [f"Found by dspcore {__version__}."]
        + (["The table shows the loudest 100."] if len(rows) > 100 else []),
    )


def _read(path: str, start: float, seconds: float | None) -> tuple[Tensor, int]:
    data, rate = audio.read(path)
    first = round(start * rate)
    y = data.mean(0)[first : None if seconds is None else first + round(seconds * rate)]
    if len(y) < 64:
        raise UserError(f"{path}: {len(y)} samples are left to analyse, wanted 64 or more")
    if not bool(y.any()):
        raise UserError(f"{path}: is silent there, so it has no partials")
    return y, rate


def _found(
    y: Tensor,
    rate: int,
    method: str,
    k: int | None,
    whole: bool,
    damped: bool,
    window_ms: float,
    hop_ms: float,
) -> tuple[dict[str, Any], Estimate | Tracks]:
    base = {"sample_rate": rate, "samples": len(y)}
    run: Any = getattr(estimate, method)
    if whole:
        options: dict[str, Any] = {"damped": True} if damped else {}
        if k is None and method in ("nomp", "fft_peaks", "esprit"):
            options["most"] = 16
        found = run(y, k, **options)
        partials = [
            {
                "hz": f * rate,
                "dbfs": audio.dbfs(a),
                "phase_rad": p,
                "t60_s": math.log(1000) / d / rate if d > 0 else None,
            }
            for f, a, p, d in found.rows()
        ]
        partials.sort(key=lambda row: -row["dbfs"])
        left = float(found.residual_db(y[None]))
        return base | {"residual_db": left, "partials": partials}, found
    size = max(16, 2 * round(window_ms * rate / 2000))
    hop = max(1, round(hop_ms * rate / 1000))
    if hop > size // 2:
        raise UserError(f"--hop-ms {hop_ms:g}: must be at most half of --window-ms {window_ms:g}")
    how = method if method in ("nomp", "fft_peaks") else run
    with tqdm(desc="frames", unit="frame", disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        joined = estimate.tracks(y, k, size=size, hop=hop, method=how, progress=show)
    facts = base | {
        "hop_s": hop / rate,
        "residual_db": joined.residual_db(y),
        "partials": _partials(joined, rate),
    }
    return facts, joined


def _partials(joined: Tracks, rate: int) -> list[dict[str, Any]]:
    rows = []
    for f, a, on in zip(joined.frequencies, joined.amplitudes, joined.present, strict=True):
        at = on.nonzero()[:, 0]
        hz = f[at] * rate
        rows.append(
            {
                "from_s": float(at[0]) * joined.hop / rate,
                "to_s": float(at[-1]) * joined.hop / rate,
                "hz": float((hz * a[at]).sum() / a[at].sum()),
                "lowest_hz": float(hz.min()),
                "highest_hz": float(hz.max()),
                "dbfs": audio.dbfs(float(a.max())),
                "energy": float(a.square().sum()),
                "track_hz": [round(v, 3) for v in hz.tolist()],
                "track_amplitude": [float(f"{v:.4g}") for v in a[at].tolist()],
            }
        )
    return sorted(rows, key=lambda row: -row["energy"])


def _rows(facts: dict[str, Any]) -> tuple[Sequence[str], list[list[str]]]:
    partials = facts["partials"]
    head: tuple[str, ...]
    names: tuple[str, ...]
    forms: tuple[str, ...]
    if "hop_s" in facts:
        head = ("from s", "to s", "Hz", "lowest", "highest", "loudest dBFS")
        names = ("from_s", "to_s", "hz", "lowest_hz", "highest_hz", "dbfs")
        forms = ("{:.2f}", "{:.2f}", "{:.1f}", "{:.1f}", "{:.1f}", "{:.1f}")
    else:
        head = ("Hz", "dBFS", "phase rad", "T60 s")
        names = ("hz", "dbfs", "phase_rad", "t60_s")
        forms = ("{:.3f}", "{:.1f}", "{:.3f}", "{:.2f}")
    rows = []
    for row in partials:
        values = zip(names, forms, strict=True)
        rows.append(["" if row[n] is None else form.format(row[n]) for n, form in values])
    return head, rows


def _picture(figure: Figure, y: Tensor, rate: int, facts: dict[str, Any]) -> None:
    size = min(2048, 1 << (len(y) // 4).bit_length())
    window = torch.hann_window(size)
    spectrum = torch.stft(y.float(), size, size // 4, window=window, return_complex=True)
    db = 20 * torch.log10(spectrum.abs() + 1e-9)
    top = float(db.max())
    axes = figure.subplots()
    extent = (0, len(y) / rate, 0, rate / 2000)
    axes.imshow(
        db.numpy(),
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap="Greys",
        vmin=top - 80,
        vmax=top + 10,
    )
    highest = 0.0
    for row in facts["partials"]:
        if "track_hz" in row:
            hz = torch.tensor(row["track_hz"])
            at = row["from_s"] + facts["hop_s"] * torch.arange(len(hz))
        else:
            hz, at = torch.full((2,), row["hz"]), torch.tensor([0.0, len(y) / rate])
        highest = max(highest, float(hz.max()))
        strength = min(1.0, max(0.15, 1 + (row["dbfs"] - facts["partials"][0]["dbfs"]) / 60))
        axes.plot(at.numpy(), hz.numpy() / 1000, color="#c2410c", linewidth=1.1, alpha=strength)
    axes.set_ylim(0, min(rate / 2, 1.2 * highest + 200) / 1000)
    axes.set_xlim(0, len(y) / rate)
    axes.grid(False)
    axes.set_xlabel("time, s")
    axes.set_ylabel("frequency, kHz")
