"""From dry to wet by one knob, in a graph."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dspcore.effects.effect import Effect
from dspcore.effects.param import Param


class Blend(Effect):
    """Go from the audio to what the further input `wet` hears: ``(1 - mix) dry + mix wet``.

    For graphs: ``g.add(Blend(mix=0.3), dry, wet=node)`` gives any part of one a wet/dry knob. Where
    nothing is sent to `wet`, that side is silent. Mono counts for both channels beside stereo.
    """

    inputs = ("wet",)

    mix = Param(0.0, 1.0, default=0.5, doc="Dry at 0, wet at 1.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Add the two; nothing is remembered."""
        mix = params["mix"][:, None].to(audio.dtype)
        wet = params.get("wet")
        if wet is None:
            return audio * (1 - mix), None
        channels = {audio.shape[1], wet.shape[1]}
        if len(channels - {1}) > 1 or wet.shape[2] != audio.shape[2]:
            raise ValueError(
                f"{self.name}: wet must fit the audio {tuple(audio.shape[1:])} (c, t), "
                f"got {tuple(wet.shape[1:])}"
            )
        return (1 - mix) * audio + mix * wet.to(audio.dtype), None
