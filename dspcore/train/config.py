"""Settings of a run as dataclasses, from a TOML file and the command line, and back to TOML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, TypeVar, get_type_hints

import tomlkit

from dspcore.errors import UserError
from dspcore.train.extra import needed
from dspcore.train.schedule import Schedule

Config = TypeVar("Config")


@dataclass
class OptimizerConfig:
    """The rule that moves the parameters.

    Attributes:
        name: adam, adamw, sgd, rmsprop, or another class of `torch.optim` in lower case.
        lr: Learning rate before the schedule's factor.
        rates: Factors of `lr` by pattern of a parameter's full name ("layers.0.*", "*.phase"); the
            first pattern that fits counts. A pattern that fits nothing is an error.
        scaled: Amplitude or period by pattern: the biggest or the longest waves of a layer change
            fastest there ("*.phase" = "period"); see `ScaledSteps`.
        options: Further arguments of the rule: betas, weight_decay, momentum.
        schedule: Factor of every rate as the steps go by; it may rise.
        clip_norm: Longest gradient, as one vector over all parameters of the optimiser; none: free.
        clip_percentile: Clip to the length that this share of the last 1000 gradients stayed below;
            0 for none. With both, the shorter counts.
    """

    name: str = "adam"
    lr: float = 1e-3
    rates: dict[str, float] = field(default_factory=dict)
    scaled: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    schedule: Schedule = field(default_factory=Schedule)
    clip_norm: float | None = None
    clip_percentile: float = 0.0

    def __post_init__(self) -> None:
        """Checks the clipping."""
        if not 0 <= self.clip_percentile < 1:
            raise UserError(
                f"train: clip_percentile must be from 0 to below 1, got {self.clip_percentile}"
            )


@dataclass
class AverageConfig:
    """An exponential moving average of the weights, which is what is validated and kept as best.

    Attributes:
        decay: Share of the old average that stays at each step; 0 keeps no average.
        start: Step of the first average; before it the average is the weights themselves.
        ramp: Let the decay grow as (1 + n) / (10 + n) over the n steps since `start`.
    """

    decay: float = 0.0
    start: int = 0
    ramp: bool = True


@dataclass
class FitConfig:
    """How long a run goes on, what it writes, and where.

    Attributes:
        folder: Of the run: config, metrics, checkpoints. None writes nothing.
        resume: Go on from the latest checkpoint in `folder` where there is one.
        steps: Steps in all, those before a resume included.
        minutes: Stop earlier than that after so long, this time; the run can be resumed.
        seed: Of torch, NumPy and Python, set at the first step; None leaves them.
        optimizer: Of phases that bring none of their own.
        average: Of the weights.
        accumulate: Batches whose gradients make one step, as their mean: a batch that many times
            larger in the memory of one. Batch statistics are each batch's own.
        log_every: Steps between lines of metrics.
        statistics_every: Steps between gradient and parameter statistics; 0 keeps none.
        validate_every: Steps between validations; 0 validates at the end only.
        save_every: Steps between checkpoints; 0 saves at validations and at the end only.
        monitor: Metric whose least value is the best; "validation/loss", or "loss" without
            validation.
        patience: Validations without a better value before the run ends; 0 never ends it.
        tolerate: Losses or gradients in a row that may be NaN or infinite; their steps are left out
            with a warning. One more, and the run ends.
        trackers: tensorboard, wandb; metrics.jsonl is always written.
        progress: Show a progress bar on a terminal.
        accelerator: cpu, cuda, auto, as Lightning Fabric names them.
        devices: How many, or auto.
        strategy: Of Lightning Fabric, for several devices.
        precision: Of Lightning Fabric: 32-true, bf16-mixed, 64-true.
    """

    folder: str | None = None
    resume: bool = False
    steps: int = 1000
    minutes: float | None = None
    seed: int | None = 0
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    average: AverageConfig = field(default_factory=AverageConfig)
    accumulate: int = 1
    log_every: int = 10
    statistics_every: int = 0
    validate_every: int = 0
    save_every: int = 0
    monitor: str | None = None
    patience: int = 0
    tolerate: int = 0
    trackers: list[str] = field(default_factory=lambda: ["tensorboard"])
    progress: bool = True
    accelerator: str = "auto"
    devices: int | str = 1
    strategy: str = "auto"
    precision: str = "32-true"

    def __post_init__(self) -> None:
        """Checks what can be checked before the run."""
        least = {"steps": 0, "log_every": 1, "accumulate": 1, "statistics_every": 0}
        least |= dict.fromkeys(("validate_every", "save_every", "patience", "tolerate"), 0)
        for name, low in least.items():
            if getattr(self, name) < low:
                raise UserError(f"train: {name} must be {low} or more, got {getattr(self, name)}")
        if self.resume and self.folder is None:
            raise UserError("train: resume needs the folder of the run to resume; set folder")


def read_config(
    kind: type[Config], arguments: Sequence[str] | None = None, *, program: str | None = None
) -> Config:
    """A dataclass from ``--config file.toml`` and options named like its fields, later ones win.

    ``--help`` lists them with their docs, ``--print_config`` writes a file to start from.

    Args:
        kind: The dataclass; its fields may be dataclasses (``--optimizer.lr 1e-3``).
        arguments: Words of the command line; those of the process when left out.
        program: Name shown in the usage.

    Raises:
        UserError: An option or a key is unknown or has the wrong type.
    """
    jsonargparse = needed("jsonargparse")
    try:
        get_type_hints(kind)
    except NameError as error:
        raise UserError(
            f"train: a type in {kind.__name__} is unknown where it was defined ({error}); "
            "define the config and its types at the top of a module"
        ) from error
    parser = jsonargparse.ArgumentParser(
        prog=program, parser_mode="toml", allow_abbrev=False, exit_on_error=False
    )
    parser.add_argument("--config", action="config", help="A TOML file with any of these.")
    parser.add_class_arguments(kind, None)
    try:
        read = parser.instantiate(parser.parse_args(arguments)).as_dict()
    except jsonargparse.ArgumentError as error:
        raise UserError(f"train: {error}") from error
    read.pop("config", None)
    return kind(**read)


def config_text(config: Any) -> str:
    """A dataclass as TOML that `read_config` reads; fields that are None are left out."""
    if not is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"train: a config must be a dataclass, got {type(config).__name__}")
    return tomlkit.dumps(_without_none(asdict(config)))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(v) for key, v in value.items() if v is not None}
    return [_without_none(v) for v in value] if isinstance(value, list | tuple) else value
