"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from dspcore.errors import UserError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that takes its place when the block ends well.

    On any error, a full disk and an interrupt included, it is removed and `path` stays as it was.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        kind = "a folder" if target.is_dir() else "not a regular file"
        raise UserError(f"{target}: cannot be written, it is {kind}")
    part = target.with_name(f".{target.name[:64]}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        raise explained(error, target) from error
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the block ends.

    For calls into C that call Python again: what a signal raises there would be lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not None
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode())


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a text file, or say in one sentence why not."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not a text file in UTF-8") from error
    except OSError as error:
        raise explained(error, path) from error


def check_readable(path: str | os.PathLike[str]) -> None:
    """Raise `UserError` unless `path` is a file that can be opened."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise explained(error, path) from error


def explained(error: OSError, path: str | os.PathLike[str]) -> UserError:
    """What the system said about `path`, in a sentence."""
    reason = error.strerror or str(error)
    if error.errno == errno.ENOSPC:
        reason = "the disk is full; the file was not written"
    elif error.errno == errno.ENOENT:
        folder = Path(path).parent
        reason = "no such file" if folder.exists() else f"the folder {folder} does not exist"
    elif error.errno == errno.EISDIR:
        reason = "is a folder, wanted a file"
    elif error.errno in (errno.EACCES, errno.EPERM):
        reason = "permission denied"
    return UserError(f"{path}: {reason}")
