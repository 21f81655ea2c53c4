"""The run: phases that follow each other, validation, and what is written down."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from dspcore import train
from dspcore.errors import UserError
from dspcore.files import read_text, write_text
from dspcore.latent.autoencoder import Autoencoder, make_autoencoder
from dspcore.latent.config import LatentConfig, deviations, make_distance
from dspcore.latent.discriminator import Discriminator
from dspcore.latent.divergence import LN2
from dspcore.latent.items import Batches, open_data
from dspcore.latent.losses import Losses
from dspcore.latent.machine import Machine
from dspcore.latent.run import Callback, LatentRun
from dspcore.latent.schedules import Beta
from dspcore.latent.start import started

MODEL = "autoencoder.json"
PHASE_END = "represent-end.safetensors"


@dataclass(frozen=True)
class TrainedLatent:
    """A run and how it ended."""

    run: LatentRun
    fitted: train.Fitted


def fit_latent(config: LatentConfig, *, callbacks: Sequence[Callback] = ()) -> TrainedLatent:
    """Train an autoencoder; model, numbers and checkpoints go into the run's folder.

    Args:
        config: Everything.
        callbacks: Look on; see `Callback`.

    Raises:
        UserError: The data or the config cannot be used; says why.
        DivergedError: More losses in a row than `fit.tolerate` were not finite.
    """
    run = open_run(config)
    fitted = _Loop(run, callbacks).go()
    return TrainedLatent(run, fitted)


def open_run(config: LatentConfig) -> LatentRun:
    """The modules and the data of a run, made anew; `fit` goes back to a checkpoint, if there is.

    Raises:
        UserError: The data or the config cannot be used; says why.
    """
    if config.fit.folder is None:
        raise UserError("latent: say where the run goes (--out)")
    folder = Path(config.fit.folder)
    torch.manual_seed(config.fit.seed or 0)
    model = make_autoencoder(config.autoencoder, config.sample_rate, **config.options)
    if config.start.run and not (folder / "latest.safetensors").exists():
        started(model, config.start, config.fit.seed or 0)
    found = open_data(config.data, config.sample_rate, model.audio_channels, model.hop, folder)
    for path, reason in found.left_out.items():
        print(f"left out: {path}: {reason}", file=sys.stderr)
    phases = config.phases
    judge = Discriminator(model.audio_channels, phases.scales, phases.width)
    about = {
        "autoencoder": config.autoencoder,
        "sample_rate": config.sample_rate,
        "options": config.options,
        "left_out": found.left_out,
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / MODEL, json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    if config.rave_compat:
        lines = deviations(config, model)
        write_text(folder / "deviations.txt", "\n".join(lines) + "\n")
        print("\n".join(lines), file=sys.stderr)
    return LatentRun(
        config,
        folder,
        model,
        judge,
        Machine(phases),
        Beta(config.beta),
        make_distance(config),
        found,
    )


def load_latent(run: str | Path, which: str | None = None) -> Autoencoder:
    """The autoencoder of a run's folder, in eval mode.

    Args:
        run: The folder.
        which: best, latest, or represent-end; by default the latest of a run that came to the
            adversarial phase, where distances rise as sounds get better, else the best.
    """
    folder = Path(run)
    if not (folder / MODEL).is_file():
        raise UserError(f"{run}: has no autoencoder ({MODEL}); dspcore train latent makes one")
    about = json.loads(read_text(folder / MODEL))
    model = make_autoencoder(about["autoencoder"], about["sample_rate"], **about["options"])
    if which is None:
        which = "latest" if (folder / PHASE_END).exists() else "best"
        which = which if (folder / f"{which}.safetensors").exists() else "latest"
    train.load_weights(model, folder / f"{which}.safetensors")
    return model.eval()


class _Loop:
    """What happens between steps."""

    def __init__(self, run: LatentRun, callbacks: Sequence[Callback]) -> None:
        self.run, self.callbacks, self.config = run, callbacks, run.config
        self.begun = False

    def go(self) -> train.Fitted:
        """All steps."""
        run, config = self.run, self.config
        self.batches = Batches(
            run.data.training, config.data.batch_size, config.data.seed, config.data.augment
        )
        fitted = train.fit(
            run.models,
            Losses(run).phases(),
            self.batch,
            config.fit,
            validate=self.validate,
            after_step=self.after_step,
            after_move=self.after_move,
            on_log=self.log,
            record=config,
        )
        for callback in self.callbacks:
            callback.end(run, fitted)
        return fitted

    def batch(self, number: int) -> dict[str, Tensor]:
        """Batch `number` of the run; the first of a process is when callbacks begin."""
        if not self.begun:
            self.begun = True
            run = self.run
            run.model.train(run.model.training)  # what was frozen before a resume is in eval mode
            for callback in self.callbacks:
                callback.begin(run, number // self.config.fit.accumulate)
        return self.batches(number)

    # --- between steps --------------------------------------------------------------------------

    def after_move(self, moved: train.Moved) -> None:
        """Count, and let the controller of the weight see what a frame costs."""
        generator = moved.phase != "discriminator"
        self.run.machine.moved("generator" if generator else "discriminator")
        if "kl_bits" in moved.parts:
            self.run.beta.observe(float(moved.parts["kl_bits"]))
        for callback in self.callbacks:
            callback.moved(self.run, moved)

    def after_step(self, models: Any, step: int) -> None:
        """Go on to the next phase when it is time."""
        run = self.run
        name = run.machine.advance(run.model, run.folder)
        if name is None:
            return
        if not (run.folder / PHASE_END).exists():
            kept = train.Checkpoint()
            kept.put_modules(run.models)
            kept.state["step"] = step + 1
            try:
                kept.save(run.folder / PHASE_END)
            except UserError as error:
                warnings.warn(f"latent: {error}; training goes on", RuntimeWarning, stacklevel=2)
        tqdm.write(f"latent: step {step + 1}: phase {name} begins", file=sys.stderr)
        for callback in self.callbacks:
            callback.phase(run, step + 1, name)

    def validate(self, models: Any, step: int) -> Mapping[str, float]:
        """The distance on the validation set is what counts as the loss."""
        found = self.run.validated(step)
        metrics = {"loss": float(found.distance.mean())}
        metrics |= {f"distance/{name}": float(v.mean()) for name, v in found.parts.items()}
        if found.kl is not None:
            metrics["kl_bits"] = float(found.kl.mean(0).sum()) / LN2
        for callback in self.callbacks:
            metrics |= callback.validated(self.run, found) or {}
        self.run.machine.observe({f"validation/{name}": v for name, v in metrics.items()})
        return metrics

    def log(self, models: Any, step: int, trackers: train.Trackers) -> None:
        """Counters, after the metrics."""
        trackers.log(step, self.run.machine.counters())
        for callback in self.callbacks:
            callback.log(self.run, step, trackers)
