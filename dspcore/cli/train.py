"""``dspcore train``: models from data, one command each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click


@click.group()
def command() -> None:
    """Train a model; what comes of it is a folder with weights, numbers and a report.

    \b
    Example:
        dspcore train ddsp takes/ --out run/
        dspcore train latent hits.jsonl --out run/
    """


@command.command(context_settings={"ignore_unknown_options": True})
@click.argument("folder")
@click.option("--out", required=True, help="Folder of the run.")
@click.option("--steps", type=click.IntRange(1), help="Steps in all.  [default: 2000]")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after so long.")
@click.option("--resume", is_flag=True, help="Go on from the latest checkpoint of the run.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--config", help="A TOML file with any settings, as a run's config.toml.")
@click.argument("fields", nargs=-1, type=click.UNPROCESSED)
def ddsp(
    folder: str,
    out: str,
    steps: int | None,
    minutes: float | None,
    resume: bool,
    seed: int,
    config: str | None,
    fields: tuple[str, ...],
) -> None:
    """Train a DDSP decoder on the recordings in FOLDER.

    They should be of one instrument or voice that plays one note at a time; some minutes are
    plenty. Every field of the config is an option too: --model.hidden 256 --batch_size 8
    --fit.optimizer.lr 0.0005 --min_hz 80.

    \b
    Examples:
        dspcore train ddsp takes/ --out run/
        dspcore train ddsp takes/ --out run/ --steps 500 --model.sample_rate 24000
    """
    from dspcore.ddsp import DDSPConfig, fit_ddsp
    from dspcore.train import read_config

    words = ["--config", config] if config else []
    words += list(fields)
    if steps is not None:
        words += ["--fit.steps", str(steps)]
    read: Any = read_config(DDSPConfig, words, program="dspcore train ddsp")
    read.data = folder
    read.fit = replace(read.fit, folder=out, resume=resume, seed=seed, minutes=minutes)
    done = fit_ddsp(read)
    place = Path(out)
    click.echo(
        f"spectral loss of what was held out: {done.before:.3f} before, {done.after:.3f} after "
        f"{done.fitted.step} steps ({done.fitted.stopped})\n"
        f"listen and look: {place / 'report.html'}\n"
        f"play with it:    dspcore ddsp transfer {out} in.wav -o out.wav"
    )


@command.command(context_settings={"ignore_unknown_options": True})
@click.argument("source", required=False)
@click.option("--out", required=True, help="Folder of the run.")
@click.option("--steps", type=click.IntRange(1), help="Steps in all.  [default: 3000]")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after so long.")
@click.option("--resume", is_flag=True, help="Go on from the latest checkpoint of the run.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--config", help="A TOML file with any settings, as a run's config.toml.")
@click.option("--watch/--no-watch", default=True, help="Diagnostics and advice.", show_default=True)
@click.argument("fields", nargs=-1, type=click.UNPROCESSED)
def latent(
    source: str | None,
    out: str,
    steps: int | None,
    minutes: float | None,
    resume: bool,
    seed: int,
    config: str | None,
    watch: bool,
    fields: tuple[str, ...],
) -> None:
    """Train an autoencoder with a latent on the sounds of SOURCE.

    SOURCE is a manifest (dspcore data manifest), a folder of shards (dspcore data shard), or a
    folder of recordings; a config's data.source when left out. Short sounds are padded and their
    padding does not count. What sounds of another make would come to ("yardsticks") is measured
    before the first step, and advice is said as the run goes, each with its number.

    Every field of the config is an option too: --options.size nano --options.channels ms
    --beta.high 0.1 --phases.switch step --data.seconds 0.5.

    \b
    Examples:
        dspcore train latent hits.jsonl --out run/ --options.size nano
        dspcore train latent --config percussive.toml --out run/ --resume
    """
    from dspcore.latent import LatentConfig, fit_latent
    from dspcore.latent.watch import Watch
    from dspcore.train import read_config

    words = ["--config", config] if config else []
    words += list(fields)
    if steps is not None:
        words += ["--fit.steps", str(steps)]
    read: Any = read_config(LatentConfig, words, program="dspcore train latent")
    if source is not None:
        read.data.source = source
    read.fit = replace(read.fit, folder=out, resume=resume, seed=seed, minutes=minutes)
    done = fit_latent(read, callbacks=[Watch()] if watch else [])
    fitted, machine = done.fitted, done.run.machine
    click.echo(
        f"distance of what was held out: {fitted.best:.3f} at best, after {fitted.best_step} of "
        f"{fitted.step} steps ({fitted.stopped}); phase {machine.phase}\n"
        f"look at it: dspcore report {out}\n"
        f"hear it:    dspcore latent rebuild {out} in.wav -o out.wav"
    )
