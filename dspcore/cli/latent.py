"""``dspcore latent``: latents of sounds and back, and new sounds from a prior."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from torch import Tensor

from dspcore import audio
from dspcore.cli.table import table
from dspcore.errors import UserError


@click.group()
def command() -> None:
    """Use a trained autoencoder: encode, decode, rebuild, and sample new sounds from a prior.

    \b
    Example:
        dspcore train latent hits.jsonl --out run/
        dspcore latent encode run/ hits.jsonl -o latents/
        dspcore latent prior latents/ --out prior/
        dspcore latent sample run/ prior/ -n 16 -o new/
    """


@command.command()
@click.argument("run")
@click.argument("recording")
@click.option("-o", "--output", required=True, help="Audio file to write.")
@click.option("--which", help="Checkpoint: best, latest, represent-end.")
def rebuild(run: str, recording: str, output: str, which: str | None) -> None:
    """Send a RECORDING through the autoencoder of a RUN.

    \b
    Example:
        dspcore latent rebuild run/ in.wav -o out.wav
    """
    import torch

    from dspcore.latent import load_latent

    model = load_latent(run, which)
    sound = _fitting(Path(recording), model)
    with torch.no_grad():
        made = model(sound[None])[0][0]
    audio.write(output, made, model.sample_rate)
    click.echo(f"{output}: {made.shape[1] / model.sample_rate:.2f} s")


@command.command()
@click.argument("run")
@click.argument("source")
@click.option("-o", "--output", required=True, help="Folder to write.")
@click.option("--which", help="Checkpoint: best, latest, represent-end.")
def encode(run: str, source: str, output: str, which: str | None) -> None:
    """Write the latents of SOURCE, a manifest or a folder of shards, as sequences.

    Mean and deviation of every frame go to latents.safetensors, what is known of the sounds to
    latents.jsonl. Files that cannot be read are named and left out.

    \b
    Example:
        dspcore latent encode run/ hits.jsonl -o latents/
    """
    from dspcore.latent import encoded, load_latent, write_latents

    model = load_latent(run, which)
    found = encoded(model, _sounds(source, model))
    write_latents(output, found)
    frames = sum(mean.shape[1] for mean in found.means)
    click.echo(f"{output}: {len(found)} sequences, {frames} frames of {found.dims} dimensions")


@command.command()
@click.argument("run")
@click.argument("latents")
@click.option("-o", "--output", required=True, help="Folder to write.")
@click.option("--which", help="Checkpoint: best, latest, represent-end.")
def decode(run: str, latents: str, output: str, which: str | None) -> None:
    """Make sounds of LATENTS, a folder that encode wrote.

    \b
    Example:
        dspcore latent decode run/ latents/ -o sounds/
    """
    from dspcore.latent import decoded, load_latent, read_latents

    model, found = load_latent(run, which), read_latents(latents)
    _same_encoder(model, found.about, latents)
    home = Path(output)
    home.mkdir(parents=True, exist_ok=True)
    for number, (mean, row) in enumerate(zip(found.means, found.rows, strict=True)):
        samples: Any = row["samples"]
        name = f"{number:05d}-{Path(str(row.get('path', 'sound'))).stem}.wav"
        audio.write(home / name, decoded(model, mean, samples), model.sample_rate)
    click.echo(f"{output}: {len(found)} sounds")


@command.command(context_settings={"ignore_unknown_options": True})
@click.argument("latents")
@click.option("--out", required=True, help="Folder of the run.")
@click.option("--steps", type=click.IntRange(1), help="Steps in all.  [default: 1000]")
@click.option("--config", help="A TOML file with any settings.")
@click.argument("fields", nargs=-1, type=click.UNPROCESSED)
def prior(
    latents: str, out: str, steps: int | None, config: str | None, fields: tuple[str, ...]
) -> None:
    """Train a prior on LATENTS: a small transformer that goes on frame by frame.

    Every field of its config is an option too: --width 128 --label tag --fit.optimizer.lr 0.0005.

    \b
    Example:
        dspcore latent prior latents/ --out prior/ --label tag
    """
    from dspcore.latent import PriorConfig, fit_prior, read_latents
    from dspcore.train import read_config

    words = ["--config", config] if config else []
    words += [*fields, "--fit.folder", out]
    words += ["--fit.steps", str(steps)] if steps is not None else []
    read: Any = read_config(PriorConfig, words, program="dspcore latent prior")
    model = fit_prior(read_latents(latents), read)
    asked = f"; labels: {', '.join(model.labels)}" if model.labels else ""
    click.echo(f"{out}: {sum(p.numel() for p in model.parameters())} parameters{asked}")


@command.command()
@click.argument("run")
@click.argument("prior_folder", metavar="PRIOR")
@click.option("-o", "--output", required=True, help="Folder to write.")
@click.option("-n", "--count", type=click.IntRange(1), default=8, show_default=True)
@click.option("--label", help="What is asked for, of a prior with labels.")
@click.option("--temperature", type=click.FloatRange(0), default=1.0, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--which", help="Checkpoint: best, latest, represent-end.")
def sample(
    run: str,
    prior_folder: str,
    output: str,
    count: int,
    label: str | None,
    temperature: float,
    seed: int,
    which: str | None,
) -> None:
    """Make new sounds: sequences that a PRIOR draws, through the decoder of a RUN.

    \b
    Example:
        dspcore latent sample run/ prior/ -n 16 -o new/
    """
    from dspcore.latent import decoded, load_latent, load_prior

    model = load_latent(run, which)
    drawer, about = load_prior(prior_folder)
    _same_encoder(model, about, prior_folder)
    home = Path(output)
    home.mkdir(parents=True, exist_ok=True)
    made = drawer.sample(count, label, temperature=temperature, seed=seed)
    for number, mean in enumerate(made):
        audio.write(home / f"new-{number:03d}.wav", decoded(model, mean), model.sample_rate)
    click.echo(f"{output}: {count} sounds")


@command.command()
@click.argument("run")
@click.option("-o", "--output", required=True, help="TorchScript file to write, .ts; or .onnx.")
@click.option("--axes", help="Latents that encode wrote: export along their principal axes.")
@click.option(
    "--keep",
    type=click.FloatRange(0, min_open=True),
    help="Axes to keep: a number, or below 1 the share of the variance.  [default: all]",
)
@click.option("--which", help="Checkpoint: best, latest, represent-end.")
def export(run: str, output: str, axes: str | None, keep: float | None, which: str | None) -> None:
    """Write the autoencoder of a RUN as TorchScript, with the methods encode and decode, or ONNX.

    The noise of the decoder is a loop of some seconds, so that the same latent gives the same
    sound. What was written is compared with the model at another length before it appears. Of
    -o hits.onnx come two files, hits.encode.onnx and hits.decode.onnx.

    \b
    Examples:
        dspcore latent export run/ -o hits.ts
        dspcore latent export run/ -o hits.ts --axes latents/ --keep 0.99
        dspcore latent export run/ -o hits.onnx
    """
    from dspcore.latent import (
        Codec,
        export_codec,
        export_onnx,
        load_latent,
        principal_axes,
        read_latents,
    )

    model = load_latent(run, which)
    turned, centre = None, None
    if axes is not None:
        found = read_latents(axes)
        _same_encoder(model, found.about, axes)
        keep = model.dims if keep is None else keep
        turned, centre = principal_axes(found.means, keep if keep < 1 else round(keep))
    elif keep is not None:
        raise UserError("--keep: give the latents to find axes in, too (--axes)")
    codec = Codec(model, turned, centre)
    if output.endswith(".onnx"):
        output = " and ".join(str(path) for path in export_onnx(codec, output))
    else:
        export_codec(codec, output)
    click.echo(
        f"{output}: {codec.axes.shape[1]} of {model.dims} dimensions, a frame of {model.hop} "
        f"samples at {model.sample_rate} Hz"
    )


@command.command(context_settings={"ignore_unknown_options": True})
@click.argument("source", required=False)
@click.option("--out", required=True, help="Folder of the run that is to come.")
@click.option("--config", help="A TOML file with any settings.")
@click.option(
    "--memory",
    type=click.FloatRange(0, min_open=True),
    help="Gigabytes that a step may hold.  [default: 80 % of what is free]",
)
@click.option("--most", type=click.IntRange(1), default=256, show_default=True)
@click.argument("fields", nargs=-1, type=click.UNPROCESSED)
def batch(
    source: str | None,
    out: str,
    config: str | None,
    memory: float | None,
    most: int,
    fields: tuple[str, ...],
) -> None:
    """Find the largest batch that fits, by whole steps of every phase at growing sizes.

    Takes what `dspcore train latent` takes; nothing is trained, but the clips are packed into the
    run's folder, where they are needed anyway. The next size is tried only where what it would hold
    is told from the last two to fit.

    \b
    Example:
        dspcore latent batch hits.jsonl --out run/ --memory 8 --options.size base
    """
    from dspcore.latent import LatentConfig, batch_sizes
    from dspcore.train import read_config

    words = ["--config", config] if config else []
    read: Any = read_config(LatentConfig, [*words, *fields], program="dspcore latent batch")
    if source is not None:
        read.data.source = source
    read.fit.folder = out
    found = batch_sizes(read, memory=None if memory is None else 1e9 * memory, most=most)
    head = ["clips", "MB", "clips/s", *(f"gradient, {name}" for name in found[0].norms)]
    rows = [
        [
            str(trial.size),
            "?" if trial.bytes is None else f"{trial.bytes / 1e6:.0f}",
            f"{trial.size / trial.seconds:.1f}",
            *(f"{norm:.3g}" for norm in trial.norms.values()),
        ]
        for trial in found
    ]
    click.echo(table(head, rows))
    first, last = found[0], found[-1]
    click.echo(
        f"{last.size} clips fit; with --data.batch_size {last.size} --fit.accumulate 4 a step is "
        f"that of {4 * last.size}\nthe gradient's length goes from {first.norms['represent']:.3g} "
        f"with {first.size} to {last.norms['represent']:.3g} with {last.size}: a clip limit is for "
        "one batch size only"
    )


@command.command()
@click.argument("run")
@click.option("--out", required=True, help="Folder for the tries, each a run of its own.")
@click.option("--steps", type=click.IntRange(2), default=500, show_default=True, help="Of each.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many.")
@click.option(
    "--noise",
    type=click.FloatRange(0),
    default=0.05,
    show_default=True,
    help="On every tensor of weights, as a share of its RMS.",
)
@click.option(
    "--kick",
    type=click.FloatRange(0, min_open=True),
    default=3.0,
    show_default=True,
    help="Factor of the rate at first.",
)
@click.option("--kick-steps", type=click.IntRange(1), default=50, show_default=True)
@click.option("--which", default="best", show_default=True, help="Checkpoint to start from.")
def restart(run: str, seeds: int, **how: Any) -> None:
    """Is a RUN stuck? Go on from its weights plainly, and pushed, from several seeds.

    \b
    Example:
        dspcore latent restart run/ --out tries/ --steps 300
        dspcore report run/ tries/plain/ tries/seed-0/ -o compared/
    """
    from dspcore import latent

    found = latent.restart(run, seeds=range(seeds), **how)
    rows = [[t.name, f"{t.best:.4g}", str(t.step)] for t in (found.plain, *found.pushed)]
    click.echo(table(["try", "best", "at step"], rows))
    click.echo(found.verdict())


@command.command(name="next")
@click.argument("run")
def next_phase(run: str) -> None:
    """Ask a RUN that is going on for its next phase; it comes after the step it is at.

    \b
    Example:
        dspcore latent next run/
    """
    from dspcore.latent.machine import HAND

    if not Path(run).is_dir():
        raise UserError(f"{run}: no such run")
    (Path(run) / HAND).touch()
    click.echo(f"{run}: asked for the next phase")


def _same_encoder(model: Any, about: dict[str, Any], name: str) -> None:
    own = model.encoder_hash()
    if about["encoder"] != own:
        raise UserError(
            f"{name}: was made with another encoder ({about['encoder']}, this is {own}); "
            "take the run or the checkpoint (--which) that it was made with"
        )


def _fitting(path: Path, model: Any) -> Tensor:
    """A recording at the model's rate and channels."""
    from dspcore.data.shards import resampled

    sound, rate = audio.read(path)
    if model.audio_channels == 1:
        sound = sound.mean(0, keepdim=True)
    elif sound.shape[0] > model.audio_channels:
        raise UserError(f"{path}: has {sound.shape[0]} channels, wanted {model.audio_channels}")
    return resampled(sound.expand(model.audio_channels, -1), rate, model.sample_rate)


def _sounds(source: str, model: Any) -> Iterator[tuple[Tensor, dict[str, object]]]:
    from dspcore import data

    def known(row: Any) -> dict[str, object]:
        return {"path": row.path, "tags": row.tags, "text": row.text, "group": row.group}

    if any(Path(source).glob("shard-*.json")):
        shards = data.Shards(source)
        if shards.sample_rate != model.sample_rate:
            raise UserError(
                f"{source}: shards at {shards.sample_rate} Hz, the model wants "
                f"{model.sample_rate} Hz; give the manifest instead"
            )
        for index in range(len(shards)):
            yield shards.audio(index), known(shards.row(index))
        return
    for row in data.read(source):
        if row.error:
            click.echo(f"left out: {row.path}: {row.error}", err=True)
            continue
        try:
            yield _fitting(data.manifest.located(source, row), model), known(row)
        except UserError as error:
            click.echo(f"left out: {error}", err=True)
