"""How long the gradient of each part of a model is, and how far a step moves it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


def part_of(name: str) -> str:
    """``model.decoder.3.weight`` is of ``model.decoder``."""
    return ".".join(name.split(".")[:-1][:2]) or name


def gradient_lengths(parameters: Mapping[str, nn.Parameter]) -> dict[str, float]:
    """Length of the gradient over all parameters of each part, by its name."""
    squares: dict[str, float] = {}
    for name, parameter in parameters.items():
        if parameter.grad is not None:
            part = part_of(name)
            squares[part] = squares.get(part, 0.0) + float(parameter.grad.double().square().sum())
    return {part: math.sqrt(value) for part, value in squares.items()}


def update_ratios(optimizer: Any, parameters: Mapping[str, nn.Parameter]) -> dict[str, float]:
    """Length of the last step of Adam against that of the weights, by part; 1e-3 is usual.

    Empty where the optimiser is of another kind.
    """
    rates = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    moved: dict[str, float] = {}
    weights: dict[str, float] = {}
    for name, parameter in parameters.items():
        state, group = optimizer.state.get(parameter), rates.get(id(parameter))
        if not state or group is None or "exp_avg_sq" not in state:
            continue
        part = part_of(name)
        moved[part] = moved.get(part, 0.0) + float(_step(state, group).square().sum())
        weights[part] = weights.get(part, 0.0) + float(parameter.detach().square().sum())
    return {part: math.sqrt(moved[part] / max(weights[part], 1e-30)) for part in moved}


def _step(state: Mapping[str, Tensor], group: Mapping[str, Any]) -> Tensor:
    """What Adam last took off a parameter (weight decay aside)."""
    count = float(state["step"])
    first, second = (1 - beta**count for beta in group["betas"])
    spread = (state["exp_avg_sq"] / second).sqrt() + group["eps"]
    step: Tensor = group["lr"] * (state["exp_avg"] / first) / spread
    return step
