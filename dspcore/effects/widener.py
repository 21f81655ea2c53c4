"""Narrower or wider."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore.effects.effect import Effect
from dspcore.effects.param import Param


class Widener(Effect):
    """Scale the side ``(left - right) / 2`` against the middle ``(left + right) / 2``.

    Mono comes out as two equal channels: it has no side that could become wider.
    """

    channels = "stereo"

    width = Param(0.0, 2.0, default=1.0, doc="Mono at 0, unchanged at 1, twice the side at 2.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Mix the sides anew; nothing is remembered."""
        left, right = audio.unbind(dim=1)
        middle = (left + right) / 2
        side = (left - right) / 2 * params["width"].to(audio.dtype)
        return torch.stack([middle + side, middle - side], dim=1), None
