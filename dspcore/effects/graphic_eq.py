"""Graphic equalisers whose response is what the sliders say."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import Param
from dspcore.effects.parametric_eq import ring_seconds
from dspcore.effects.response_fit import band_difference
from dspcore.effects.whole import as_one

_OCTAVES = (31, 63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)
_THIRDS = (
    20, 25, 31, 40, 50, 63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600,
    2000, 2500, 3150, 4000, 5000, 6300, 8000, 10000, 12500, 16000, 20000,
)  # fmt: skip
#: A band centred above this share of the sample rate cannot be made and does nothing.
_HIGHEST_SHARE = 0.475
_STEPS = 3  # of Newton's method: even the wildest settings are 2e-11 dB away after them
_AT_ONCE = 1 << 21  # numbers of a Jacobian


def _bands(nominal: tuple[int, ...]) -> dict[str, Param]:
    def declared(hz: int) -> Param:
        name = {31: "31.5 Hz"}.get(hz, f"{hz} Hz" if hz < 1000 else f"{hz / 1000:g} kHz")
        return Param(-12.0, 12.0, default=0.0, doc=f"Level at {name}.")

    return {f"band_{hz}_db": declared(hz) for hz in nominal}


class _Graphic(Effect):
    """What graphic equalisers share: bells whose gains are solved for.

    A bell reaches a share of its gain in dB at the centre of its lower neighbour, whatever the
    gain (J. Liski, V. Valimaki, "The Quest for the Best Graphic Equalizer", DAFx 2017, with the
    cookbook's bell); so neighbours add up to more than was asked for. There, gains are found by
    least squares; here by Newton's method, until the response meets every slider at its centre.
    """

    #: Bands in an octave, and the share of a bell's gain at its neighbour's centre.
    per_octave: ClassVar[int]
    share: ClassVar[float]

    def centres_hz(self) -> Tensor:
        """Exact centres of the bands that the sample rate can hold, around 1 kHz, float64."""
        step = 10 ** (0.3 / self.per_octave)
        names = list(self.params)
        middle = names.index("band_1000_db")
        exact = [1000.0 * step ** (i - middle) for i in range(len(names))]
        highest = _HIGHEST_SHARE * self.sample_rate
        return torch.tensor([hz for hz in exact if hz <= highest], dtype=torch.float64)

    def sections(self, params: dict[str, Tensor]) -> Tensor:
        """Second-order sections, (b, k, 6) or (b, k, 6, t)."""
        wanted = torch.stack(torch.broadcast_tensors(*params.values()), -1)  # (b, 1 or t, bands)
        centres = self.centres_hz().to(wanted.device)
        wanted = wanted[..., : len(centres)]
        warped, widths = self._geometry(centres)
        gains = _solved(wanted, warped, widths, self.share)
        q = widths / _width_factor(gains, self.share).sqrt()
        sos = ops.design.peak(centres, q, gains, self.sample_rate)  # (b, t, bands, 6)
        return sos.movedim(1, -1)

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """All bells in series."""
        sos = self.settled(params, lambda: self.sections(params)[:, None])
        return ops.sosfilt(audio, sos, state)

    def _geometry(self, centres: Tensor) -> tuple[Tensor, Tensor]:
        """Centres on the bilinear transform's frequency axis, and one over the bells' breadth."""
        below = centres * 10 ** (-0.3 / self.per_octave)
        warped, lower = (torch.tan(math.pi * hz / self.sample_rate) for hz in (centres, below))
        return warped, 1 / (warped / lower - lower / warped)

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """The difference between the two spectra at every centre."""
        hz, difference, _ = band_difference(dry, reference, self.sample_rate)
        found = {}
        for name, centre in zip(self.params, self.centres_hz(), strict=False):
            near = (torch.log2(hz / centre).abs() < 0.5 / self.per_octave).double()
            weight = near if near.any() else (torch.log2(hz / centre).abs() < 0.5).double()
            if weight.any():
                found[name] = float(((difference * weight).sum() / weight.sum()).clamp(-12, 12))
        return [found]

    def tail_seconds(self) -> float:
        """Until all bells, one after another, have fallen by 60 dB."""
        values = [torch.full((1, 1), v, dtype=torch.float64) for v in self.values.values()]
        centres = self.centres_hz()
        warped, widths = self._geometry(centres)
        gains = _solved(torch.stack(values, -1)[..., : len(centres)], warped, widths, self.share)
        q = widths / _width_factor(gains, self.share).sqrt() * 10 ** (gains / 40)
        pairs = zip(centres.tolist(), q.flatten().tolist(), gains.flatten().tolist(), strict=True)
        return sum(ring_seconds(hz, own, self.sample_rate) for hz, own, gain in pairs if gain)


class GraphicEQ(_Graphic):
    """Set the level of ten octaves; the response meets every slider at its centre.

    Bells whose gains are solved for together, as each reaches into its neighbours (after J. Liski,
    V. Valimaki, "The Quest for the Best Graphic Equalizer", DAFx 2017, but exact at the centres).
    A band that lies above 0.475 of the sample rate does nothing.
    """

    per_octave, share = 1, 0.35
    locals().update(_bands(_OCTAVES))


class GraphicEQ31(_Graphic):
    """Set the level of 31 thirds of an octave; the response meets every slider at its centre.

    As `GraphicEQ`, three times as fine.
    """

    aliases = ("third_octave_eq",)
    per_octave, share = 3, 0.4
    locals().update(_bands(_THIRDS))


def _width_factor(gains_db: Tensor, share: float) -> Tensor:
    """One over q squared, for q of 1 at small gains, so that `share` of the dB is a given way off.

    A bell has the power ``(x^2 + u exp(L)) / (x^2 + u exp(-L))`` with u = 1 / q^2 and L the
    logarithm of its gain; it is ``exp(2 share L)`` where ``u = x^2 sinh(share L) / sinh((1 - share)
    L)``.
    """
    power = gains_db * (math.log(10) / 20)
    over, under = (_sinh_ratio(c * power) * c for c in (share, 1 - share))
    return over / under


def _width_turn(gains_db: Tensor, share: float) -> Tensor:
    """The derivative of `_width_factor` by the logarithm L of the gain."""
    power = gains_db * (math.log(10) / 20)
    small = power.abs() < 1e-2
    safe = torch.where(small, torch.ones_like(power), power)
    c, d = share, 1 - share
    far = c / torch.tanh(c * safe) - d / torch.tanh(d * safe)
    near = power * ((c**2 - d**2) / 3 - power.square() * (c**4 - d**4) / 45)
    return _width_factor(gains_db, share) * torch.where(small, near, far)


def _sinh_ratio(x: Tensor) -> Tensor:
    """sinh(x) / x, 1 at 0."""
    small = x.abs() < 1e-2
    safe = torch.where(small, torch.ones_like(x), x)
    square = x * x
    return torch.where(small, 1 + square / 6 * (1 + square / 20), torch.sinh(safe) / safe)


def _solved(wanted: Tensor, warped: Tensor, widths: Tensor, share: float) -> Tensor:
    """Gains of the bells in dB, (..., bands), with which the response at the centres is `wanted`.

    The first derivative is exact (the inverse of the response's); a second one finds none.
    """
    x = warped[:, None] / warped - warped / warped[:, None]  # (at, of) on the analogue axis
    off = x.square() * widths.square()
    if (instead := as_one()) is not None:
        return instead.bells(wanted, off, share)
    flat = wanted.reshape(-1, wanted.shape[-1])
    parts = []
    for target in flat.split(max(1, _AT_ONCE // off.numel())):
        with torch.no_grad():
            aim = target.detach()
            gains = torch.zeros_like(aim)
            for _ in range(_STEPS):
                response, slope = _response(gains, off, share)
                gains = gains + torch.linalg.solve(slope, aim - response)
            response, slope = _response(gains, off, share)
        # Nothing is left to solve: this step only tells how the gains follow the target.
        parts.append(gains + torch.linalg.solve(slope, target - response))
    return torch.cat(parts).reshape(wanted.shape)


def _response(gains_db: Tensor, off: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """The response in dB at the centres, (n, bands), of bells (n, bands); its slopes (n, at, of).

    A bell is ``(x^2 + A^2 u) / (x^2 + u / A^2)`` in power, with u = 1 / q^2: `off` is x^2 times the
    square of the bell's q for small gains.
    """
    unit = math.log(10) / 20
    power = (gains_db * unit)[:, None, :]  # ln of A^2
    u, turn = _width_factor(gains_db, share)[:, None, :], _width_turn(gains_db, share)[:, None, :]
    over, under = off + power.exp() * u, off + u * (-power).exp()
    response = (over.log() - under.log()).sum(-1) / (2 * unit)
    rise, fall = power.exp() * (u + turn), (-power).exp() * (turn - u)
    return response, (rise / over - fall / under) / 2
