"""The process of a run: what it was started with, and signals that wait for a step to end."""

from __future__ import annotations

import platform
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch


def circumstances() -> dict[str, Any]:
    """What may matter when a run is to be understood later."""
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


@contextmanager
def put_off() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM, so that a step ends and is saved; then lets them act.

    A second one acts at once.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {
        number: signal.signal(number, lambda number, _: wait(number))
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not None
    }

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def wait(number: int) -> None:
        came.append(number)
        if len(came) > 1:
            restore()
            signal.raise_signal(number)

    try:
        yield came
    finally:
        restore()
    for late in came[:1]:
        signal.raise_signal(late)
