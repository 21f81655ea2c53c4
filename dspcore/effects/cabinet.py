"""A guitar loudspeaker in its cabinet."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Choice, File, Param
from dspcore.effects.response import StreamedConvolution, read_response

_SECONDS = 0.04
# Resonance and its q; the hollow between cone and cabinet; the cone's breaking up; the upper end.
_MODELS = {
    "open_back": ((95.0, 0.9), (400.0, 0.8, -3.0), (2_700.0, 1.4, 6.0), 5_200.0),
    "closed_back": ((75.0, 1.5), (550.0, 0.7, -5.0), (3_300.0, 1.8, 7.0), 4_800.0),
}


class Cabinet(Effect):
    """What a loudspeaker in a cabinet leaves of a sound, by convolution.

    The impulse response comes from `file` (of several channels, their mean), at any sample rate;
    without one it is made by formula, 40 ms of second-order sections after the Audio EQ Cookbook: a
    high-pass at the speaker's resonance, a hollow, a bell where the cone breaks up, a steep
    low-pass of fourth order. The formulas say what such speakers have in common; no particular one
    was measured.
    """

    model = Choice(*_MODELS, default="open_back", doc="Which formulas, where there is no file.")
    file = File("Impulse response of a cabinet, WAV or FLAC.")
    output_db = Param(-36.0, 24.0, default=0.0, doc="Gain of the convolved signal.")
    mix = Param(0.0, 1.0, default=1.0, doc="Dry at 0, cabinet at 1.")

    def __init__(self, sample_rate: int = 48_000, **values: float | str) -> None:
        self._given: Tensor | None = None
        self._ready: dict[Any, StreamedConvolution] = {}
        super().__init__(sample_rate, **values)

    def load(self, name: str) -> None:
        """Read the impulse response."""
        path = self.options[name]
        self._given = read_response(path, self.sample_rate).mean(0) if path else None
        self._ready = {}

    def response(self) -> Tensor:
        """The impulse response, (n,) float64."""
        if self._given is not None:
            return self._given
        rate, design = self.sample_rate, ops.design
        (resonance, sharpness), (hollow, wide, less), (bell, narrow, more), end = _MODELS[
            self.model
        ]
        end, bell = min(end, 0.4 * rate), min(bell, 0.35 * rate)
        sections = [
            design.highpass(resonance, sharpness, rate),
            design.peak(hollow, wide, less, rate),
            design.peak(bell, narrow, more, rate),
            # A Butterworth low-pass of fourth order.
            design.lowpass(end, 0.5412, rate),
            design.lowpass(end, 1.3066, rate),
        ]
        click = torch.zeros(1, 1, round(_SECONDS * rate), dtype=torch.float64)
        click[..., 0] = 1.0
        ring = ops.sosfilt(click, torch.stack(sections))[0][0, 0]
        return ring * torch.cos(torch.linspace(0, torch.pi / 2, len(ring), dtype=torch.float64))

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Convolve and mix."""
        kind = (self.model, audio.dtype, audio.device)
        if kind not in self._ready:
            self._ready[kind] = StreamedConvolution(self.response().to(audio)[None, None])
        wet, state = self._ready[kind](audio, state)
        p = {name: value[:, None].to(audio.dtype) for name, value in params.items()}
        return audio + p["mix"] * (wet * 10 ** (p["output_db"] / 20) - audio), state

    def tail_seconds(self) -> float:
        """The length of the impulse response."""
        if self._given is not None:
            return self._given.shape[0] / self.sample_rate
        return _SECONDS
