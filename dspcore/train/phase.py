"""What one optimiser does in a step: a loss, the parameters that it moves, and when."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dspcore.errors import UserError, nearest
from dspcore.train.config import OptimizerConfig
from dspcore.train.devices import Devices
from dspcore.train.groups import param_groups, selected
from dspcore.train.scaled import ScaledSteps

#: ``loss(models, batch, step)``: the number to descend on, or a mapping with it as "loss" and with
#: parts to log; None leaves the step out. `models` is what was given to `fit`, on its device.
Loss = Callable[[Any, Any, int], "Tensor | Mapping[str, Tensor] | None"]


@dataclass
class Phase:
    """A loss with an optimiser of its own; several take turns within every step.

    Attributes:
        loss: What to descend on.
        name: Stands before its metrics and in checkpoints; each phase needs another.
        only: Patterns of the parameters that it moves ("generator.*", "*.phase"); all others are
            held still, and get no gradient, meanwhile. Empty moves all.
        optimizer: Its rule; that of the `FitConfig` when left out.
        every: Steps from one turn to the next.
        start: First step with a turn.
        stop: First step without any more; None goes on to the end.
    """

    loss: Loss
    name: str = "train"
    only: Sequence[str] = ()
    optimizer: OptimizerConfig | None = None
    every: int = 1
    start: int = 0
    stop: int | None = None

    def turn(self, step: int) -> bool:
        """Whether this phase acts in a step."""
        before_end = self.stop is None or step < self.stop
        return before_end and step >= self.start and (step - self.start) % self.every == 0


@dataclass(frozen=True)
class Moved:
    """A step that an optimiser has just taken; gradients are still there, as they were clipped.

    Attributes:
        phase: Its name.
        step: Counted from 0.
        parameters: That it moves, by full name.
        optimizer: Its state holds the averages of Adam and others.
        norm: Length of the gradient before it was clipped.
        limit: Longest that was let through; infinite where none was set.
        parts: The loss and its parts.
    """

    phase: str
    step: int
    parameters: Mapping[str, nn.Parameter]
    optimizer: Any
    norm: float
    limit: float
    parts: Mapping[str, Tensor]

    @property
    def clipped(self) -> bool:
        """Whether the gradient was shortened."""
        return self.norm > self.limit


#: Lengths of gradients that a percentile is taken of, and how many there must be first.
KEPT_NORMS, FIRST_NORMS = 1000, 20


class Mover:
    """A phase with its parameters and its optimiser."""

    def __init__(self, phase: Phase, config: OptimizerConfig, modules: Mapping[str, nn.Module]):
        """Makes the optimiser."""
        self.phase, self.config = phase, phase.optimizer or config
        named = all_parameters(modules)
        chosen = selected(named, phase.only) if phase.only else named
        self.parameters = {name: p for name, p in chosen.items() if p.requires_grad}
        if not self.parameters:
            raise UserError(f"train: the phase {phase.name!r} has no parameter to move")
        moved = {id(p) for p in self.parameters.values()}
        self.others = [p for p in named.values() if p.requires_grad and id(p) not in moved]
        groups = param_groups(self.parameters, self.config.rates, self.config.lr)
        self.base_rates = [group["lr"] for group in groups]
        self.optimizer: Any = made(self.config, groups)
        if self.config.scaled:
            ScaledSteps(self.parameters, self.config.scaled, named).attach(self.optimizer)
        self.clipped = self.turns = 0  # since the last line of metrics
        self.norms: deque[float] = deque(maxlen=KEPT_NORMS)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block no other parameter asks for a gradient."""
        for parameter in self.others:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in self.others:
                parameter.requires_grad_(True)

    def loss(self, models: Any, batch: Any, step: int) -> dict[str, Tensor]:
        """The phase's loss and its parts; empty when it leaves the step out."""
        found = self.phase.loss(models, batch, step)
        if found is None:
            return {}
        parts = dict(found) if isinstance(found, Mapping) else {"loss": found}
        total = parts.get("loss")
        if not isinstance(total, Tensor) or total.numel() != 1:
            said = "no 'loss'" if total is None else f"a loss of shape {tuple(total.shape)}"
            raise UserError(
                f"train: the phase {self.phase.name!r} gave {said}; "
                "return one number, or a mapping that has it as 'loss'"
            )
        return parts

    def gradient(
        self, devices: Devices, models: Any, batches: Sequence[Any], step: int
    ) -> tuple[dict[str, Tensor], bool]:
        """Leave the gradient of the mean loss over some batches in the parameters.

        Returns:
            The loss and its parts as means over the batches that the phase did not leave out, empty
            where it left out all; and whether every loss was finite. Where one was not, its parts
            are what is returned, and the gradient is none to go by.
        """
        found: list[dict[str, Tensor]] = []
        for batch in batches:
            with devices.autocast():
                parts = self.loss(models, batch, step)
            if not parts:
                continue
            known = {name: value.detach() for name, value in parts.items()}
            if devices.any(not bool(known["loss"].isfinite())):
                return known, False
            if not found:
                self.optimizer.zero_grad()
            devices.backward(parts["loss"], self.parameters.values())
            found.append(known)
        if len(found) < 2:
            return (found[0] if found else {}), True
        for parameter in self.parameters.values():
            if parameter.grad is not None:
                parameter.grad /= len(found)
        return {n: torch.stack([p[n] for p in found]).mean(0) for n in found[0]}, True

    def limit(self) -> float:
        """Longest gradient that is let through now."""
        config = self.config
        most = math.inf if config.clip_norm is None else config.clip_norm
        if config.clip_percentile and len(self.norms) >= FIRST_NORMS:
            most = min(most, float(np.quantile(self.norms, config.clip_percentile)))
        return most

    def set_base_rates(self) -> None:
        """Take the rates of the config again: a run may be resumed with others."""
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["initial_lr"] = rate

    def set_rate(self, step: int) -> float:
        """Give every group its rate at a step; returns the schedule's factor."""
        factor = self.config.schedule(step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        return factor


def all_parameters(modules: Mapping[str, nn.Module]) -> dict[str, nn.Parameter]:
    """Every parameter by full name; of several modules, theirs stands before it with a dot."""
    several = len(modules) > 1
    return {
        f"{name}.{key}" if several else key: parameter
        for name, module in modules.items()
        for key, parameter in module.named_parameters()
    }


def made(config: OptimizerConfig, groups: list[dict[str, Any]]) -> Optimizer:
    """The optimiser that a config names."""
    rules: dict[str, Any] = {
        name.lower(): kind
        for name, kind in vars(torch.optim).items()
        if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer
    }
    rule = rules.get(config.name.lower())
    if rule is None:
        known = nearest(config.name.lower(), rules)
        raise UserError(f"train: unknown optimizer {config.name!r}; {known}")
    try:
        optimizer: Optimizer = rule(groups, lr=config.lr, **config.options)
        return optimizer
    except TypeError as error:
        raise UserError(f"train: options of the optimizer {config.name!r}: {error}") from error
