"""What is in the middle against what is at the sides."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore.effects.effect import Effect
from dspcore.effects.param import Param


class MidSide(Effect):
    """Give the middle ``(left + right) / 2`` and the side ``(left - right) / 2`` own gains.

    `Widener` with a width of w is this with 0 dB in the middle and ``20 log10(w)`` dB at the side.
    Mono comes out as two equal channels: it has no side.
    """

    channels = "stereo"

    mid_gain_db = Param(-60.0, 24.0, default=0.0, doc="Change of what both sides share.")
    side_gain_db = Param(-60.0, 24.0, default=0.0, doc="Change of what tells them apart.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Mix the sides anew; nothing is remembered."""
        left, right = audio.unbind(dim=1)
        middle, side = (
            (10 ** (params[f"{part}_gain_db"] / 20)).to(audio.dtype) * sum_ / 2
            for part, sum_ in (("mid", left + right), ("side", left - right))
        )
        return torch.stack([middle + side, middle - side], dim=1), None
