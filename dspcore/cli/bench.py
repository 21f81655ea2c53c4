"""``dspcore bench``: the ops beside other libraries and beside what the machine can do."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import click
import torch

from dspcore.errors import UserError


@click.command()
@click.option("--peers/--no-peers", default=False, help="Beside other libraries, as far as found.")
@click.option("--quick", is_flag=True, help="Three rounds of the quicker ones: a look, no result.")
@click.option("--case", "wanted", default="", help="Only cases whose name contains this text.")
@click.option("--rounds", default=15, show_default=True, help="Rounds per contender.")
@click.option("--budget", default=20.0, show_default=True, help="Seconds per contender and pass.")
@click.option("--out", default="bench-results", show_default=True, help="Folder for the results.")
@click.option("--redraw", is_flag=True, help="Measure nothing: RESULTS.md and speed.png again.")
@click.option("--list", "list_only", is_flag=True, help="Name the cases and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON, too.")
def command(
    *,
    peers: bool,
    quick: bool,
    wanted: str,
    rounds: int,
    budget: float,
    out: str,
    redraw: bool,
    list_only: bool,
    as_json: bool,
) -> None:
    """Measure dspcore's ops on this machine: one thread, CPU time, medians.

    Writes RESULTS.md, results.json and speed.png: time forward and with backward, peak memory, how
    far from the machine's limit (copying every input and output once), and with --peers how many
    times as long other libraries take for the same, whose output is compared first. Cases in the
    folder's results.json that are not measured this time stay, each with its date, machine and
    commit.

    \b
    Examples:
        dspcore bench --quick --case sosfilt
        dspcore bench --peers --case harmonics --out bench/
        dspcore bench --peers --out bench/
    """
    one_thread()
    from dspcore.bench import ledger
    from dspcore.bench.cases import CASES
    from dspcore.bench.chart import chart
    from dspcore.bench.measure import measure
    from dspcore.bench.table import markdown, summary

    chosen = [case for case in CASES if wanted in case.name]
    if not chosen:
        raise UserError(f"--case: no case has {wanted!r} in its name; --list names them all")
    if list_only:
        for case in chosen:
            click.echo(f"{case.name}: {', '.join(contender.name for contender in case.contenders)}")
        return
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "results.json"
    before = ledger.read(kept)
    said = " ".join(["dspcore bench", *sys.argv[2:]])
    now: list[ledger.Measured] = []
    for i, case in enumerate([] if redraw else chosen, start=1):
        click.echo(f"[{i}/{len(chosen)}] {case.name}", err=as_json)
        results = measure(
            case,
            peers=peers,
            rounds=3 if quick else rounds,
            budget=min(budget, 3.0) if quick else budget,
            quick=quick,
        )
        now.append(ledger.measured_now(case, results, said))
        ledger.write(kept, ledger.together(before, now, CASES))  # what is measured stays measured
        click.echo("\n".join(f"  {line}" for line in summary(results)), err=as_json)
    measured = ledger.together(before, now, CASES)
    text = ledger.write(kept, measured)
    (folder / "RESULTS.md").write_text(markdown(measured), encoding="utf-8")
    chart(measured, folder / "speed.png")
    if as_json:
        click.echo(text)
    click.echo(f"wrote RESULTS.md, results.json and speed.png to {out}", err=as_json)


def one_thread() -> None:
    """One thread for everyone.

    Peers bring an OpenMP and thread pools of their own, which torch's setting does not reach; they
    read these when they are loaded.
    """
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = "1"
    torch.set_num_threads(1)
    for known in ("Helion kernels not loaded", "Torchinductor does not support"):
        warnings.filterwarnings("ignore", message=known)
