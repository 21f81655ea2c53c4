"""Steps that are longer for big waves, or for long ones."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dspcore.errors import UserError, nearest
from dspcore.train.groups import layer_and_type

BY = ("amplitude", "period")


class ScaledSteps:
    """Multiplies what an optimiser does to each number by how big or how long its wave is.

    The factor is the size |a| of the wave's amplitude, or its period 1 / |w|, over the mean of all
    waves that the pattern names, so that the rates keep their meaning. It is the step that is
    scaled, not the gradient: Adam takes a factor of the gradient out again.

    Args:
        parameters: That the optimiser moves, by full name.
        scaled: By pattern of the full name ("*.phase"), amplitude or period. The waves are those of
            the parameter's own layer: its ``amplitude``, its ``frequency`` or ``log_frequency``.

    Raises:
        UserError: A pattern fits nothing, or a layer has no such waves in the parameter's shape.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        scaled: Mapping[str, str],
        every: Mapping[str, nn.Parameter] | None = None,
    ) -> None:
        """Finds the waves; `every` are all parameters of the modules, moved or not."""
        self.sets: list[list[tuple[nn.Parameter, str, nn.Parameter]]] = []
        self.before: list[list[Tensor]] = []
        every = every or parameters
        for pattern, by in scaled.items():
            if by not in BY:
                raise UserError(f"train: scaled must be by amplitude or period, got {by!r}")
            fitting = {n: p for n, p in parameters.items() if fnmatchcase(n, pattern)}
            if not fitting:
                raise UserError(
                    f"train: no parameter fits the pattern {pattern!r} of scaled; "
                    f"{nearest(pattern, parameters)}"
                )
            self.sets.append([_waves(n, p, by, every) for n, p in fitting.items()])

    def attach(self, optimizer: Optimizer) -> None:
        """Act on every step of an optimiser from now on."""
        optimizer.register_step_pre_hook(self._remember)
        optimizer.register_step_post_hook(self._scale)

    def _remember(self, *_: Any) -> None:
        self.before = [[p.detach().clone() for p, _, _ in chosen] for chosen in self.sets]
        self.factors = [_factors(chosen) for chosen in self.sets]

    @torch.no_grad()
    def _scale(self, *_: Any) -> None:
        for chosen, old, factors in zip(self.sets, self.before, self.factors, strict=True):
            for row, start, factor in zip(chosen, old, factors, strict=True):
                row[0].copy_(start + factor * (row[0] - start))


def _waves(
    name: str, parameter: nn.Parameter, by: str, every: Mapping[str, nn.Parameter]
) -> tuple[nn.Parameter, str, nn.Parameter]:
    """A parameter, what the waves of its layer are told by, and the parameter that tells it."""
    kinds = ("amplitude",) if by == "amplitude" else ("frequency", "log_frequency")
    layer, _ = layer_and_type(name)
    prefix = "" if layer == "model" and "." not in name else f"{layer}."
    for kind in kinds:
        found = every.get(prefix + kind)
        if found is not None and found.shape == parameter.shape:
            return parameter, kind, found
    raise UserError(
        f"train: scaled by {by} wants a parameter {prefix}{' or '.join(kinds)} in the shape of "
        f"{name}, {tuple(parameter.shape)}"
    )


def _factors(chosen: list[tuple[nn.Parameter, str, nn.Parameter]]) -> list[Tensor]:
    """Sizes of all waves of a pattern over their mean."""
    sizes = []
    for _, kind, waves in chosen:
        value = waves.detach()
        if kind == "amplitude":
            sizes.append(value.abs())
        elif kind == "frequency":
            # A wave that stands still would have an endless period.
            sizes.append(1 / value.abs().clamp(min=1e-3 * float(value.abs().mean()) + 1e-30))
        else:
            sizes.append((-value).exp())
    mean = torch.cat([s.flatten() for s in sizes]).mean().clamp(min=1e-30)
    return [s / mean for s in sizes]
