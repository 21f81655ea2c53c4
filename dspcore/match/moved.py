"""A part that does little where it is may do more elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dspcore.match.gauss_newton import jacobian, slopes
from dspcore.match.waveform import Waveform
from dspcore.rack import Rack

TRIED = 2  # parts, those that do least
_FIRST = 1.0  # of a strength's first step in its unbounded coordinate, at most
_PROMISE = 0.98  # of the present power, at most, must be left of it
_RIDGE, _FLOOR = 1e-4, 1e-7  # of the other parameters: those that hardly matter must not undo all


class Moves(NamedTuple):
    """What one part could be, while all other parameters of the chain stay as they are."""

    own: list[int]  # its parameters, its strength first
    settings: Tensor  # (1 + n, p) in [0, 1]: taken away, and in n places doing nothing


def moves(chain: Rack, setting: Tensor, free: Tensor) -> list[Moves]:
    """What every part of every effect could be, from `setting`, (p,) in [0, 1].

    A part with a parameter that is not `free`, (p,), stays where it is.
    """
    found = []
    for effect, name in zip(chain, chain.effect_names, strict=True):
        for part in effect.movable():
            keys = [part.strength, *part.places[0]]
            own = [chain.param_names.index(f"{name}.{key}") for key in keys]
            if not bool(free[own].all()):
                continue
            rows = setting.repeat(1 + len(part.places), 1)
            for row, place in zip(rows, [{}, *part.places], strict=True):
                for key, value in {part.strength: part.off, **place}.items():
                    unit = effect.params[key].to_unit(value, effect.sample_rate)
                    row[own[keys.index(key)]] = unit
            found.append(Moves(own, rows))
    return found


def moved(waveform: Waveform, place: Tensor, offered: list[Moves], *, exact: bool) -> Tensor:
    """The best other place of each of the parts that do least, where it promises more, (n, q).

    A part is taken away, and put where the first step of its strength takes most of the residual
    that is left once all other parameters adapt: one step of least squares on the waveform, as in
    orthogonal matching pursuit, where spectra would not tell.

    Args:
        waveform: The residual.
        place: Where the search stands, (q,).
        offered: What the parts could be.
        exact: As in `levenberg_marquardt`.

    Source:
        Y. Pati, R. Rezaiifar, P. Krishnaprasad, "Orthogonal Matching Pursuit", Asilomar 1993.
    """
    if not offered:
        return place[None][:0]
    column = waveform.free.cumsum(0) - 1
    without = waveform.place(torch.stack([part.settings[0] for part in offered]))
    with torch.no_grad():
        left = waveform.plain(without).flatten(1)
        present = float(waveform.plain(place[None]).square().sum())
    size = left.shape[1]
    whole = jacobian(waveform.plain, place, size, exact=exact)
    pursuits = []
    for part, error in zip(offered, left, strict=True):
        own = column[part.own]
        others = torch.ones(len(place), dtype=torch.bool)
        others[own] = False
        beside = _Beside(whole[others])
        lasting = beside(error[None])[0]
        pursuits.append((float(lasting.square().sum()), part, lasting, beside))
    found = []
    for total, part, lasting, beside in sorted(pursuits, key=lambda p: p[0])[:TRIED]:
        rows = waveform.place(part.settings[1:])
        along = torch.zeros_like(rows)
        along[:, column[part.own[0]]] = 1
        does = beside(slopes(waveform.plain, rows, along, size, exact=exact))
        power = does.square().sum(1)
        step = -(does @ lasting) / (power + 1e-300)
        gain = step.square() * power
        best = int(gain.argmax())
        if total - gain[best] < _PROMISE * present:
            found.append(rows[best] + step[best].clamp(-_FIRST, _FIRST) * along[best])
    return torch.stack(found) if found else place[None][:0]


class _Beside:
    """What of residuals (b, n) the parameters with slopes `taken` (q, n) cannot take over."""

    def __init__(self, taken: Tensor) -> None:
        normal = taken @ taken.T
        diagonal = normal.diagonal()
        ridge = torch.diag(_RIDGE * diagonal + _FLOOR * diagonal.max() + 1e-300)
        self.taken, self.factor = taken, torch.linalg.cholesky(normal + ridge)

    def __call__(self, residuals: Tensor) -> Tensor:
        share = torch.cholesky_solve(self.taken @ residuals.T, self.factor)
        return residuals - share.T @ self.taken
