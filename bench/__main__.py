"""`python -m bench`: measure every case, write the table."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

import click
import torch

from bench.cases import CASES
from bench.measure import measure
from bench.table import Measured, markdown, record

HERE = Path(__file__).parent


@click.command()
@click.option(
    "--quick", is_flag=True, help="Three rounds, without the slow contenders; a look, not a result."
)
@click.option("--case", "wanted", default="", help="Only cases whose name contains this text.")
@click.option("--rounds", default=15, show_default=True, help="Rounds per contender.")
@click.option("--budget", default=20.0, show_default=True, help="Seconds per contender and pass.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of RESULTS.md and results.json: bench/, or build/bench/ for a partial run.",
)
@click.option("--list", "list_only", is_flag=True, help="Name the cases and stop.")
def main(
    *, quick: bool, wanted: str, rounds: int, budget: float, out: Path | None, list_only: bool
) -> None:
    """Measure dspcore's ops beside other libraries: one thread, CPU time, medians."""
    chosen = [case for case in CASES if wanted in case.name]
    if not chosen:
        raise click.ClickException(f"no case has {wanted!r} in its name; --list names them all")
    if list_only:
        for case in chosen:
            click.echo(f"{case.name}: {', '.join(contender.name for contender in case.contenders)}")
        return
    torch.set_num_threads(1)
    for known in ("Helion kernels not loaded", "Torchinductor does not support"):
        warnings.filterwarnings("ignore", message=known)
    measured: Measured = []
    for case in chosen:
        click.echo(case.name)
        results = measure(
            case,
            rounds=3 if quick else rounds,
            budget=min(budget, 3.0) if quick else budget,
            quick=quick,
        )
        measured.append((case, results))
        ours = results[0].seconds
        for result in results[1:]:
            ratios = [f"{kind} {taken / ours[kind]:.1f}x" for kind, taken in result.seconds.items()]
            click.echo(f"  {result.name}: {', '.join(ratios) or result.problem}")
    whole = not (quick or wanted)
    folder = out or (HERE if whole else HERE.parent / "build" / "bench")
    folder.mkdir(parents=True, exist_ok=True)
    command = " ".join(["python -m bench", *sys.argv[1:]])
    (folder / "RESULTS.md").write_text(markdown(measured, command), encoding="utf-8")
    text = json.dumps(record(measured, command), indent=1)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    click.echo(f"wrote {os.path.relpath(folder)}/RESULTS.md and results.json")


if __name__ == "__main__":
    main()
