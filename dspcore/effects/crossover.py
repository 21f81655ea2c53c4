"""Linkwitz-Riley crossovers: bands that add up to an all-pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Choice, Param
from dspcore.effects.parametric_eq import ring_seconds

_BUTTERWORTH = 0.5**0.5
BANDS = ("low", "mid", "high")


class Crossover(Effect):
    """Keep one of three bands; the bands, side by side in a graph, add up to an all-pass.

    Linkwitz-Riley crossovers of fourth order: 24 dB an octave, -6 dB at a crossover, the bands in
    phase with each other everywhere. The sum keeps the level of every frequency and turns phases as
    two all-pass sections do.

    Source: S. Linkwitz, "Active Crossover Networks for Noncoincident Drivers", JAES 1976.
    """

    band = Choice(*BANDS, default="low", doc="What is heard.")
    low_crossover_hz = Param(30.0, 2_000.0, default=200.0, scale="log", doc="Lows lie below.")
    high_crossover_hz = Param(500.0, 16_000.0, default=3_000.0, scale="log", doc="Highs above.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Four sections of the band."""
        corners = [params["low_crossover_hz"], params["high_crossover_hz"]]
        sections = band_sections(corners, self.sample_rate)[BANDS.index(self.band)]
        return ops.sosfilt(audio, sections[:, None], state)

    def tail_seconds(self) -> float:
        """Until both crossovers have rung out."""
        return crossover_seconds(list(self.values.values()), self.sample_rate)


def band_sections(corners_hz: Sequence[Tensor], sample_rate: int) -> list[Tensor]:
    """The second-order sections of every band from the lowest, each (b, k, 6) or (b, k, 6, t).

    A band passes the high-pass of the crossover below it, the low-pass of the one above, and the
    all-pass of all further ones above, which keeps it in phase with what those divide.

    Args:
        corners_hz: Crossovers from the lowest, each (b, 1) or (b, t), one fewer than bands.
        sample_rate: In Hz.

    Returns:
        A tensor for every band, all of the same size, to be stacked and filtered in one pass.
    """
    design = ops.design
    corners = torch.broadcast_tensors(*corners_hz)
    low, high, turn = (
        [shape(corner, _BUTTERWORTH, sample_rate) for corner in corners]
        for shape in (design.lowpass, design.highpass, design.allpass)
    )
    idle = low[0].new_tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]).expand_as(low[0])
    bands = []
    for band in range(len(corners) + 1):
        # Every crossover from the lowest up: it is above this band, at its upper edge, or below.
        parts = []
        for i in range(len(corners)):
            if i < band:
                parts += [high[i], high[i]]
            elif i == band:
                parts += [low[i], low[i]]
            else:
                parts += [turn[i], idle]
        bands.append(torch.stack(parts, 1).movedim(2, -1))
    return bands


def split(
    audio: Tensor, corners_hz: Sequence[Tensor], sample_rate: int, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Divide audio (b, c, t) into bands that add up to an all-pass, in one pass.

    Args:
        audio: (b, c, t).
        corners_hz: Crossovers from the lowest, each (b, 1) or (b, t).
        sample_rate: In Hz.
        state: What the call before returned; silence at first.

    Returns:
        The bands from the lowest, (b, bands, c, t), and the state after.
    """
    b, c, t = audio.shape
    sections = torch.stack(band_sections(corners_hz, sample_rate), 1)  # (b, bands, k, 6[, t])
    n = sections.shape[1]
    rows = audio[:, None].expand(b, n, c, t).reshape(b, n * c, t)
    y, state = ops.sosfilt(rows, sections.repeat_interleave(c, 1), state)
    return y.reshape(b, n, c, t), state


def crossover_seconds(corners_hz: Sequence[float], sample_rate: int) -> float:
    """Until the two equal sections of every crossover have fallen by 60 dB, one after another."""
    return 2 * sum(ring_seconds(corner, _BUTTERWORTH, sample_rate) for corner in corners_hz)
