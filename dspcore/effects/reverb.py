"""A room made of eight delay lines."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Choice, Param

# Line lengths in ms: spread over an octave, far from common ratios.
_LENGTHS_MS = (24.3, 27.9, 31.1, 33.7, 37.5, 41.9, 44.6, 48.8)
_SIZES = {"small": 0.5, "medium": 1.0, "large": 1.8}
# How the lines hear left and right, and how left and right hear them.
_INTO = ((1, 0), (0, 1), (1, 0), (0, 1), (-1, 0), (0, -1), (1, 0), (0, 1))
_OUT = ((1, 0, 1, 0, 1, 0, -1, 0), (0, 1, 0, -1, 0, 1, 0, 1))
# From the lines back to the lines: signs whose rows are orthogonal (Hadamard's matrix), of norm 1.
_MATRIX = [[(-1) ** (i & j).bit_count() / 8**0.5 for j in range(8)] for i in range(8)]


class Reverb(Effect):
    """Let the sound ring on in a room whose decay is set band by band.

    A feedback delay network of eight lines with an orthogonal matrix. Every line ends in two
    shelves that take away, per pass, just what makes each band fall by 60 dB in its decay time
    (J.-M. Jot, A. Chaigne, AES 1991); the decay is exact in the middle of a band and blends over an
    octave at the crossovers. Mono stays mono, stereo stays stereo.
    """

    piece = 16_384

    size = Choice(*_SIZES, default="medium", doc="Lengths of the lines.")
    decay_low_s = Param(0.1, 20.0, default=1.8, scale="log", doc="Decay to -60 dB of the lows.")
    decay_mid_s = Param(0.1, 20.0, default=1.5, scale="log", doc="That of the middle.")
    decay_high_s = Param(0.05, 20.0, default=0.8, scale="log", doc="That of the highs.")
    low_crossover_hz = Param(50.0, 1_000.0, default=250.0, scale="log", doc="Lows lie below.")
    high_crossover_hz = Param(1_000.0, 16_000.0, default=4_000.0, scale="log", doc="Highs above.")
    mix = Param(0.0, 1.0, default=0.25, doc="Dry at 0, the room alone at 1.")

    def _lengths(self) -> list[float]:
        """Whole samples: reading between samples would damp the highs at every pass."""
        scale = _SIZES[self.size] * self.sample_rate / 1000
        return [max(2.0, float(round(ms * scale))) for ms in _LENGTHS_MS]

    def _absorption(self, p: dict[str, Tensor], lengths: Tensor) -> Tensor:
        """Sections of each line, (b, 8, 2, 6) or (b, 8, 2, 6, t)."""
        rate = self.sample_rate

        def loss_db(decay_s: Tensor) -> Tensor:
            return -60.0 * lengths[:, None] / rate / decay_s

        mid = loss_db(p["decay_mid_s"])
        low = ops.design.lowshelf(
            p["low_crossover_hz"], 0.5**0.5, loss_db(p["decay_low_s"]) - mid, rate
        )
        high = ops.design.highshelf(
            p["high_crossover_hz"], 0.5**0.5, loss_db(p["decay_high_s"]) - mid, rate
        )
        gain = (10 ** (mid / 20))[..., None]
        low = torch.cat([low[..., :3] * gain, low[..., 3:].expand(*gain.shape[:-1], 3)], -1)
        parts = torch.broadcast_tensors(low, high)
        return torch.stack(parts, 2).movedim(3, -1)

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Spread over the lines, let them ring, gather."""
        channels = audio.shape[1]
        if channels > 2:
            raise ValueError(f"{self.name}: audio must be mono or stereo, got {channels} channels")
        into, lengths, matrix, out, loop = self.settled(
            params, lambda: self._network(audio, params)
        )
        wet, state = ops.delay(
            into @ audio,
            lengths.expand(audio.shape[0], -1),
            matrix,
            loop,
            state,
            max_delay=max(self._lengths()),
        )
        mix = params["mix"][:, None].to(audio.dtype)
        return audio + mix * (out @ wet - audio), state

    def _network(self, audio: Tensor, params: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """Into the lines, their lengths, between them, out of them, and what is lost on the way."""
        lengths = torch.tensor(self._lengths(), dtype=torch.float64, device=audio.device)
        into, out = audio.new_tensor(_INTO), 0.5 * audio.new_tensor(_OUT)
        if audio.shape[1] == 1:
            into, out = into.sum(1, keepdim=True), out.sum(0, keepdim=True) * 0.5**0.5
        p = {name: value[:, None] for name, value in params.items()}
        matrix = audio.new_tensor(_MATRIX)[None]
        return into, lengths, matrix, out, self._absorption(p, lengths)

    def tail_seconds(self) -> float:
        """The longest of the decays."""
        return max(self.values[f"decay_{band}_s"] for band in ("low", "mid", "high"))
