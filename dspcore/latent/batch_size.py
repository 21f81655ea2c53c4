"""How many clips fit: whole steps of both phases at growing batches, with what they hold."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from dspcore.bench.limits import peak_bytes
from dspcore.errors import UserError
from dspcore.latent.config import LatentConfig
from dspcore.latent.losses import Losses
from dspcore.latent.machine import Machine, PhaseConfig
from dspcore.latent.run import LatentRun
from dspcore.latent.training import open_run
from dspcore.train import OptimizerConfig
from dspcore.train.phase import Mover

#: Share of the free memory that is meant to be used, where no limit is given.
SHARE = 0.8

#: What a size is expected to hold, over what the line through smaller ones says.
MARGIN = 1.1

#: Batches of each size, with other clips.
DRAWS = 3


@dataclass(frozen=True)
class Trial:
    """Steps with batches of one size.

    Attributes:
        size: Clips.
        bytes: The most that a step held beyond what was held before; None where nobody tells.
        seconds: Of a step, of all phases' together.
        norms: Median length of the gradient by phase.
    """

    size: int
    bytes: int | None
    seconds: float
    norms: dict[str, float]


def batch_sizes(
    config: LatentConfig, *, memory: float | None = None, most: int = 256
) -> list[Trial]:
    """Steps with 1, 2, 4, ... clips, as far as memory goes, and the largest that fits, at last.

    What the next size would hold is told from the last two before it is tried, so that a machine
    without a limit of its own is not brought down. Phases that the config can come to are tried
    with both optimisers.

    Args:
        config: Of the run; its clips are packed into its folder, and nothing is trained.
        memory: Bytes that a step may hold; four fifths of what is free when left out.
        most: Clips, at most.

    Raises:
        UserError: Not even one clip fits.
    """
    folder = Path(config.fit.folder or "")
    device = _device(config.fit.accelerator)
    limit = memory if memory is not None else SHARE * _free(device)
    found: list[Trial] = []

    def tried(size: int) -> bool:
        if len(found) > 1 and (_expected(found, size) or 0) > limit:
            return False
        try:
            trial = _trial(config, size, device)
        except RuntimeError as error:
            if "memory" not in str(error):
                raise
            return False
        if (trial.bytes or 0) > limit:
            return False
        found.append(trial)
        return True

    size = 1
    while size <= most and tried(size):
        size *= 2
    if not found:
        raise UserError(
            f"{folder}: a step with one clip needs more than {limit / 1e6:.0f} MB; take a smaller "
            "model or shorter clips (--options.size, --data.seconds)"
        )
    if len(found) > 1 and size <= most:
        last, before = found[-1], found[-2]
        if last.bytes is not None and before.bytes is not None and last.bytes > before.bytes:
            each = (last.bytes - before.bytes) / (last.size - before.size)
            more = min(int((limit / MARGIN - last.bytes) / each), last.size - 1, most - last.size)
            if more > 0:
                tried(last.size + more)
    return found


def _expected(found: list[Trial], size: int) -> float | None:
    """What a size would hold, along the line through the last two."""
    last, before = found[-1], found[-2]
    if last.bytes is None or before.bytes is None:
        return None
    each = (last.bytes - before.bytes) / (last.size - before.size)
    return MARGIN * (last.bytes + max(each, 0.0) * (size - last.size))


def _trial(config: LatentConfig, size: int, device: torch.device) -> Trial:
    """A new model's first steps; the first one is not counted."""
    run = open_run(config)
    for module in run.models.values():
        module.to(device).train()
    phases = Losses(run).phases()[: 1 if config.phases.switch == "never" else None]
    movers = [Mover(phase, OptimizerConfig(lr=0.0), run.models) for phase in phases]
    norms: dict[str, list[float]] = {phase.name: [] for phase in phases}

    def step(number: int) -> None:
        batch = _batch(run, size, number)
        for mover in movers:
            run.machine = (
                Machine(PhaseConfig()) if mover.phase.name == "represent" else _adversarial(run)
            )
            run.model.train()
            mover.optimizer.zero_grad()
            with mover.alone():
                mover.loss(run.models, batch, number)["loss"].backward()
            gradients = [p.grad for p in mover.parameters.values() if p.grad is not None]
            norms[mover.phase.name].append(float(nn.utils.get_total_norm(gradients)))
            mover.optimizer.step()

    step(0)
    for kept in norms.values():
        kept.clear()
    held, seconds = [], []
    for number in range(1, DRAWS + 1):
        begin = time.perf_counter()
        held.append(_held(functools.partial(step, number), device))
        seconds.append(time.perf_counter() - begin)
    known = [h for h in held if h is not None]
    return Trial(
        size,
        max(known) if known else None,
        median(seconds),
        {name: median(kept) for name, kept in norms.items()},
    )


def _adversarial(run: LatentRun) -> Machine:
    """The phases as they stand when both sides learn; the model stays as it is."""
    machine = Machine(PhaseConfig("step", step=1))
    machine.advance(run.model)
    run.model.frozen.fill_(False)  # for the next turn of the first phase
    return machine


def _batch(run: LatentRun, size: int, number: int) -> dict[str, Tensor]:
    """Some training clips, again and again where there are too few."""
    clips = run.data.training
    picks = [(number * size + i) % len(clips) for i in range(size)]
    (batch,) = run.batches([clips[i] for i in picks], size)
    return batch


def _held(call: Callable[[], None], device: torch.device) -> int | None:
    if device.type != "cuda":
        return peak_bytes(call)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _free(device: torch.device) -> float:
    """Bytes that nobody holds."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def _device(accelerator: str) -> torch.device:
    wants = accelerator in ("cuda", "gpu", "auto") and torch.cuda.is_available()
    return torch.device("cuda" if wants else "cpu")
