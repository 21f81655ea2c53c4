"""A decoder from a folder of recordings: the loss, the split, the run and its report."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dspcore import train
from dspcore.ddsp.data import Excerpts, Recording, load_folder, summary_of
from dspcore.ddsp.model import DDSP, ModelConfig, config_of
from dspcore.ddsp.report import training_report
from dspcore.errors import UserError
from dspcore.files import read_text, write_text
from dspcore.losses import MultiscaleSpectral

FFT_SIZES = (2048, 1024, 512, 256, 128, 64)
MODEL, REPORT = "ddsp.json", "report.html"


def _fit() -> train.FitConfig:
    return train.FitConfig(
        steps=2_000,
        optimizer=train.OptimizerConfig(lr=1e-3, clip_norm=3.0),
        average=train.AverageConfig(decay=0.99),
        validate_every=100,
    )


@dataclass
class DDSPConfig:
    """A decoder trained on a folder of recordings.

    Attributes:
        data: Folder of recordings, of one instrument or voice that plays one note at a time.
        model: What it is made of.
        fit: The run; without a schedule of its own, rates fall to a tenth in its second half.
        seconds: Length of an excerpt.
        every: Seconds from the start of an excerpt to the next.
        batch_size: Excerpts of a step.
        held_out: Share of the excerpts that validate, from the end of the list.
        min_hz: Lowest fundamental that is looked for.
        max_hz: Highest.
    """

    data: str = ""
    model: ModelConfig = field(default_factory=ModelConfig)
    fit: train.FitConfig = field(default_factory=_fit)
    seconds: float = 1.0
    every: float = 0.25
    batch_size: int = 4
    held_out: float = 0.1
    min_hz: float = 50.0
    max_hz: float = 1_000.0


@dataclass(frozen=True)
class Trained:
    """A decoder and how its run ended."""

    model: DDSP
    fitted: train.Fitted
    before: float
    after: float


def spectral_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Multi-scale spectral distance of sounds (b, 1, t): one number."""
    return MultiscaleSpectral(fft_sizes=FFT_SIZES)(found, wanted).mean()


def fit_ddsp(config: DDSPConfig) -> Trained:
    """Train, save, and write a report with players, all into the run's folder.

    Raises:
        UserError: The data or the config cannot be used; says why.
        DivergedError: The loss was NaN; the last good checkpoint is kept.
    """
    if not config.data:
        raise UserError("ddsp: say which folder of recordings to train on")
    if config.fit.folder is None:
        raise UserError("ddsp: say where the run goes (--out)")
    recordings = load_folder(
        config.data,
        config.model,
        min_hz=config.min_hz,
        max_hz=config.max_hz,
        progress=config.fit.progress,
    )
    kept, held = _split(recordings, config)
    steps, rule = config.fit.steps, config.fit.optimizer
    if not rule.schedule.points and steps > 1:
        rule.schedule = train.Schedule([(0, 1.0), (steps // 2, 1.0), (steps, 0.1)], shape="cosine")
    torch.manual_seed(config.fit.seed or 0)
    model = DDSP(config.model)
    model.heard.copy_(summary_of(recordings))

    def loss(model: Any, batch: dict[str, Tensor], step: int) -> Tensor:
        wanted = batch["sound"][:, None]
        made = model(batch["f0_hz"], batch["loudness_db"])
        return spectral_loss(made[..., -wanted.shape[-1] :], wanted)

    def validate(model: Any, step: int) -> float:
        device = next(model.parameters()).device
        batches = [{k: v.to(device) for k, v in batch.items()} for batch in held]
        return sum(float(loss(model, batch, step)) for batch in batches) / len(held)

    with torch.no_grad():
        before = validate(model, 0)
    folder = Path(config.fit.folder)
    fitted = train.fit(
        model,
        loss,
        train.Shuffled(kept, config.batch_size),
        config.fit,
        validate=validate,
        record=config,
    )
    write_text(folder / MODEL, json.dumps(asdict(config.model), indent=2) + "\n")
    model = load_ddsp(folder)
    with torch.no_grad():
        after = validate(model, fitted.step)
    done = Trained(model, fitted, before, after)
    write_text(folder / REPORT, training_report(model, recordings, fitted, before, after))
    return done


def load_ddsp(run: str | Path) -> DDSP:
    """The decoder of a run's folder, with its best weights, ready to play."""
    folder = Path(run)
    if not (folder / MODEL).is_file():
        raise UserError(f"{run}: has no decoder ({MODEL}); dspcore train ddsp makes one")
    model = DDSP(config_of(json.loads(read_text(folder / MODEL))))
    train.load_weights(model, folder)
    return model.eval()


def _split(
    recordings: list[Recording], config: DDSPConfig
) -> tuple[torch.utils.data.Dataset[Any], list[dict[str, Tensor]]]:
    """Excerpts to learn from, and batches to validate on that share no sample with them."""
    excerpts = Excerpts(recordings, config.model, config.seconds, config.every)
    count = len(excerpts)
    held = max(1, round(config.held_out * count))
    apart = _apart(excerpts, count - held)
    if len(apart) < config.batch_size:
        raise UserError(
            f"{config.data}: {count} excerpts of {config.seconds:g} s are too few; give more "
            "recordings, shorter --seconds, or a smaller --batch_size"
        )
    last = [excerpts[i] for i in range(count - held, count)]
    size = config.batch_size
    batches = [last[i : i + size] for i in range(0, len(last), size)][:8]
    stacked = [{name: torch.stack([x[name] for x in b]) for name in b[0]} for b in batches]
    return torch.utils.data.Subset(excerpts, apart), stacked


def _apart(excerpts: Excerpts, first: int) -> list[int]:
    """The excerpts before `first` that end before it begins."""
    which, start = excerpts.places[first]
    return [
        i
        for i, (index, begin) in enumerate(excerpts.places[:first])
        if index != which or begin + excerpts.frames <= start - excerpts.lead
    ]
