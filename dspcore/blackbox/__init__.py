"""Any real plug-in as a layer: hosts, workers that may die, gradients that are estimated."""

from __future__ import annotations

import importlib
from typing import Any

#: Where each public name is: imported when it is asked for, as a plug-in's process needs few.
_PLACES = {
    "BlackBox": "effect",
    "Calibration": "calibration",
    "Cache": "cache",
    "Differences": "estimators",
    "Instrument": "synth",
    "LeastSquares": "estimators",
    "LinearAudio": "estimators",
    "LocalAudio": "estimators",
    "Note": "plugin",
    "Parameter": "plugin",
    "PluginCrash": "failure",
    "PluginError": "failure",
    "PluginHang": "failure",
    "PluginMemory": "failure",
    "PluginOutput": "failure",
    "PluginQuarantined": "failure",
    "Pool": "pool",
    "RandomAudio": "estimators",
    "Report": "report",
    "SPSA": "estimators",
    "best_choice": "trials",
    "calibrate": "calibration",
    "function": "hosts.function",
    "load": "loading",
    "load_class": "loading",
    "loss_by_differences": "losses",
    "shared_pool": "pool",
}

__all__ = sorted([*_PLACES, "is_source"])


def is_source(name: str) -> bool:
    """Whether the type of an effect in a preset names a plug-in."""
    return ":" in name or "/" in name


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
