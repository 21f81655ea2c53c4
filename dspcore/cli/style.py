"""``dspcore style``: train controllers of an effect, transfer a style with them, measure them."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dspcore import audio, style
from dspcore.cli.style_parts import clips_for, encoder_named, measured, options_of, show
from dspcore.cli.table import table
from dspcore.errors import UserError
from dspcore.match.save import folder_for
from dspcore.style.controller import Budget, Controller, make_controller
from dspcore.style.evaluation import YARDSTICKS
from dspcore.style.heads import head_rate, load_head, save_head
from dspcore.style.pairs import PairSource
from dspcore.style.rendering import effect_named, slug, title
from dspcore.style.result import PAGE, PRESET, save_transfer

_EFFECT = click.option(
    "--effect", "name", required=True, help="A plug-in, an effect, a chain 'a+b', or a preset."
)
_HEADS = click.option("--heads", default="heads", show_default=True, help="Folder of heads.")


def _data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What training and evaluation ask of the recordings alike."""
    options = [
        click.option("--data", required=True, help="Folder with recordings."),
        click.option(
            "--seconds",
            type=click.FloatRange(0.4),
            default=2.7,
            show_default=True,
            help="Length of a clip; its halves are input and reference.",
        ),
        click.option("--group", default="", help="Regular expression: the group in a name."),
        click.option("--seed", type=int, default=0, show_default=True, help="Of all draws."),
        click.option(
            "--encoder",
            default="statistics",
            show_default=True,
            help="What is heard through: a name of `dspcore list encoders`, or a file.",
        ),
        click.option(
            "--test", type=click.IntRange(2), default=25, show_default=True, help="Pairs."
        ),
        click.option("--pesq", is_flag=True, help="Measure speech quality, too."),
        click.option("--json", "as_json", is_flag=True, help="The table as JSON."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def command() -> None:
    """Make one recording sound produced like another, through any effect.

    \b
    Example:
        dspcore style train --effect mda:Overdrive --data recordings/ --out heads/
        dspcore style transfer in.wav reference.wav --effect mda:Overdrive --out result/
    """


@command.command()
@_EFFECT
@_data_options
@click.option("--out", default="heads", show_default=True, help="Folder of heads.")
@click.option("--controller", default="regress", show_default=True)
@click.option("--option", "-O", multiple=True, metavar="NAME=VALUE", help="Of the controller.")
@click.option("--sample-rate", type=click.IntRange(8000), default=44_100, show_default=True)
@click.option(
    "--pairs", type=click.IntRange(8), default=250, show_default=True, help="To train on."
)
@click.option("--validation", type=click.IntRange(2), default=25, show_default=True, help="Pairs.")
@click.option("--steps", type=click.IntRange(1), default=1500, show_default=True, help="At most.")
def train(
    name: str,
    data: str,
    seconds: float,
    group: str,
    seed: int,
    encoder: str,
    test: int,
    pesq: bool,
    as_json: bool,
    out: str,
    controller: str,
    option: tuple[str, ...],
    sample_rate: int,
    pairs: int,
    validation: int,
    steps: int,
) -> None:
    """Train a controller of one effect on pairs made from recordings, and measure it.

    A run that was stopped goes on from where it was when the same command is given again.

    \b
    Examples:
        dspcore style train --effect mda:Overdrive --data recordings/ --out heads/
        dspcore style train --effect eq+compressor --data speech/ --controller autodiff
    """
    made = make_controller(controller, **options_of(option))
    effect = effect_named(name, sample_rate)
    hears = encoder_named(encoder, sample_rate)
    train_clips, rest = clips_for(data, effect, seconds, group, seed, (pairs, validation, test))
    sources = [
        PairSource(effect, train_clips[0], seed=seed + 1, count=pairs),
        PairSource(effect, train_clips[1], seed=seed + 2, count=validation),
    ]
    asked = [
        name,
        data,
        seconds,
        group,
        seed,
        encoder,
        controller,
        option,
        sample_rate,
        pairs,
        steps,
    ]
    digest = hashlib.blake2b(repr(asked).encode(), digest_size=6).hexdigest()
    run = Path(out) / slug(effect) / f"run-{digest}"
    budget = Budget(steps=steps, seed=seed, folder=run, progress=True)
    made.prepare(effect, *sources, encoder=hears, budget=budget)
    found = measured(effect, {made.name: made}, sources, rest, test, seed, hears, pesq)
    if made.module() is not None:
        path = save_head(made, out, found.facts())
        click.echo(f"{path}: written", err=True)
    shutil.rmtree(run, ignore_errors=True)
    rejected = sum((source.rejected for source in sources), start=train_clips[0].rejected.copy())
    if rejected:
        said = ", ".join(f"{count} {why}" for why, count in rejected.items())
        click.echo(f"left out: {said}", err=True)
    show(found, as_json, effect)


@command.command()
@_EFFECT
@_HEADS
@_data_options
@click.option("--controller", multiple=True, help="Beside the yardsticks; may be repeated.")
@click.option("--sample-rate", type=click.IntRange(8000), help="That of the heads by default.")
def evaluate(
    name: str,
    heads: str,
    data: str,
    seconds: float,
    group: str,
    seed: int,
    encoder: str,
    test: int,
    pesq: bool,
    as_json: bool,
    controller: tuple[str, ...],
    sample_rate: int | None,
) -> None:
    """Measure controllers of an effect on recordings, beside nothing, chance and the truth.

    Controllers that learn are taken from --heads; the others are asked as they are.

    \b
    Example:
        dspcore style evaluate --effect mda:Overdrive --data other/ --controller regress
    """
    effect = effect_named(name, sample_rate or 44_100)
    rates = [head_rate(heads, title(effect), each) for each in controller]
    rate = sample_rate or next((r for r in rates if r is not None), 44_100)
    if rate != effect.sample_rate:
        effect = effect_named(name, rate)
    hears = encoder_named(encoder, rate)
    chosen: dict[str, Controller] = {}
    for each in controller:
        made = make_controller(each)
        if made.learns and each not in YARDSTICKS:
            chosen[each] = load_head(heads, effect, each)
        else:
            chosen[each] = made.prepare(effect, encoder=hears, budget=Budget(seed=seed))
    train_clips, rest = clips_for(data, effect, seconds, group, seed, (16, 2, test))
    source = PairSource(effect, train_clips[0], seed=seed + 1)
    found = measured(effect, chosen, [source], rest, test, seed, hears, pesq)
    show(found, as_json, effect)


@command.command()
@click.argument("input")
@click.argument("reference")
@_EFFECT
@_HEADS
@click.option("--out", required=True, help="Folder for the result.")
@click.option("--controller", default="regress", show_default=True)
@click.option("--encoder", default="statistics", help="For controllers without a head.")
@click.option("--overwrite", is_flag=True, help="Replace a result that exists.")
def transfer(
    input: str,
    reference: str,
    name: str,
    heads: str,
    out: str,
    controller: str,
    encoder: str,
    overwrite: bool,
) -> None:
    """Render INPUT in the style of REFERENCE through an effect.

    Writes the sound, a preset for `dspcore render`, a page to listen and look, and numbers as JSON.
    The recordings may hold different notes and have different sample rates.

    \b
    Example:
        dspcore style transfer in.wav reference.wav --effect mda:Overdrive --out result/
    """
    dry, rate = audio.read(input)
    wanted, wanted_rate = audio.read(reference)
    made = make_controller(controller)
    if made.name in YARDSTICKS:
        raise UserError(f"--controller: {made.name!r} is a yardstick for tables")
    own = effect = effect_named(name, rate)
    learnt_at = head_rate(heads, title(effect), controller) if made.learns else None
    if learnt_at is not None and learnt_at != rate:
        own = effect_named(name, learnt_at)
    if made.learns:
        made = load_head(heads, own, controller)
    else:
        made.prepare(own, encoder=encoder_named(encoder, own.sample_rate))
    notes = []
    for path, at in ((input, rate), (reference, wanted_rate)):
        if at != own.sample_rate:
            notes.append(f"{Path(path).name} ({at} Hz) was heard at {own.sample_rate} Hz.")
    with folder_for(out, overwrite=overwrite) as folder:
        found = style.transfer(
            made, dry, wanted, sample_rate=rate, reference_rate=wanted_rate, effect=effect
        )
        if found.effect is None:
            notes.append(f"{controller} made the sound itself, without the effect.")
        else:
            notes.append(f"Settings by {controller}, mean over stretches heard: {found.windows}.")
        if (peak := float(found.result.abs().max())) > 1:
            notes.append(
                f"The result peaks at {20 * math.log10(peak):+.1f} dBFS: the file holds it, as "
                "floats, but turn it down before it is played or written with fewer bits."
            )
        save_transfer(
            found,
            folder,
            sample_rate=rate,
            reference_rate=wanted_rate,
            title=f"{Path(input).name} in the style of {Path(reference).name}",
            notes=notes,
        )
    rows = [
        [key, f"{before:.3g}", f"{after:.3g}"]
        for key, (before, after) in found.distances(rate).items()
    ]
    if found.effect is not None:
        shown = [[key, f"{value:.4g}"] for key, value in found.effect.values.items()]
        click.echo(table(["setting", "value"], shown) + "\n")
    click.echo(table(["to the reference", "input", "result"], rows))
    click.echo(f"\nlisten and look: {folder / PAGE}")
    if found.effect is not None:
        click.echo(f"render with:     {folder / PRESET}")


@command.command()
@click.option("--effect", "names", multiple=True, required=True, help="To hear; repeat it.")
@click.option("--data", required=True, help="Folder with recordings.")
@click.option("--out", required=True, help="File for the encoder.")
@click.option(
    "--kind", default="conv", show_default=True, help="conv or vae; any other with --pairing."
)
@click.option(
    "--pairing", type=click.Choice(["vae"]), help="Learn a latent of pairs, too (-O pairing=vae)."
)
@click.option(
    "--perceptual",
    type=click.FloatRange(0),
    default=0.0,
    help="How much a vae's latent is tied to brightness and depth.",
)
@click.option("--start", help="File of weights to begin with; what fits is taken, and told.")
@click.option("--schedule", type=click.Choice(["mixed", "per-epoch"]), default="mixed")
@click.option("--sample-rate", type=click.IntRange(8000), default=44_100, show_default=True)
@click.option("--seconds", type=click.FloatRange(1.0), default=2.7, show_default=True)
@click.option("--group", default="", help="Regular expression: the group in a name.")
@click.option(
    "--pairs", type=click.IntRange(8), default=250, show_default=True, help="Each effect."
)
@click.option("--validation", type=click.IntRange(2), default=25, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=100, show_default=True, help="At most.")
@click.option("--patience", type=click.IntRange(1), default=1, show_default=True, help="Rounds.")
@click.option("--seed", type=int, default=0, show_default=True)
def pretrain(
    names: tuple[str, ...],
    data: str,
    out: str,
    kind: str,
    pairing: str | None,
    perceptual: float,
    start: str | None,
    schedule: str,
    sample_rate: int,
    seconds: float,
    group: str,
    pairs: int,
    validation: int,
    epochs: int,
    patience: int,
    seed: int,
) -> None:
    """Train an encoder to hear what several effects do, for `train --encoder FILE`.

    \b
    Example:
        dspcore style pretrain --effect eq --effect compressor --data in/ --out ear.safetensors
    """
    from dspcore.style import pretraining as learning

    config = learning.Pretraining(
        kind=kind, pairing=pairing or "", perceptual=perceptual, start=start,
        schedule=schedule, pairs=pairs, validation=validation,
        epochs=epochs, patience_effects=patience, seed=seed,
        folder=f"{out}.run", progress=True,
    )  # fmt: skip
    effects = [effect_named(each, sample_rate) for each in names]
    clips = style.read_clips(
        data, sample_rate, seconds, limit=pairs + validation, group=group, seed=seed
    )
    held = max(1, round(len(clips) * validation / (pairs + validation)))
    if len(clips) < 2:
        raise UserError(f"{data}: gives {len(clips)} clip, wanted 2 or more")
    train_clips, held_clips = clips.split(len(clips) - held, held)
    done = learning.pretrain(effects, train_clips, held_clips, config)
    done.encoder.save(out)
    shutil.rmtree(f"{out}.run", ignore_errors=True)
    if done.loaded is not None:
        click.echo(f"{start}: {done.loaded}", err=True)
    click.echo(f"{out}: written, {done.epochs} epochs, the best was {done.best_epoch}")
