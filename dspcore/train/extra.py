"""Packages that training needs and the engine does not."""

from __future__ import annotations

import importlib
from typing import Any


def needed(module: str) -> Any:
    """Import a package of the extra ``train``, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise RuntimeError(
            f"train: needs {module} ({error}); install it: pip install 'dspcore[train]'"
        ) from error
