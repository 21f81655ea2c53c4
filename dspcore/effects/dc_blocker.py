"""No offset."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Param


class DCBlocker(Effect):
    """Take away what does not swing: a first-order high-pass, 3 dB down at its corner.

    ``(1 + a)/2 (1 - 1/z) / (1 - a/z)`` with ``a = (1 - g) / (1 + g)``, g = tan(pi f / rate).
    """

    cutoff_hz = Param(1.0, 200.0, default=10.0, scale="log", doc="Corner: 6 dB an octave below.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """One section."""
        g = torch.tan(math.pi / self.sample_rate * params["cutoff_hz"])[:, None]
        return ops.onepole(audio, (1 - g) / (1 + g), "highpass", state)

    def tail_seconds(self) -> float:
        """Until what an offset leaves has fallen by 60 dB."""
        g = math.tan(math.pi * self.values["cutoff_hz"] / self.sample_rate)
        pole = abs((1 - g) / (1 + g))
        return math.log(1e-3) / math.log(max(pole, 1e-30)) / self.sample_rate
