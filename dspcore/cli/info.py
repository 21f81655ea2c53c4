"""``dspcore info``: what is installed, built and found."""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import importlib.util
import json
import platform
from typing import Any

import click
import soundfile
import torch

from dspcore import _native

#: Hosts of plug-ins and what each of them is found by.
HOSTS = {"pedalboard": "module", "dawdreamer": "module", "lilv": "library"}

#: Packages that dspcore uses when they are there.
EXTRAS = ("lightning", "tensorboard", "wandb", "numba", "submitit")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(as_json: bool) -> None:
    """Say what is installed, built and found on this machine.

    \b
    Example:
        dspcore info --json
    """
    facts = _facts()
    click.echo(json.dumps(facts, indent=2) if as_json else "\n".join(_lines(facts)))


def _facts() -> dict[str, Any]:
    return {
        "dspcore": _version(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "torch_cuda": torch.version.cuda or "none",
        "libsndfile": soundfile.__libsndfile_version__,
        "native": _native.info(),
        "hosts": [name for name, kind in HOSTS.items() if _found(name, kind)],
        "extras": [name for name in EXTRAS if _found(name, "module")],
    }


def _version() -> str:
    try:
        return importlib.metadata.version("dspcore")
    except importlib.metadata.PackageNotFoundError:
        return "not installed, run from its source"


def _found(name: str, kind: str) -> bool:
    if kind == "module":
        return importlib.util.find_spec(name) is not None
    return (
        ctypes.util.find_library(name) is not None
        or ctypes.util.find_library(f"{name}-0") is not None
    )


def _lines(facts: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        else:
            text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            text = {"True": "yes", "False": "no", "None": "none", "": "none"}.get(text, text)
            lines.append(f"{indent}{key}: {text}")
    return lines
