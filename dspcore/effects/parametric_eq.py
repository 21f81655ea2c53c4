"""Equalisers of low cut, low shelf, any number of bells, high shelf and high cut."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.movable import Movable
from dspcore.effects.param import Param
from dspcore.effects.response_fit import band_difference, fit_response, near, thrown

_BUTTERWORTH = 0.5**0.5  # the q of a second-order slope without a bump
_MOST_BELLS = 64
_THIRDS_HZ = [40.0 * 2 ** (third / 3) for third in range(27)]  # up to 16 kHz
_MOVED_Q = 1.4  # of a bell put there: an octave wide


def _gain() -> Param:
    return Param(-24.0, 24.0, default=0.0, doc="Boost or cut.")


def _bell(default: float) -> Param:
    return Param(20.0, 20_000.0, default=default, scale="log", doc="Centre of the bell.")


def _q() -> Param:
    return Param(0.1, 10.0, default=1.0, scale="log", doc="Centre over bandwidth: high is narrow.")


class _Bells(Effect):
    """What equalisers with any number of bells share."""

    bells: ClassVar[int]

    def sections(self, params: dict[str, Tensor]) -> Tensor:
        """Second-order sections, (b, k, 6) or (b, k, 6, t), from physical parameters."""
        rate, design, p = self.sample_rate, ops.design, params
        parts = [
            design.highpass(p["low_cut_hz"], _BUTTERWORTH, rate),
            design.lowshelf(p["low_shelf_hz"], _BUTTERWORTH, p["low_shelf_gain_db"], rate),
            *(
                design.peak(p[f"peak_{i}_hz"], p[f"peak_{i}_q"], p[f"peak_{i}_gain_db"], rate)
                for i in range(1, self.bells + 1)
            ),
            design.highshelf(p["high_shelf_hz"], _BUTTERWORTH, p["high_shelf_gain_db"], rate),
            design.lowpass(p["high_cut_hz"], _BUTTERWORTH, rate),
        ]
        length = max(part.shape[1] for part in parts)
        return torch.stack([part.expand(-1, length, -1) for part in parts], 1).movedim(2, -1)

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """All sections in one pass."""
        sos = self.settled(params, lambda: self.sections(params)[:, None])
        return ops.sosfilt(audio, sos, state)

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """Settings whose response is near the ratio of the two spectra."""
        rate = self.sample_rate
        hz, target_db, weight = band_difference(dry, reference, rate)

        def sections(p: Tensor) -> Tensor:
            return self.sections({k: v[:, None] for k, v in self.denormalize(p).items()})[..., 0]

        generator = torch.Generator().manual_seed(0)
        own = self.normalize()[0]
        names = list(self.params)
        bells = [
            [names.index(f"peak_{i}_{key}") for key in ("hz", "gain_db", "q")]
            for i in range(1, self.bells + 1)
        ]
        starts = near(own, generator)
        if bells:
            starts = torch.cat([starts, thrown(own, bells, generator)])
        found = self.denormalize(fit_response(sections, starts, hz, target_db, weight, rate)[:8])
        return [{name: float(v[i]) for name, v in found.items()} for i in range(8)]

    def movable(self) -> list[Movable]:
        """Every bell, three to the octave."""
        hz = [hz for hz in _THIRDS_HZ if hz < self.params["high_cut_hz"].range(self.sample_rate)[1]]
        return [
            Movable(
                strength=f"peak_{i}_gain_db",
                off=0.0,
                places=[{f"peak_{i}_hz": centre, f"peak_{i}_q": _MOVED_Q} for centre in hz],
            )
            for i in range(1, self.bells + 1)
        ]

    def canonical(self, values: dict[str, float]) -> dict[str, float]:
        """Bells in the order of their frequencies: exchanging two changes nothing."""
        order = sorted(range(1, self.bells + 1), key=lambda i: values[f"peak_{i}_hz"])
        bells = {
            f"peak_{to}_{key}": values[f"peak_{of}_{key}"]
            for to, of in enumerate(order, start=1)
            for key in ("hz", "gain_db", "q")
        }
        return {name: bells.get(name, value) for name, value in values.items()}

    def tail_seconds(self) -> float:
        """Until all sections, one after another, have fallen by 60 dB."""
        v = self.values
        poles = [(v["low_cut_hz"], _BUTTERWORTH), (v["high_cut_hz"], _BUTTERWORTH)]
        # A boost lowers the poles of a low shelf and narrows those of a bell.
        poles.append((v["low_shelf_hz"] / 10 ** (v["low_shelf_gain_db"] / 80), _BUTTERWORTH))
        poles.append((v["high_shelf_hz"], _BUTTERWORTH))
        for i in range(1, self.bells + 1):
            amplitude = 10 ** (v[f"peak_{i}_gain_db"] / 40)
            poles.append((v[f"peak_{i}_hz"], v[f"peak_{i}_q"] * amplitude))
        return sum(ring_seconds(corner, q, self.sample_rate) for corner, q in poles)


class ParametricEQ(_Bells):
    """Shape the spectrum with two cuts, two shelves and four bells.

    Second-order sections after the Audio EQ Cookbook, in series. Cuts fall by 12 dB an octave and
    are 3 dB down at their corner. `parametric_eq(8)` (``parametric_eq8`` in chain files) has eight
    bells, and so on.
    """

    aliases = ("eq",)
    bells = 4

    low_cut_hz = Param(10.0, 2_000.0, default=10.0, scale="log", doc="Nothing much passes below.")
    low_shelf_hz = Param(20.0, 2_000.0, default=100.0, scale="log", doc="Corner of the low shelf.")
    low_shelf_gain_db = _gain()
    peak_1_hz = _bell(200.0)
    peak_1_gain_db = _gain()
    peak_1_q = _q()
    peak_2_hz = _bell(700.0)
    peak_2_gain_db = _gain()
    peak_2_q = _q()
    peak_3_hz = _bell(2_000.0)
    peak_3_gain_db = _gain()
    peak_3_q = _q()
    peak_4_hz = _bell(6_000.0)
    peak_4_gain_db = _gain()
    peak_4_q = _q()
    high_shelf_hz = Param(
        500.0, 20_000.0, default=8_000.0, scale="log", doc="Corner of the high shelf."
    )
    high_shelf_gain_db = _gain()
    high_cut_hz = Param(500.0, 20_000.0, default=20_000.0, scale="log", doc="Little passes above.")


@cache
def parametric_eq(bells: int) -> type[Effect]:
    """The equaliser with a number of bells, 0 to 64, between its shelves and cuts.

    ``parametric_eq(8)`` is called ``parametric_eq8`` in presets and on the command line, and by
    `dspcore.effects.by_name`; its parameters are named as those of `ParametricEQ`, which it returns
    for four. The bells lie evenly over the octaves from 80 Hz to 10 kHz at first.
    """
    if isinstance(bells, bool) or not isinstance(bells, int) or not 0 <= bells <= _MOST_BELLS:
        raise ValueError(f"parametric_eq: bells must be 0 to {_MOST_BELLS}, got {bells!r}")
    if bells == ParametricEQ.bells:
        return ParametricEQ
    declared: dict[str, Any] = {"bells": bells, "aliases": (f"eq{bells}",)}
    for name, param in ParametricEQ.params.items():
        if name == "high_shelf_hz":  # the bells stand before it
            for i in range(1, bells + 1):
                centre = 80.0 * 125.0 ** ((i - 0.5) / bells)
                declared[f"peak_{i}_hz"] = _bell(float(f"{centre:.2g}"))
                declared[f"peak_{i}_gain_db"] = _gain()
                declared[f"peak_{i}_q"] = _q()
        if not name.startswith("peak_"):
            declared[name] = param
    number = {0: "no bells", 1: "one bell"}.get(bells, f"{bells} bells")
    declared["__doc__"] = f"Shape the spectrum with two cuts, two shelves and {number}."
    declared["__module__"] = __name__
    return type(f"ParametricEQ{bells}", (_Bells,), declared)


def by_bells(name: str) -> type[Effect] | None:
    """The equaliser that a name like ``parametric_eq8`` or ``eq8`` asks for."""
    match = re.fullmatch(r"(?:parametric_)?eq([1-9]?\d)", name)
    return parametric_eq(int(match[1])) if match and int(match[1]) <= _MOST_BELLS else None


def ring_seconds(corner_hz: float, q: float, sample_rate: int) -> float:
    """How long a section's poles take to fall by 60 dB, about 2.2 q cycles of the corner."""
    if q < 0.5:  # two real poles, of which the slower counts
        q = q / (1 - math.sqrt(1 - 4 * q * q))
    alpha = min(math.sin(2 * math.pi * corner_hz / sample_rate) / (2 * q), 0.999)
    return math.log(1000) / math.atanh(alpha) / sample_rate
