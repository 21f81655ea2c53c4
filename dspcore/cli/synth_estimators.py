"""``dspcore synth train|estimate|evaluate``: from a sound back to a patch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dspcore.cli.table import table
from dspcore.errors import UserError
from dspcore.files import write_text

if TYPE_CHECKING:
    from dspcore.patches import Estimator

WORKERS = click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that render."
)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")


@click.command()
@click.argument("data")
@click.option("--estimator", default="cnn", show_default=True, help="See: dspcore list estimators")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An option of it.")
@click.option(
    "--validation", type=click.IntRange(1), help="Last rows held out.  [default: a tenth]"
)
@click.option("--steps", type=click.IntRange(1), default=1200, show_default=True)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after so long.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("-o", "--output", required=True, help="Checkpoint to write, .safetensors.")
@OVERWRITE
def train(
    data: str,
    estimator: str,
    settings: tuple[str, ...],
    validation: int | None,
    steps: int,
    minutes: float | None,
    seed: int,
    output: str,
    overwrite: bool,
) -> None:
    """Train an estimator on DATA, a folder that ``dspcore synth generate`` wrote.

    Says how well it does on the rows that were held out beside what a constant would, and warns,
    with the cause, where it predicts the mean. The checkpoint holds the parameter space and is used
    without the synth.

    \b
    Examples:
        dspcore synth train data -o bass.safetensors
        dspcore synth train data --set proxy=true --set size=large --steps 4000 -o bass.safetensors
        dspcore synth train data --estimator nearest -o nearest.safetensors
    """
    from dspcore import patches
    from dspcore.patches.recipe import read_recipe

    check_new([output], overwrite)
    made = patches.make_estimator(estimator, **given(settings))
    dataset = patches.Dataset(data)
    held = validation or max(1, len(dataset) // 10)
    if held >= len(dataset):
        raise UserError(f"--validation: {data} has {len(dataset)} rows, cannot hold {held} out")
    known = patches.examples_of(dataset, rows=slice(0, len(dataset) - held))
    asked = patches.examples_of(dataset, rows=slice(len(dataset) - held, None))
    budget = patches.Budget(steps=steps, minutes=minutes, seed=seed, progress=True)
    made.fit(known, asked, budget)
    mode = patches.modes_of(made, asked)
    found = patches.scores(
        patches.means_of(made, asked), mode, asked.u, known.u, known.layout,
        active=asked.active, names=dataset.space.names,
    )  # fmt: skip
    facts = {
        "recipe": read_recipe(Path(data)).to_dict(),
        "lufs": _median(dataset.lufs),
        "r2": found.r2,
        "examples": len(known),
        "seed": seed,
    }
    patches.save_estimator(
        made,
        output,
        space=dataset.space.to_dict(),
        fingerprint=dataset.space.fingerprint,
        facts=facts,
    )
    rows = [
        [
            name,
            f"{s.r2:.2f}",
            f"{s.r2_low:.2f} to {s.r2_high:.2f}",
            *(_or_dash(value) for value in (s.conditional_r2, s.accuracy, s.majority)),
            f"{s.spread:.2f}",
        ]
        for name, s in zip(dataset.space.names, found.each, strict=True)
    ]
    head = ["parameter", "R2", "interval", "when audible", "accuracy", "majority", "spread"]
    click.echo(table(head, rows))
    click.echo(
        f"{output}: {estimator}, {len(known)} examples, mean R2 {found.r2:.3f} on {held} held out "
        "(the mean has 0, the truth 1)"
    )
    for warning in made.warnings:
        click.echo(f"warning: {warning}", err=True)


@click.command()
@click.argument("model")
@click.argument("sound")
@click.option(
    "-o", "--output", required=True, help="Folder for patch.toml, match.wav, report.html."
)
@click.option("--renders", type=click.IntRange(1), default=64, show_default=True)
@click.option("--refiner", help="See: dspcore list refiners  [default: proxy where it was trained]")
@click.option("--from", "preset", help="A patch.toml to begin with.")
@click.option("--as-is", is_flag=True, help="Do not transpose or turn the recording up or down.")
@click.option("--seed", type=int, default=0, show_default=True)
@WORKERS
@OVERWRITE
def estimate(
    model: str,
    sound: str,
    output: str,
    renders: int,
    refiner: str | None,
    preset: str | None,
    as_is: bool,
    seed: int,
    workers: int,
    overwrite: bool,
) -> None:
    """Find the patch with which the synth of MODEL sounds like SOUND.

    The recording is made mono, begun at its onset, moved to the pitch and brought to the level that
    the estimator knows; the report says by how much, and lets you hear all of it.

    \b
    Example:
        dspcore synth estimate bass.safetensors recording.wav -o match/
    """
    import torch

    from dspcore import audio, patches
    from dspcore.patches.recipe import Recipe

    folder = Path(output)
    paths = {n: folder / n for n in ("patch.toml", "match.wav", "report.html")}
    check_new([str(path) for path in paths.values()], overwrite)
    learnt, state = patches.load_estimator(model)
    space = patches.ParamSpace.from_json(json.dumps(state["space"]))
    recording, rate = audio.read(sound)
    recipe = Recipe.from_dict(state["facts"]["recipe"], model)
    target = patches.prepared(
        recording,
        rate,
        wanted_rate=recipe.setting.sample_rate,
        seconds=recipe.setting.seconds,
        pitch=recipe.setting.note.pitch,
        lufs=None if as_is else state["facts"]["lufs"],
        transpose=not as_is,
    )
    with recipe.renderer(workers) as renderer:
        space.check(renderer.space, model)
        refiner = refiner or patches.default_refiner(learnt)
        player = patches.player_of(renderer, refiner)
        start = None
        if preset is not None:
            start = torch.from_numpy(space.encode(patches.read_patch(preset, space))).float()[None]
        found = patches.match(
            target.sound, player, learnt, renders=renders, refiner=refiner, seed=seed, start=start
        )
        best = player(found.u[None])[0]
        floors = {"the mean patch": _mean_floor(learnt, player, target.sound)}
    patch = space.decode(found.u.double().numpy())
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"distance_db": round(found.distance, 4), "renders": found.renders, "target": sound}
    write_text(paths["patch.toml"], patches.patch_text(space, patch, facts))
    audio.write(
        paths["match.wav"], best / max(1.0, float(best.abs().max()) / 0.99), target.sample_rate
    )
    page = patches.match_page(
        Path(sound).name,
        target.sound,
        best,
        target.sample_rate,
        found,
        space,
        patch,
        floors=floors,
        others=[("recording", "as it is", recording)] if rate <= 192_000 else [],
        notes=target.notes,
    )
    write_text(paths["report.html"], page)
    click.echo(
        f"{folder}: {found.distance:.2f} dB of log-mel after {found.renders} renders "
        f"({', '.join(f'{n} {v:.1f}' for n, v in floors.items())}); open {paths['report.html']}"
    )
    for note in (*target.notes, *found.notes):
        click.echo(f"note: {note}")


@click.command()
@click.argument("models", nargs=-1)
@click.option("--train", "training", required=True, help="Data set that they were trained on.")
@click.option("--test", "testing", required=True, help="Data set of another split.")
@click.option("--targets", type=click.IntRange(1), default=32, show_default=True, help="Matched.")
@click.option("--renders", type=click.IntRange(1), default=64, show_default=True, help="For each.")
@click.option("--refiner", help="A further row of each model; see: dspcore list refiners")
@click.option("--each", is_flag=True, help="A table of every parameter for each model, too.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@WORKERS
def evaluate(
    models: tuple[str, ...],
    training: str,
    testing: str,
    targets: int,
    renders: int,
    refiner: str | None,
    each: bool,
    seed: int,
    as_json: bool,
    workers: int,
) -> None:
    """Tables of MODELS on held-out patches, with the floors (mean, random, nearest) and the oracle.

    Models that differ in their seed alone are one row, with the deviation between them. Intervals
    are of 95 %, by bootstrap over the targets; values that are no number are counted.

    \b
    Example:
        dspcore synth evaluate a.safetensors b.safetensors --train data --test test --each
    """
    from dspcore import patches
    from dspcore.patches.recipe import read_recipe
    from dspcore.patches.sampler import check_disjoint

    known, asked = patches.Dataset(training), patches.Dataset(testing)
    known.space.check(asked.space, testing)
    check_disjoint(known.encoded, asked.encoded, testing)
    estimators: dict[str, list[Estimator]] = {}
    for path in models:
        learnt, _ = patches.load_estimator(path, fingerprint=known.space.fingerprint)
        told = ", ".join(
            f"{k}={v}" for k, v in learnt.options().items() if k in ("head", "size", "kind")
        )
        estimators.setdefault(f"{learnt.name} ({told})" if told else learnt.name, []).append(learnt)
    examples = patches.examples_of(known)
    floors = {
        n: patches.make_estimator(n).fit(examples, examples) for n in ("mean", "random", "nearest")
    }
    with read_recipe(Path(testing)).renderer(workers) as renderer:
        player = patches.player_of(renderer, refiner)
        found = patches.evaluate(
            estimators,
            floors,
            patches.targets_of(asked, player),
            examples,
            player,
            count=targets,
            renders=renders,
            refiner=refiner,
            seed=seed,
            done=lambda name: None if as_json else click.echo(f"{name}: done", err=True),
        )
    if as_json:
        click.echo(json.dumps(found.facts(), indent=2))
        return
    click.echo(table(*found.audio_cells()))
    click.echo()
    click.echo(table(*found.param_cells()))
    for name in estimators if each else ():
        click.echo(f"\n{name}")
        click.echo(table(*found.each_cells(name)))


COMMANDS = (train, estimate, evaluate)


def _mean_floor(learnt: Estimator, player: Any, target: Any) -> float:
    """What the middle of every range is away, in dB."""
    import torch

    from dspcore.patches import METRICS

    sound = player(torch.full((1, len(learnt.layout)), 0.5))
    return float(METRICS["logmel"](sound, target[None], learnt.frontend.sample_rate))


def given(settings: tuple[str, ...]) -> dict[str, Any]:
    """``NAME=VALUE`` as Python has it: numbers, true and false, words."""
    found: dict[str, Any] = {}
    for setting in settings:
        name, equals, word = setting.partition("=")
        if not equals:
            raise UserError(f"--set: wanted NAME=VALUE, got {setting!r}")
        try:
            found[name] = json.loads(word)
        except ValueError:
            found[name] = word
    return found


def check_new(paths: list[str], overwrite: bool) -> None:
    """Raise where a file exists that may not be replaced."""
    for path in paths:
        if Path(path).exists() and not overwrite:
            raise UserError(f"{path}: exists already; replace with --overwrite")


def _median(values: Any) -> float:
    import numpy as np

    finite = np.asarray(values)[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else -20.0


def _or_dash(value: float) -> str:
    return f"{value:.2f}" if value == value else "-"
