"""Channels turned upside down."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore.effects.effect import Effect
from dspcore.effects.param import Param


class Polarity(Effect):
    """Multiply each side by a number from -1, upside down, to 1, as it is.

    A switch would have no gradient; on the way from one end to the other a side passes silence.
    """

    channels = "stereo"

    left = Param(-1.0, 1.0, default=1.0, doc="Upside down at -1, silent at 0, unchanged at 1.")
    right = Param(-1.0, 1.0, default=1.0, doc="The same of the other side.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Multiply each side; nothing is remembered."""
        return audio * torch.stack([params["left"], params["right"]], dim=1).to(audio.dtype), None
