"""How large gradients and parameters are, by layer and by type."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from dspcore.files import replacing
from dspcore.train.groups import layer_and_type


def statistics(parameters: Mapping[str, nn.Parameter], eps: float = 1e-6) -> list[dict[str, Any]]:
    """One row for each parameter that has a gradient.

    Args:
        parameters: By full name.
        eps: What counts as zero.

    Returns:
        Rows with layer, type, count of numbers, and of the gradient and of the values: rms, largest
        size and the share nearer to zero than `eps` (``gradient_rms``, ``value_zeros``, ...).
    """
    rows = []
    for name, parameter in parameters.items():
        if parameter.grad is None:
            continue
        layer, kind = layer_and_type(name)
        row: dict[str, Any] = {"layer": layer, "type": kind, "count": parameter.numel()}
        for what, tensor in (("gradient", parameter.grad), ("value", parameter.detach())):
            size = tensor.detach().abs().double()
            row[f"{what}_rms"] = (
                math.sqrt(float(size.square().mean())) if len(size.shape) else (float(size))
            )
            row[f"{what}_max"] = float(size.max())
            row[f"{what}_zeros"] = float((size < eps).double().mean())
        rows.append(row)
    return rows


def collapsed(rows: Sequence[Mapping[str, Any]], eps: float = 1e-6) -> list[str]:
    """Names of parameters whose values have all gone to zero, though their gradients are finite."""
    return [f"{row['layer']}.{row['type']}" for row in rows if row["value_max"] < eps]


def read_statistics(folder: str | Path) -> list[dict[str, Any]]:
    """Every row of a run's statistics.jsonl, with its step."""
    lines = (Path(folder) / "statistics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{"step": line["step"]} | row for line in map(json.loads, lines) for row in line["rows"]]


def plot_statistics(folder: str | Path, target: str | Path, what: str = "gradient_rms") -> None:
    """Draw a statistic over the steps: a panel for each type, a line for each layer.

    Args:
        folder: Of a run that kept statistics (``statistics_every``).
        target: Picture to write, .png or .svg.
        what: gradient_rms, gradient_max, value_rms, value_max, gradient_zeros or value_zeros.
    """
    from matplotlib.figure import Figure

    rows = read_statistics(folder)
    kinds = sorted({row["type"] for row in rows})
    figure = Figure(figsize=(5 * len(kinds), 4), layout="constrained")
    for axis, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        of_kind = [row for row in rows if row["type"] == kind]
        for layer in dict.fromkeys(row["layer"] for row in of_kind):
            points = [(row["step"], row[what]) for row in of_kind if row["layer"] == layer]
            axis.plot(*zip(*points, strict=True), label=layer)
        axis.set(title=kind, xlabel="step", ylabel=what.replace("_", " "))
        if not what.endswith("zeros"):
            axis.set_yscale("log")
        axis.legend(fontsize="small")
    with replacing(target) as file:
        figure.savefig(file, format=Path(target).suffix.lstrip(".") or "png")
