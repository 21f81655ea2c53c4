"""``dspcore synth predictability``: which parameters can be told from a sound."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dspcore.cli.synth_estimators import OVERWRITE, WORKERS, check_new, given
from dspcore.cli.table import table
from dspcore.files import write_text


@click.command()
@click.argument("data")
@click.option("--test", "testing", required=True, help="Data set of another split.")
@click.option("--estimator", default="cnn", show_default=True, help="That is trained for it.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An option of it.")
@click.option("--rows", type=click.IntRange(20), help="Of DATA, the first.  [default: all]")
@click.option("--steps", type=click.IntRange(4), default=800, show_default=True)
@click.option(
    "--probes", type=click.IntRange(2), default=120, show_default=True, help="Patches probed."
)
@click.option("--run", help="Folder of the training runs, to go on after an interruption.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Reports, this seed and those after it, and how far their verdicts agree.",
)
@click.option("-o", "--output", required=True, help="Page to write, .html; .json beside it.")
@WORKERS
@OVERWRITE
def predictability(
    data: str,
    testing: str,
    estimator: str,
    settings: tuple[str, ...],
    rows: int | None,
    steps: int,
    probes: int,
    run: str | None,
    seed: int,
    seeds: int,
    output: str,
    workers: int,
    overwrite: bool,
) -> None:
    """Say of each parameter whether it can be told from the sound, and why not.

    The verdicts are predictable, data-limited, gated, confounded, symmetric and inaudible. Trains
    on a quarter, half and all of DATA, and draws single parameters anew in patches of the test set.
    With several seeds all of that is done for each, verdicts are of the averaged numbers, and the
    share of parameters of which every seed says the same is told.

    \b
    Examples:
        dspcore synth predictability data --test test -o report.html
        dspcore synth predictability data --test test --seeds 3 -o report.html
    """
    from dspcore import patches
    from dspcore.patches.predictability_page import predictability_page
    from dspcore.patches.recipe import read_recipe
    from dspcore.patches.sampler import check_disjoint

    page = Path(output)
    beside = page.with_suffix(".json")
    check_new([str(page), str(beside)], overwrite)
    known, asked = patches.Dataset(data), patches.Dataset(testing)
    known.space.check(asked.space, testing)
    check_disjoint(known.encoded, asked.encoded, testing)
    examples = patches.examples_of(known, rows=slice(0, rows))
    held = max(1, len(examples) // 10)
    options = given(settings)
    with read_recipe(Path(testing)).renderer(workers) as renderer:
        player = patches.Player(renderer)
        targets, reports = patches.targets_of(asked, player), []
        for number in range(seed, seed + seeds):
            folder = run if run is None or seeds == 1 else str(Path(run) / f"seed {number}")
            each = patches.predictability(
                lambda: patches.make_estimator(estimator, **options),
                examples.rows(slice(0, len(examples) - held)),
                examples.rows(slice(len(examples) - held, None)),
                targets,
                player,
                budget=patches.Budget(steps=steps, seed=number, folder=folder),
                probes=probes,
                seed=number,
                say=lambda text: click.echo(text, err=True),
            )
            reports.append(each)
    found = patches.together(reports)
    write_text(page, predictability_page(found, known.space.synth))
    write_text(beside, json.dumps(found.facts(), indent=1) + "\n")
    click.echo(
        table(["parameter", "verdict", "why"], [[f.name, f.verdict, f.why] for f in found.findings])
    )
    if seeds > 1:
        split = [f"{f.name} ({', '.join(f.by_seed)})" for f in found.findings]
        split = [
            text for text, f in zip(split, found.findings, strict=True) if len(set(f.by_seed)) > 1
        ]
        click.echo(
            f"{found.agreement:.0%} of the verdicts are the same for all {seeds} seeds"
            + (f"; not those of {', '.join(split)}" if split else "")
        )
    click.echo(
        f"{page}, {beside}: {found.cpu_seconds / 60:.1f} CPU minutes here, {found.renders} renders"
    )
