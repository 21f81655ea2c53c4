"""Estimators on the disk: one safetensors file that is loaded without any synth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dspcore import train
from dspcore.errors import UserError
from dspcore.patches.estimator import Estimator, make_estimator
from dspcore.patches.frontend import LogMel
from dspcore.patches.posterior import Layout

#: Raised when what a file holds changes.
FORMAT = 1


def save_estimator(
    estimator: Estimator,
    path: str | Path,
    *,
    space: Mapping[str, Any],
    fingerprint: str,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write an estimator that has learnt, whole or not at all.

    Args:
        estimator: With its weights.
        path: Of the file, "x.safetensors".
        space: The parameter space as JSON has it, so that the file alone can name parameters.
        fingerprint: Of that space.
        facts: Anything else that JSON can say, such as scores and the renderer's name.
    """
    estimator.check_fitted()
    kept = train.Checkpoint()
    module = estimator.module()
    if module is not None:
        kept.put_modules({"model": module})
    kept.state = {
        "format": FORMAT,
        "estimator": estimator.name,
        "options": estimator.options(),
        "kept": estimator.kept(),
        "layout": {"sizes": list(estimator.layout.sizes), "groups": estimator.layout.groups},
        "frontend": asdict(estimator.frontend),
        "shape": list(estimator.shape),
        "warnings": list(estimator.warnings),
        "space": dict(space),
        "fingerprint": fingerprint,
        "facts": dict(facts or {}),
    }
    kept.save(path)


def load_estimator(
    path: str | Path, *, fingerprint: str | None = None
) -> tuple[Estimator, dict[str, Any]]:
    """Read an estimator; neither its synth nor a renderer is needed.

    Args:
        path: A file of `save_estimator`.
        fingerprint: Of the parameter space that it is to be used with; any when left out.

    Returns:
        The estimator, and everything that the file says: space, fingerprint, facts.

    Raises:
        UserError: The file is not one of these, or its space is another one.
    """
    kept = train.Checkpoint.load(path)
    state = kept.state
    if "estimator" not in state or "layout" not in state:
        raise UserError(
            f"{path}: is a checkpoint, but not of an estimator of patches; "
            "dspcore synth train writes those"
        )
    if state["format"] != FORMAT:
        raise UserError(
            f"{path}: has format {state['format']}, this dspcore reads {FORMAT}; train it again"
        )
    check_fingerprint(str(path), state["fingerprint"], fingerprint)
    estimator = make_estimator(state["estimator"], **state["options"])
    groups = tuple(
        tuple(tuple(columns) for columns in group) for group in state["layout"]["groups"]
    )
    estimator.layout = Layout(tuple(state["layout"]["sizes"]), groups)
    estimator.frontend = LogMel(**state["frontend"])
    estimator.shape = (state["shape"][0], state["shape"][1])
    estimator.warnings = tuple(state["warnings"])
    for name, value in state["kept"].items():
        setattr(estimator, name, value)
    estimator.build()
    module = estimator.module()
    if module is not None:
        kept.get_modules({"model": module})
        module.eval()
    return estimator, state


def check_fingerprint(who: str, own: str, wanted: str | None) -> None:
    """Raise unless two parameter spaces are the same one."""
    if wanted is not None and own != wanted:
        raise UserError(
            f"{who}: was made for the parameter space {own[:12]}, the synth has {wanted[:12]}: a "
            "parameter, a range or an order has changed. Use the synth's version of then, or "
            "generate and train again"
        )
