"""Parameters by layer and by type: groups with their own rates, pieces that are trained first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from dspcore.errors import UserError, nearest


def layer_and_type(name: str) -> tuple[str, str]:
    """``layers.0.phase`` is of layer ``layers.0`` and of type ``phase``."""
    layer, _, kind = name.rpartition(".")
    return layer or "model", kind


def param_groups(
    parameters: Mapping[str, nn.Parameter], rates: Mapping[str, float], lr: float
) -> list[dict[str, Any]]:
    """Groups for an optimiser, one for each layer and type, with the rate that was asked for.

    Args:
        parameters: By full name; ``dict(module.named_parameters())``.
        rates: Factors of `lr` by pattern of the full name; the first that fits counts.
        lr: Rate of what no pattern names.

    Returns:
        Dicts with name ("layers.0.phase"), layer, type, params, lr and initial_lr.

    Raises:
        UserError: A pattern fits no parameter.
    """
    for pattern in rates:
        if not any(fnmatchcase(name, pattern) for name in parameters):
            raise UserError(
                f"train: no parameter fits the pattern {pattern!r} of rates; "
                f"{nearest(pattern, parameters)}"
            )
    groups = []
    for name, parameter in parameters.items():
        layer, kind = layer_and_type(name)
        factor = next((f for p, f in rates.items() if fnmatchcase(name, p)), 1.0)
        rate = lr * factor
        groups.append(
            {"name": name, "layer": layer, "type": kind, "params": [parameter]}
            | {"lr": rate, "initial_lr": rate}
        )
    return groups


def selected(
    parameters: Mapping[str, nn.Parameter], patterns: Iterable[str]
) -> dict[str, nn.Parameter]:
    """The parameters whose names fit one of the patterns; each pattern must fit something."""
    found: dict[str, nn.Parameter] = {}
    for pattern in patterns:
        fitting = {n: p for n, p in parameters.items() if fnmatchcase(n, pattern)}
        if not fitting:
            raise UserError(
                f"train: no parameter fits the pattern {pattern!r}; {nearest(pattern, parameters)}"
            )
        found |= fitting
    return found
