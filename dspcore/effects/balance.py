"""One side quieter than the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore.effects.effect import Effect
from dspcore.effects.param import Param


class Balance(Effect):
    """Turn one side down and leave the other as it is.

    Unlike `Panner` it never makes a side louder: ``left * min(1, 1 - balance)`` and ``right *
    min(1, 1 + balance)``. At 0 the gradient is that towards the right.
    """

    channels = "stereo"

    balance = Param(-1.0, 1.0, default=0.0, doc="Left alone at -1, right alone at 1.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Multiply each side; nothing is remembered."""
        balance = params["balance"]
        to_right = balance >= 0
        left = torch.where(to_right, 1 - balance, 1.0)
        right = torch.where(to_right, 1.0, 1 + balance)
        return audio * torch.stack([left, right], dim=1).to(audio.dtype), None
