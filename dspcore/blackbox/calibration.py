"""A plug-in measured: how far to step in each parameter, and which estimators to trust."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dspcore.blackbox.effect import BlackBox
from dspcore.blackbox.pick import Picked, pick_audio
from dspcore.blackbox.synth import Instrument
from dspcore.effects.effect import check_audio
from dspcore.notes import Note

STEPS = (1e-3, 3e-3, 1e-2, 3e-2)
AGREED = 0.9  # cosine of the waveform's slopes at two steps from which both are believed
SOME = 0.5  # below this there is no slope to speak of
LOSS_STEP = 0.03
Kind = Literal["waveform", "loss", "none"]
Listener = Callable[[Tensor], tuple[Tensor, NDArray[np.bool_]]]


@dataclass(frozen=True)
class ParamCalibration:
    """One parameter.

    Attributes:
        name: As the effect calls it.
        step: How far to step in [0, 1].
        agreement: Cosine between the slopes of the waveform at this step and the next; 1 is smooth.
        agreements: The same for all neighbours of `STEPS`.
        kind: "waveform": its gradient is good; "loss": use `loss_by_differences`; "none": it
            changes nothing in the settings that were tried.
        change: Of the sound over one step, against the sound, as a ratio of amplitudes.
    """

    name: str
    step: float
    agreement: float
    agreements: tuple[float, ...]
    kind: Kind
    change: float


@dataclass(frozen=True)
class Calibration:
    """What was measured; ``print`` shows it as a table."""

    plugin: str
    params: tuple[ParamCalibration, ...]
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
            f"  {row.name:{width}}  step {row.step:<7.4g} agreement {row.agreement:5.2f} {row.kind}"
            for row in self.params
        ]
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

    In each of a few settings, each parameter is moved by steps of four sizes to both sides. Where
    the slopes of the waveform at two sizes agree, they are believed, and the smaller is taken;
    where none do, the parameter has no waveform gradient. Then the ways to the audio's gradient are
    compared. Takes ``8 p settings`` renders and some.

    Args:
        effect: The plug-in; its own values are the first setting.
        audio: What it is to hear, (b, c, t) of which the first item is taken; by default a second
            of noise and tones that swell.
        notes: What an instrument is to play, a second long.
        settings: Settings in which to measure; the others are drawn at random.
        seed: Of those.

    Returns:
        What was found; `effect.box.steps` and `effect.box.audio` are set by it.
    """
    listen = _listener(effect, audio, notes)
    generator = torch.Generator().manual_seed(seed)
    own = effect.normalize().reshape(1, -1)
    drawn = 0.1 + 0.8 * effect.random(max(0, settings - 1), generator).double()
    rows: list[list[tuple[NDArray[np.float64], float]]] = [[] for _ in effect.params]
    renders = 0
    for p in torch.cat([own, drawn]):
        points = _points(effect, p)
        sounds, good = listen(points)
        renders += len(points)
        sound = sounds[0].double()
        for j in range(len(rows)):
            rows[j].append(_slopes(points, sounds, good, p, j, sound))
    params = tuple(
        _judged(name, measured) for name, measured in zip(effect.params, rows, strict=True)
    )
    again, _ = listen(own.expand(2, -1))
    repeats = bool((again[0] == again[1]).all())
    effect.box.steps = {row.name: row.step for row in params}
    picked = None
    if effect.box.audio is not None and effect.box.info.inputs:
        picked = pick_audio(effect)
        effect.box.audio = picked.estimator
    return Calibration(effect.box.source, params, picked, repeats, renders + 2)


def _listener(effect: BlackBox, audio: Tensor | None, notes: Sequence[Note]) -> Listener:
    """What renders a batch of settings (m, p)."""
    if isinstance(effect, Instrument):
        return lambda p: effect.attempt_notes(notes, 1.0, p)
    heard = _sound(effect) if audio is None else audio
    check_audio(heard, effect.name)
    first = heard[:1].detach().cpu().float()
    return lambda p: effect.attempt(first, p)


def _points(effect: BlackBox, p: Tensor) -> Tensor:
    """The setting, then for each parameter and step both sides, (1 + p * steps * 2, p)."""
    space = effect.space(least=0.0)
    rows = [p.numpy()]
    for j in range(len(p)):
        for step in STEPS:
            for side in (1, -1):
                moved = p.numpy().copy()
                moved[j] += side * max(step, space.grid[j])
                rows.append(space.reach(moved[None])[0])
    return torch.from_numpy(np.stack(rows))


def _slopes(
    points: Tensor, sounds: Tensor, good: NDArray[np.bool_], p: Tensor, j: int, sound: Tensor
) -> tuple[NDArray[np.float64], float]:
    """Cosines between slopes at neighbouring steps, NaN where there are none; and the change."""
    slopes = []
    for k in range(len(STEPS)):
        up = 1 + (j * len(STEPS) + k) * 2
        way = float(points[up, j] - points[up + 1, j])
        if not (good[up] and good[up + 1]) or way == 0:
            slopes.append(torch.zeros_like(sound))
        else:
            slopes.append((sounds[up].double() - sounds[up + 1].double()) / way)
    cosines = []
    for a, b in pairwise(slopes):
        size = float(a.norm() * b.norm())
        cosines.append(float((a * b).sum()) / size if size > 0 else float("nan"))
    change = 0.01 * float(slopes[2].norm()) / (float(sound.norm()) + 1e-12)
    return np.array(cosines), change


def _judged(name: str, measured: list[tuple[NDArray[np.float64], float]]) -> ParamCalibration:
    """The step and kind of one parameter from what was seen in all settings."""
    cosines = np.stack([row for row, _ in measured])
    change = max(change for _, change in measured)
    seen = ~np.isnan(cosines).all(0)
    means = np.full(len(STEPS) - 1, np.nan)
    means[seen] = np.nanmean(cosines[:, seen], axis=0)
    agreements = tuple(float(value) for value in means)
    if change < 1e-7 or not seen.any():
        return ParamCalibration(name, 0.01, 0.0, agreements, "none", change)
    usable = np.where(np.isnan(means), -1.0, means)
    # The size in the middle of the range is tried first: small ones drown in the plug-in's own
    # rounding, large ones in its curvature.
    order = (1, 0, 2)
    chosen = next((k for k in order if usable[k] >= AGREED), int(usable.argmax()))
    agreement = float(usable[chosen])
    if agreement < SOME:
        return ParamCalibration(name, LOSS_STEP, agreement, agreements, "loss", change)
    return ParamCalibration(name, STEPS[chosen + 1], agreement, agreements, "waveform", change)


def _sound(effect: BlackBox) -> Tensor:
    """A second of noise and three tones that swell, at -20 dBFS or so, (1, c, t)."""
    rate = effect.sample_rate
    seconds = torch.arange(rate, dtype=torch.float64) / rate
    generator = torch.Generator().manual_seed(0)
    channels = max(1, min(effect.box.info.inputs, effect.box.info.outputs))
    noise = 0.1 * torch.randn(channels, rate, generator=generator, dtype=torch.float64)
    tones = [torch.sin(2 * torch.pi * hz * seconds) for hz in (110.0, 440.0, 1760.0)]
    swell = 0.2 + 0.8 * torch.sin(3 * torch.pi * seconds).abs()
    return (swell * (noise + 0.05 * torch.stack(tones).sum(0)))[None].float()
