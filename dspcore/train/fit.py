"""The training loop: every step in plain sight, on Lightning Fabric's devices and precision."""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from dspcore.errors import UserError
from dspcore.files import write_text
from dspcore.train.average import Average
from dspcore.train.checkpoint import Checkpoint, random_state, set_random_state
from dspcore.train.config import FitConfig, config_text
from dspcore.train.data import Data, Replayed
from dspcore.train.devices import Devices
from dspcore.train.modules import module_tree
from dspcore.train.phase import Loss, Moved, Mover, Phase
from dspcore.train.process import circumstances, put_off
from dspcore.train.statistics import collapsed, statistics
from dspcore.train.trackers import Lines, Tracker, Trackers

Validate = Callable[[Any, int], "float | Tensor | Mapping[str, float]"]


class DivergedError(RuntimeError):
    """A loss or a gradient was NaN or infinite; the checkpoints are from before."""


@dataclass(frozen=True)
class Fitted:
    """How a run ended.

    Attributes:
        step: Steps done in all.
        stopped: steps, patience, minutes or signal: what ended it.
        metrics: The last ones.
        best: Least value of the monitored metric, and the step that had it.
        folder: Of the run, when it wrote one.
    """

    step: int
    stopped: str
    metrics: dict[str, float] = field(default_factory=dict)
    best: float = math.inf
    best_step: int = 0
    folder: Path | None = None


def fit(
    models: nn.Module | Mapping[str, nn.Module],
    phases: Loss | Sequence[Phase],
    data: Data,
    config: FitConfig | None = None,
    *,
    validate: Validate | None = None,
    after_step: Callable[[Any, int], None] | None = None,
    after_move: Callable[[Moved], None] | None = None,
    on_log: Callable[[Any, int, Trackers], None] | None = None,
    trackers: Sequence[Tracker] = (),
    record: Any = None,
) -> Fitted:
    """Train modules by gradient, and write down what happened.

    Args:
        models: A module, or several by name; they are moved to the device and trained in place.
        phases: The loss, or several phases that take turns in each step.
        data: Batches, by number or in a loop.
        config: How long, how fast, where to; the defaults when left out.
        validate: ``validate(models, step)`` without gradient, in eval mode, on the averaged weights
            where there are such: a number or several by name, with the one that counts as "loss".
        after_step: Called after every step; may put parameters back into their bounds.
        after_move: Called after every step of an optimiser, with its parameters and gradient.
        on_log: Called after metrics are written, with the trackers, for sounds and figures.
        trackers: Further ones.
        record: Dataclass written as the run's config.toml; `config` when left out.

    Returns:
        How it ended.

    Raises:
        UserError: The config, a loss or the folder cannot be used.
        DivergedError: A loss or a gradient was not finite.
        RuntimeError: A package of the extra ``train`` is missing.
    """
    config = config or FitConfig()
    run = _Run(models, phases, data, config, validate, trackers, record)
    try:
        with put_off() as came:
            return run.go(after_step, after_move, on_log, came)
    finally:
        run.trackers.close()
        run.lines.close() if run.lines else None


class _Run:
    """The state of a run: modules, optimisers, average, place in the data, best so far."""

    def __init__(
        self,
        models: nn.Module | Mapping[str, nn.Module],
        phases: Loss | Sequence[Phase],
        data: Data,
        config: FitConfig,
        validate: Validate | None,
        trackers: Sequence[Tracker],
        record: Any,
    ) -> None:
        """Sets everything up, and goes back to the latest checkpoint when resuming."""
        self.config, self.validate = config, validate
        self.devices = Devices(config)
        self.modules = {"model": models} if isinstance(models, nn.Module) else dict(models)
        given = [Phase(phases)] if callable(phases) else list(phases)
        if len({phase.name for phase in given}) < len(given) or not given:
            raise UserError("train: give one phase or more, each with a name of its own")
        self.models: Any = models if isinstance(models, nn.Module) else self.modules
        self.devices.place(self.modules)
        self.movers = [Mover(phase, config.optimizer, self.modules) for phase in given]
        for mover in self.movers:
            mover.optimizer = self.devices.optimizer(mover.optimizer)
        self.average = Average(self.modules, config.average) if config.average.decay else None
        self.data: Callable[[int], Any] | Replayed = data if callable(data) else Replayed(data)
        self.step, self.best, self.best_step, self.waited = 0, math.inf, 0, 0
        self.metrics: dict[str, float] = {}
        self.lost = 0  # steps in a row whose loss or gradient was not finite
        self.folder = Path(config.folder) if config.folder is not None else None
        self._open(trackers, record)

    def _open(self, extra: Sequence[Tracker], record: Any) -> None:
        """Resumes or seeds, then opens the folder's files."""
        latest = self.folder / "latest.safetensors" if self.folder else None
        if latest is not None and latest.exists():
            if not self.config.resume:
                raise UserError(
                    f"train: {self.folder} has a run already; resume it (resume = true), "
                    "or give another folder"
                )
            self._restore(Checkpoint.load(latest))
        elif self.config.seed is not None:
            torch.manual_seed(self.config.seed)
            np.random.seed(self.config.seed % 2**32)
            random.seed(self.config.seed)
        self.lines: Lines | None = None
        folder = self.folder if self.devices.first else None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / "config.toml", config_text(record or self.config))
            write_text(folder / "run.json", json.dumps(circumstances(), indent=2) + "\n")
            write_text(folder / "model.json", json.dumps(module_tree(self.modules)) + "\n")
            if self.config.statistics_every:
                self.lines = Lines(folder, self.step, "statistics.jsonl")
        self.trackers = Trackers(folder, self.config.trackers, self.step, extra)

    # --- the loop -------------------------------------------------------------------------------

    def go(
        self,
        after_step: Callable[[Any, int], None] | None,
        after_move: Callable[[Moved], None] | None,
        on_log: Callable[[Any, int, Trackers], None] | None,
        came: list[int],
    ) -> Fitted:
        """All steps from where the run is."""
        config, begin, stopped = self.config, time.monotonic(), "steps"
        limit = 60 * config.minutes if config.minutes is not None else math.inf
        quiet = None if config.progress and self.devices.first else True
        with tqdm(total=config.steps, initial=self.step, unit="step", disable=quiet) as bar:
            while self.step < config.steps:
                step = self.step
                many = range(step * config.accumulate, (step + 1) * config.accumulate)
                batches = [self.devices.batch(self.data, number) for number in many]
                metrics: dict[str, float | Tensor] = {}
                for mover in self.movers:
                    if mover.phase.turn(step):
                        metrics |= self._move(mover, batches, step, after_move)
                if self.average is not None:
                    self.average.update(step)
                if after_step is not None:
                    after_step(self.models, step)
                self.step += 1
                bar.update()
                logs, last = self.step % config.log_every == 0, self.step == config.steps
                late = time.monotonic() - begin > limit
                ends = self.devices.any(bool(came) or late)
                checks = self._due(config.validate_every or config.save_every)
                if logs or checks or last or ends:
                    self.metrics = {name: float(value) for name, value in metrics.items()}
                    bar.set_postfix({k: f"{v:.4g}" for k, v in self.metrics.items() if "loss" in k})
                if logs or last:
                    self.metrics |= self._clipped()
                    self.trackers.log(step, self.metrics | {"seconds": time.monotonic() - begin})
                    if on_log is not None:
                        on_log(self.models, step, self.trackers)
                better = self._check(step) if checks or last or ends else False
                if better:
                    self._save("best")
                if better or last or ends or checks or self._due(config.save_every):
                    self._save("latest", last or ends)
                if ends or (config.patience and self.waited >= config.patience):
                    stopped = "signal" if came else "minutes" if late else "patience"
                    break
        return Fitted(self.step, stopped, self.metrics, self.best, self.best_step, self.folder)

    def _move(
        self,
        mover: Mover,
        batches: list[Any],
        step: int,
        after_move: Callable[[Moved], None] | None,
    ) -> dict[str, float | Tensor]:
        """One turn of a phase: loss, gradient, step."""
        before = f"{mover.phase.name}/" if len(self.movers) > 1 else ""
        factor = mover.set_rate(step)
        with mover.alone():
            parts, finite = mover.gradient(self.devices, self.models, batches, step)
        if not finite:
            self._leave_out(mover, f"its loss is {float(parts['loss'])}", step, parts)
        if not finite or not parts:
            return {}
        most = mover.limit()
        norm = self.devices.clip(next(iter(self.modules.values())), mover.optimizer, most)
        if not self.devices.scaled and not bool(norm.isfinite()):
            self._leave_out(mover, f"its gradient is {float(norm)}", step, parts)
            mover.optimizer.zero_grad()
            return {}
        mover.turns += 1
        self.lost = 0
        if mover.config.clip_percentile and bool(norm.isfinite()):
            mover.norms.append(float(norm))
        mover.clipped += int(norm > most)
        if self.lines is not None and self._due(self.config.statistics_every, step):
            self._statistics(mover, step)
        mover.optimizer.step()
        if after_move is not None:
            after_move(
                Moved(
                    mover.phase.name,
                    step,
                    mover.parameters,
                    mover.optimizer,
                    float(norm),
                    most,
                    parts,
                )
            )
        found: dict[str, float | Tensor] = {before + k: v for k, v in parts.items()}
        return found | {f"{before}gradient_norm": norm, f"{before}lr": mover.config.lr * factor}

    def _clipped(self) -> dict[str, float]:
        """Share of the turns whose gradient was clipped since the last line."""
        found: dict[str, float] = {}
        for mover in self.movers:
            before = f"{mover.phase.name}/" if len(self.movers) > 1 else ""
            clips = mover.config.clip_norm is not None or mover.config.clip_percentile
            if clips and mover.turns:
                found[f"{before}clipped"] = mover.clipped / mover.turns
            mover.clipped = mover.turns = 0
        return found

    def _due(self, every: int, step: int | None = None) -> bool:
        return bool(every) and (self.step if step is None else step) % every == 0

    def _leave_out(self, mover: Mover, what: str, step: int, parts: Mapping[str, Tensor]) -> None:
        """Warn and count, or end the run."""
        self.lost += 1
        if self.lost > self.config.tolerate:
            raise self._diverged(mover, what, step, parts)
        tqdm.write(
            f"train: step {step} of phase {mover.phase.name!r} is left out: {what} "
            f"({self.lost} in a row; {self.config.tolerate} are tolerated)",
            file=sys.stderr,
        )

    def _diverged(
        self, mover: Mover, what: str, step: int, parts: Mapping[str, Tensor]
    ) -> DivergedError:
        numbers = ", ".join(f"{name} {float(value):.4g}" for name, value in parts.items())
        kept = "no checkpoint was saved yet; set save_every"
        if self.folder is not None and (self.folder / "latest.safetensors").exists():
            at = Checkpoint.load(self.folder / "latest.safetensors").state["step"]
            kept = f"{self.folder / 'latest.safetensors'} is from before, after {at} steps"
        return DivergedError(
            f"train: step {step} of phase {mover.phase.name!r}: {what} ({numbers}); {kept}. "
            "Try a lower lr, or clip_norm"
        )

    def _statistics(self, mover: Mover, step: int) -> None:
        rows = statistics(mover.parameters)
        assert self.lines is not None
        self.lines.log(step, {"phase": mover.phase.name, "rows": rows})
        gone = collapsed(rows)
        if gone:
            tqdm.write(f"train: step {step}: all zero: {', '.join(gone[:8])}", file=sys.stderr)

    # --- validation and checkpoints -------------------------------------------------------------

    def _check(self, step: int) -> bool:
        """Validates; returns whether the monitored metric is the best so far."""
        if self.validate is not None:
            found = self._validated(step)
            self.metrics |= found
            self.trackers.log(step, found)
        default = "validation/loss" if self.validate is not None else "loss"
        name = self.config.monitor or default
        if name not in self.metrics:
            if self.config.monitor is None and not self.config.patience:
                return False
            known = ", ".join(sorted(self.metrics))
            raise UserError(f"train: there is no metric {name!r} to monitor; there are {known}")
        if self.metrics[name] < self.best:
            self.best, self.best_step, self.waited = self.metrics[name], self.step, 0
            return True
        self.waited += 1
        return False

    def _validated(self, step: int) -> dict[str, float]:
        """What `validate` says; it leaves random numbers and modes as they were."""
        assert self.validate is not None
        training = {name: module.training for name, module in self.modules.items()}
        randoms = random_state()
        averaged = self.average.applied() if self.average else nullcontext()
        with averaged, torch.no_grad(), self.devices.autocast():
            for module in self.modules.values():
                module.eval()
            found = self.validate(self.models, step)
        for name, module in self.modules.items():
            module.train(training[name])
        set_random_state(*randoms)
        parts = found if isinstance(found, Mapping) else {"loss": found}
        return {f"validation/{name}": float(value) for name, value in parts.items()}

    def _save(self, which: str, ends: bool = False) -> None:
        """Writes a checkpoint; a disk that is full ends a run only where it ends anyway."""
        if self.folder is None or not self.devices.first:
            return
        kept = Checkpoint()
        kept.put_modules(self.modules)
        for mover in self.movers:
            kept.put_optimizer(mover.phase.name, mover.optimizer.optimizer)
        if self.average is not None:
            kept.tensors |= {f"average/{name}": v for name, v in self.average.values.items()}
        kept.put_random()
        for name in ("step", "best", "best_step", "waited", "metrics"):
            kept.state[name] = getattr(self, name)
        kept.state["turns"] = {m.phase.name: [m.turns, m.clipped] for m in self.movers}
        if isinstance(self.data, Replayed):
            tensors, plain = self.data.start
            kept.tensors |= {f"data/{name}": v for name, v in tensors.items()}
            kept.state["data"] = {"random": plain, "drawn": self.data.drawn}
        kept.state["lost"] = self.lost
        kept.tensors |= {
            f"norms/{m.phase.name}": torch.tensor(list(m.norms), dtype=torch.float64)
            for m in self.movers
            if m.norms
        }
        target = self.folder / f"{which}.safetensors"
        try:
            kept.save(target)
        except UserError as error:
            if not isinstance(error.__cause__, OSError) or ends:
                raise
            there = "the one before stays" if target.exists() else "there is none yet"
            tqdm.write(f"train: {error}; {there}, and training goes on", file=sys.stderr)

    def _restore(self, kept: Checkpoint) -> None:
        kept.get_modules(self.modules)
        for mover in self.movers:
            kept.get_optimizer(mover.phase.name, mover.optimizer.optimizer)
            mover.set_base_rates()
            mover.turns, mover.clipped = kept.state["turns"][mover.phase.name]
            mover.norms.extend(
                kept.tensors.get(f"norms/{mover.phase.name}", torch.empty(0)).tolist()
            )
        if self.average is not None:
            for name, value in kept.under("average").items():
                self.average.values[name].copy_(value)
        for name in ("step", "best", "best_step", "waited", "metrics"):
            setattr(self, name, kept.state[name])
        self.lost = kept.state.get("lost", 0)
        if isinstance(self.data, Replayed):
            place = kept.state["data"]
            self.data.resume((kept.under("data"), place["random"]), place["drawn"])
        kept.get_random()
