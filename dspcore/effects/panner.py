"""Left or right."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dspcore.effects.effect import Effect
from dspcore.effects.param import Param


class Panner(Effect):
    """Turn one side up and the other down at constant power; unchanged in the centre.

    ``left * sqrt(2) cos(a)`` and ``right * sqrt(2) sin(a)`` with ``a = (pan + 1) pi / 4``: the
    squares of the two gains always add up to 2, so one side reaches +3 dB where the other falls
    silent. Mono comes out as stereo, each side being the mono signal times that side's gain.
    """

    channels = "stereo"

    pan = Param(-1.0, 1.0, default=0.0, doc="Left at -1, right at 1.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Multiply each side; nothing is remembered."""
        angle = (params["pan"] + 1.0) * (math.pi / 4)
        gains = math.sqrt(2.0) * torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
        return audio * gains.to(audio.dtype), None
