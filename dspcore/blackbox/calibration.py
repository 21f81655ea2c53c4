"""A plug-in measured: how far to step in each parameter, and which estimators to trust."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dspcore.blackbox.effect import BlackBox
from dspcore.blackbox.estimators import Differences, Estimator, Space
from dspcore.blackbox.pick import Picked, pick_audio
from dspcore.blackbox.synth import Instrument
from dspcore.effects.effect import check_audio
from dspcore.notes import Note

STEPS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
AGREED = 0.9  # agreement of the waveform's slopes at two steps from which both are believed
ONE_SIDED = 0.98  # agreement of slopes by one side and by both from which one side is enough
SOME = 0.5  # below this there is no slope to speak of
LOSS_STEP = 0.03  # as far as a waveform's slope has to hold, if a search is to follow it
Kind = Literal["waveform", "loss", "none"]
Listener = Callable[[Tensor], tuple[Tensor, NDArray[np.bool_]]]


@dataclass(frozen=True)
class ParamCalibration:
    """One parameter.

    Attributes:
        name: As the effect calls it.
        step: How far to step in [0, 1].
        agreement: Of the slopes a and b of the waveform at this step and the next smaller one,
            ``2 <a, b> / (<a, a> + <b, b>)``: 1 is smooth. Stairs, which a cosine would not see,
            show in it.
        agreements: The same for all neighbours of `STEPS`.
        side_step: How far to step where one side alone is asked.
        side: Agreement of the slopes by one side at that step and by both at `step`.
        kind: "waveform": its gradient is good; "loss": the slope of the waveform does not hold for
            a step of 0.03, if for any: use `loss_by_differences`; "none": it changes nothing in the
            settings that were tried.
        change: Of the sound over one step, against the sound, as a ratio of amplitudes.
    """

    name: str
    step: float
    agreement: float
    agreements: tuple[float, ...]
    side_step: float
    side: float
    kind: Kind
    change: float


@dataclass(frozen=True)
class Calibration:
    """What was measured; ``print`` shows it as a table."""

    plugin: str
    params: tuple[ParamCalibration, ...]
    estimator: Estimator
    audio: Picked | None
    repeats: bool
    renders: int

    @property
    def by_loss(self) -> tuple[str, ...]:
        """Parameters for `loss_by_differences`."""
        return tuple(row.name for row in self.params if row.kind == "loss")

    def __str__(self) -> str:
        lines = [f"{self.plugin}: {self.renders} renders"]
        if not self.repeats:
            lines[0] += "; two renders alike differ: try mode='fork'"
        width = max([len(row.name) for row in self.params], default=4)
        lines += [
            f"  {row.name:{width}}  step {row.step:<7.4g} agreement {row.agreement:5.2f}  "
            f"one side {row.side_step:<7.4g} {row.side:5.2f}  {row.kind}"
            for row in self.params
        ]
        renders = self.estimator.renders(len(self.params))
        lines.append(f"  parameters: {self.estimator!r}, {renders} renders a gradient")
        if self.audio is not None:
            errors = ", ".join(f"{name} {error:.2f}" for name, error in self.audio.errors.items())
            lines.append(f"  audio: {self.audio.estimator!r}; relative errors: {errors}")
        return "\n".join(lines)


def calibrate(
    effect: BlackBox,
    audio: Tensor | None = None,
    *,
    notes: Sequence[Note] = (Note(0.0, 0.6),),
    settings: int = 2,
    seed: int = 0,
) -> Calibration:
    """Measure a plug-in, and let its effect use what was found.

    In each of a few settings, each parameter is moved by steps of five sizes to both sides. Where
    the slopes of the waveform at two sizes agree, they are believed; where they do not as far as a
    search goes, losses have to be compared. Where a small step to one side shows the same slopes,
    one side is enough, which halves the renders of every gradient. Then the ways to the audio's
    gradient are compared. Takes ``10 p settings`` renders and some.

    Args:
        effect: The plug-in; its own values are the first setting.
        audio: What it is to hear, (b, c, t) of which the first item is taken; by default a second
            of noise and tones that swell.
        notes: What an instrument is to play, a second long.
        settings: Settings in which to measure; the others are drawn at random.
        seed: Of those.

    Returns:
        What was found. It sets `effect.box.steps`, `effect.box.audio`, and where `load` was told no
        estimator, `effect.box.estimator`.
    """
    listen = _listener(effect, audio, notes)
    generator = torch.Generator().manual_seed(seed)
    own = effect.normalize().reshape(1, -1)
    drawn = 0.1 + 0.8 * effect.random(max(0, settings - 1), generator).double()
    tried = torch.cat([own, drawn])
    params = measured(list(effect.params), effect.space(), listen, tried)
    renders = len(tried) * (1 + 2 * len(STEPS) * len(params))
    again, _ = listen(own.expand(2, -1))
    repeats = bool((again[0] == again[1]).all())
    box = effect.box
    if box.picks:
        box.estimator = enough(params)
    one = getattr(box.estimator, "sided", 2) == 1
    box.steps = {row.name: row.side_step if one else row.step for row in params}
    picked = None
    if box.audio is not None and box.info.inputs:
        picked = pick_audio(effect)
        box.audio = picked.estimator
    return Calibration(box.source, params, box.estimator, picked, repeats, renders + 2)


def measured(
    names: Sequence[str], space: Space, listen: Listener, settings: Tensor
) -> tuple[ParamCalibration, ...]:
    """Steps and kinds of all parameters, from renders around some settings.

    Args:
        names: Of the parameters.
        space: Whose grid their values lie on.
        listen: From settings (m, p) in [0, 1] to sounds (m, c, t), and which of them are there.
        settings: (n, p).
    """
    rows: list[list[_Slopes]] = [[] for _ in names]
    for p in settings.numpy():
        sound, there = listen(torch.from_numpy(p[None]))
        for j, row in enumerate(rows):  # one by one, as sounds take memory
            points = _points(space, p, j)
            sounds, good = listen(torch.from_numpy(points))
            around = np.concatenate([p[None, j], points[:, j]])
            row.append(_slopes(around, torch.cat([sound, sounds]), np.concatenate([there, good])))
    return tuple(_judged(name, row) for name, row in zip(names, rows, strict=True))


def enough(params: Sequence[ParamCalibration]) -> Differences:
    """The differences with the fewest renders that show the slopes there are.

    A sound that has little to do with the one at the setting, as that of a delay a little later,
    is zero beside it in the mean: by one side a large slope to nowhere, by both it cancels.
    """
    sides = [row.side for row in params if row.kind != "none"]
    return Differences(sided=1 if sides and min(sides) >= ONE_SIDED else 2)


def _listener(effect: BlackBox, audio: Tensor | None, notes: Sequence[Note]) -> Listener:
    """What renders a batch of settings (m, p)."""
    if isinstance(effect, Instrument):
        return lambda p: effect.attempt_notes(notes, 1.0, p)
    heard = _sound(effect) if audio is None else audio
    check_audio(heard, effect.name)
    first = heard[:1].detach().cpu().float()
    return lambda p: effect.attempt(first, p)


def _points(space: Space, p: NDArray[np.float64], j: int) -> NDArray[np.float64]:
    """Around the setting, for each step of parameter j both sides, (steps * 2, p)."""
    moved = np.tile(p, (2 * len(STEPS), 1))
    steps = np.maximum(STEPS, space.grid[j])
    moved[:, j] += np.stack([steps, -steps], axis=1).ravel()
    return space.reach(moved)


@dataclass(frozen=True)
class _Slopes:
    """Of one parameter in one setting, for all STEPS; NaN where there is no slope.

    Args:
        neighbours: Agreements of slopes at neighbouring steps, (steps - 1,).
        sides: Agreements of the slope by one side at a step and by both at another,
            (steps, steps); the mean of the two sides.
        change: Of the sound over a step of 0.01, against the sound.
    """

    neighbours: NDArray[np.float64]
    sides: NDArray[np.float64]
    change: float


def _slopes(around: NDArray[np.float64], sounds: Tensor, good: NDArray[np.bool_]) -> _Slopes:
    """From the sounds at the setting, then at both sides of it for each step."""
    sound = sounds[0].double().ravel()

    def slope(a: int, b: int) -> Tensor:
        way = float(around[a] - around[b])
        if not (good[a] and good[b]) or way == 0:
            return torch.full_like(sound, float("nan"))
        return ((sounds[a].double() - sounds[b].double()) / way).ravel()

    ups = range(1, 1 + 2 * len(STEPS), 2)
    both = torch.stack([slope(up, up + 1) for up in ups])
    sides = [_agreed(torch.stack([slope(up + k, 0) for up in ups]), both) for k in (0, 1)]
    change = 0.01 * float(both[STEPS.index(0.01)].nan_to_num().norm())
    change /= float(sound.norm()) + 1e-12
    neighbours = np.diag(_agreed(both, both), 1)
    return _Slopes(neighbours, _mean(np.stack(sides)), change)


def _agreed(a: Tensor, b: Tensor) -> NDArray[np.float64]:
    """Of the rows of both, ``2 <a, b> / (<a, a> + <b, b>)``; NaN where both are zero."""
    products = 2 * (a @ b.T).numpy()
    sizes = np.add.outer(a.square().sum(1).numpy(), b.square().sum(1).numpy())
    return np.divide(products, sizes, out=np.full_like(products, np.nan), where=sizes > 0)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the first axis, of what is no NaN."""
    there = ~np.isnan(values)
    total = np.where(there, values, 0.0).sum(0)
    return np.divide(total, there.sum(0), out=np.full_like(total, np.nan), where=there.any(0))


def _judged(name: str, measured: list[_Slopes]) -> ParamCalibration:
    """The steps and the kind of one parameter from what was seen in all settings."""
    means = _mean(np.stack([row.neighbours for row in measured]))
    sides = np.nan_to_num(_mean(np.stack([row.sides for row in measured])), nan=-1.0)
    change = max(row.change for row in measured)
    agreements = tuple(float(value) for value in means)

    def row(step: float, agreement: float, side_step: float, side: float, kind: Kind) -> Any:
        return ParamCalibration(name, step, agreement, agreements, side_step, side, kind, change)

    if change < 1e-7 or np.isnan(means).all():
        return row(0.01, 0.0, 0.01, 0.0, "none")
    usable = np.where(np.isnan(means), -1.0, means)
    # What holds for the smallest steps alone is of no use, but where it holds very well.
    usable[0] = usable[0] if usable[0] >= AGREED else -1.0
    kind: Kind = "waveform" if usable[-1] >= SOME else "loss"
    # The size in the middle of the range is tried first: small ones drown in the plug-in's own
    # rounding, large ones in its curvature.
    order = (2, 1, 3)
    chosen = next((k for k in order if usable[k] >= AGREED), int(usable.argmax()))
    agreement = float(usable[chosen])
    if agreement < SOME:
        return row(LOSS_STEP, agreement, LOSS_STEP, 0.0, "loss")
    # Of one side, the curvature is an error in proportion to the step: smaller ones are better,
    # down to where rounding is heard. Among equals the largest is the safest.
    by_side = sides[:, chosen + 1]
    k = int(np.flatnonzero(by_side >= by_side.max() - 2e-3)[-1])
    return row(STEPS[chosen + 1], agreement, STEPS[k], float(by_side[k]), kind)


def _sound(effect: BlackBox) -> Tensor:
    """A second of noise and three tones that swell, at -20 dBFS or so, (1, c, t)."""
    rate = effect.sample_rate
    seconds = torch.arange(rate, dtype=torch.float64) / rate
    generator = torch.Generator().manual_seed(0)
    channels = max(1, effect.box.info.hears)
    noise = 0.1 * torch.randn(channels, rate, generator=generator, dtype=torch.float64)
    tones = [torch.sin(2 * torch.pi * hz * seconds) for hz in (110.0, 440.0, 1760.0)]
    swell = 0.2 + 0.8 * torch.sin(3 * torch.pi * seconds).abs()
    return (swell * (noise + 0.05 * torch.stack(tones).sum(0)))[None].float()
