"""A recording, plug-ins, and how alike two gradients are; for bench.blackbox."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

import dspcore
from dspcore import blackbox
from dspcore.blackbox.effect import BlackBox
from dspcore.errors import UserError

HERE = Path(__file__).parent
RATE = 44_100


def recording(seconds: float, channels: int) -> Tensor:
    """A drum loop, (1, channels, t), at -20 dBFS or so."""
    data = Path(os.environ.get("DSPCORE_DATA") or HERE.parents[1] / "shared" / "data")
    sound, rate = dspcore.audio.read(data / "sonic_pi" / "loop_amen.flac")
    if rate != RATE:
        sys.exit(f"wanted a recording at {RATE} Hz")
    sound = sound[:, : int(seconds * RATE)]
    return 0.3 * (sound if channels == 2 else sound.mean(0, keepdim=True))[None]


def loaded(name: str, **options: Any) -> BlackBox | None:
    """The plug-in, or None where it is not installed."""
    try:
        return blackbox.load(name, sample_rate=RATE, cached=False, **options)
    except (UserError, RuntimeError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return None


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-300))
