"""The native modules, found once; a missing one is remembered and raised at the first call."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import Any

import torch

_BUILD = {
    "cpu": "build it with `pip install -e .` (or `make setup`) in the folder of dspcore's source",
    "cuda": "install the CUDA toolkit (nvcc) and build again with `pip install -e .`, "
    "or move the tensors to the CPU",
}


@functools.cache
def _load(device: str) -> ModuleType | Exception:
    try:
        module = importlib.import_module(f"dspcore._{device}")
        module.use_exchange_api(torch.Tensor.__dlpack_c_exchange_api__)
    except (ImportError, AttributeError, RuntimeError) as error:
        return error
    return module


def module(device: str) -> Any:
    """Kernels for tensors on `device`, "cpu" or "cuda"; RuntimeError with the fix if not built."""
    if device not in _BUILD:
        raise RuntimeError(
            f"dspcore has no kernels for device {device!r}; move the tensors to cpu or cuda"
        )
    found = _load(device)
    if isinstance(found, Exception):
        raise RuntimeError(f"dspcore's {device} kernels cannot be used: {found}; {_BUILD[device]}")
    return found


def info() -> dict[str, Any]:
    """What was built and what of it this machine can run."""
    facts: dict[str, Any] = {}
    for device in _BUILD:
        found = _load(device)
        if isinstance(found, Exception):
            facts[device] = {"built": False, "reason": str(found)}
        else:
            facts[device] = {
                "built": True,
                "instruction_set": found.isa(),
                "instruction_sets": found.isas(),
                "ops": [name for name, *_ in found.ops()],
            }
            if device == "cpu":
                facts[device]["threads"] = found.thread_backend()
    facts["cuda"]["device"] = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return facts
