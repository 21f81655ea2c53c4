"""Louder or quieter."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dspcore.effects.effect import Effect
from dspcore.effects.param import Param


class Gain(Effect):
    """Every sample times ``10 ** (gain_db / 20)``."""

    gain_db = Param(-60.0, 36.0, default=0.0, doc="Change of level.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Multiply; nothing is remembered."""
        factor = 10.0 ** (params["gain_db"] / 20.0)
        return audio * factor[:, None].to(audio.dtype), None
