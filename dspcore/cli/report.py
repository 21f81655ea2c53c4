"""``dspcore report``: one page about runs, from the files that they left."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("-o", "--out", help="Folder to write.  [default: RUN/report, or report for several]")
@click.option(
    "--align",
    type=click.Choice(["step", "data"]),
    default="step",
    show_default=True,
    help="How curves of several runs lie above each other: by step, or by items seen.",
)
@click.option(
    "--map",
    "latent_map",
    type=click.Choice(["pca", "umap"]),
    default="pca",
    show_default=True,
    help="How a latent is laid out in two dimensions; umap needs dspcore[umap].",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the map by UMAP.")
def command(runs: tuple[str, ...], out: str | None, align: str, latent_map: str, seed: int) -> None:
    """Write report.html, report.md and results.json about RUNS, folders of dspcore train.

    The page holds all it shows: settings and how they differ between runs, the loss with yardsticks
    and phases, what each latent dimension says and what the decoder uses, gradients with the clip
    limit, sounds, the loss by tag and file, a map, the model, and advice with its numbers. A run
    that has less shows less; of a folder of heads (dspcore style train) the scores are shown beside
    doing nothing, one setting for all and the truth. Nothing but the folders is read; no GPU, no
    training data is needed.

    \b
    Examples:
        dspcore report run/
        dspcore report run-a/ run-b/ --align data -o compared/
        dspcore report heads/
    """
    from dspcore.runs import report

    found = report(runs, align=align, latent_map=latent_map, seed=seed)  # type: ignore[arg-type]
    place = Path(out) if out else Path(runs[0], "report") if len(runs) == 1 else Path("report")
    found.save(place)
    for name, facts in found.results["runs"].items():
        best = facts.get("best")
        said = f", best {facts['metric']} {best['value']:.4g} at {best['step']}" if best else ""
        click.echo(f"{name}: {facts['steps']} steps{said}")
        for line in facts["advice"]:
            click.echo(f"  {line['kind']}: {line['text']}")
    click.echo(f"look and listen: {place / 'report.html'}")
