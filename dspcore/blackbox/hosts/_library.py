"""Shared libraries by cffi, checked before they are loaded."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from dspcore.blackbox.hosts import _binary
from dspcore.errors import UserError

NEEDED = "needs cffi; install it: pip install 'dspcore[plugins]'"


def missing(host: str) -> str:
    """Why plug-ins cannot be opened by cffi here; "" when they can."""
    try:
        import cffi  # noqa: F401
    except ImportError:
        return f"{host}: {NEEDED}"
    return ""


@cache
def interface(declarations: str) -> Any:
    """The cffi interface of some C declarations."""
    try:
        import cffi
    except ImportError as error:
        raise UserError(NEEDED) from error
    ffi = cffi.FFI()
    ffi.cdef(declarations)
    return ffi


@cache
def load(path: str, declarations: str, entry: str, format: str) -> Any:
    """The library at `path`, which stays loaded; `UserError` where it is none of that format."""
    _binary.check(path)
    try:
        library = interface(declarations).dlopen(os.fspath(path))
    except OSError as error:
        raise _binary.explain(path, str(error)) from error
    try:
        getattr(library, entry)
    except (AttributeError, KeyError) as error:
        raise _binary.other_format(path, format) from error
    return library


def split(identity: str, ending: str) -> tuple[str, str]:
    """The path and the label of ``path:label``; the label is "" where it is left out."""
    if Path(identity).exists() or ":" not in identity:
        return identity, ""
    head, mark, rest = identity.partition(f"{ending}:")
    return (head + ending, rest) if mark else (identity, "")
