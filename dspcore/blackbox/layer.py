"""The step between autograd and a plug-in: values forward, estimates backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dspcore.blackbox.box import Box, Numbers, Sound
from dspcore.blackbox.estimators import AudioEstimator, Space
from dspcore.notes import Note

#: From settings in [0, 1], (p, n), to what the plug-in gets, (all, n).
ToPlugin = Callable[[Numbers], Numbers]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What stays the same between the forward and the backward pass.

    Args:
        box: The plug-in.
        sample_rate: In Hz.
        values: What the plug-in gets, (b, all, n): exactly, without the way through [0, 1].
        to_plugin: The same for other settings.
        space: Steps and grid of every parameter, (p,).
        notes: For each item.
        pick: Picks an audio estimator where the box has "auto".
    """

    box: Box
    sample_rate: int
    values: Numbers
    to_plugin: ToPlugin
    space: Space
    notes: Sequence[Sequence[Note]]
    pick: Callable[[], AudioEstimator]


def render(audio: Tensor, unit: Tensor, evaluation: Evaluation) -> Tensor:
    """What the plug-in makes of `audio` (b, inputs, t) at settings `unit` (b, p, n) in [0, 1].

    The gradients of both are estimates; the directions come from torch's random numbers, so that
    `torch.manual_seed` repeats them.
    """
    if torch.is_grad_enabled() and (audio.requires_grad or unit.requires_grad):
        seed = int(torch.randint(2**62, ()))
        sound: Tensor = _Render.apply(audio, unit, evaluation, seed)  # type: ignore[no-untyped-call]
        return sound
    return torch.from_numpy(_forward(audio, evaluation, cached=True))


def _forward(audio: Tensor, evaluation: Evaluation, *, cached: bool) -> Sound:
    sounds = audio.detach().numpy()
    jobs = [
        evaluation.box.job(evaluation.sample_rate, sound, _constant(values), notes, cached=cached)
        for sound, values, notes in zip(sounds, evaluation.values, evaluation.notes, strict=True)
    ]
    return evaluation.box.sounds(jobs)


def _constant(values: Numbers) -> Numbers:
    """(p, 1) as (p,)."""
    return values[:, 0] if values.shape[1] == 1 else values


class _Render(torch.autograd.Function):
    """Forward: one evaluation for each item. Backward: those that the estimators ask for."""

    @staticmethod
    def forward(ctx: Any, audio: Tensor, unit: Tensor, evaluation: Evaluation, seed: int) -> Tensor:
        sound = torch.from_numpy(_forward(audio, evaluation, cached=False))
        ctx.save_for_backward(audio, unit, sound)
        ctx.evaluation, ctx.seed = evaluation, seed
        return sound

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        audio, unit, sound = (tensor.detach() for tensor in ctx.saved_tensors)
        audio_asked, unit_asked = ctx.needs_input_grad[:2]
        backward = _Backward(ctx.evaluation, audio.numpy(), unit.numpy(), sound.numpy())
        backward.ask(slope.double().numpy(), ctx.seed, audio=audio_asked, unit=unit_asked)
        backward.run()
        audio_slope = torch.from_numpy(backward.of_audio()).to(audio) if audio_asked else None
        unit_slope = torch.from_numpy(backward.of_unit()).to(unit) if unit_asked else None
        return audio_slope, unit_slope, None, None


class _Backward:
    """All evaluations of a backward pass go to the pool at once."""

    def __init__(self, evaluation: Evaluation, audio: Sound, unit: Numbers, sound: Sound) -> None:
        self.evaluation, self.audio, self.unit, self.sound = evaluation, audio, unit, sound
        space, moving = evaluation.space, unit.shape[2]
        self.space = Space(np.repeat(space.steps, moving), np.repeat(space.grid, moving))
        self.jobs: list[Any] = []
        self.takers: list[Callable[[Sound], None]] = []
        self.points: list[Numbers] = []
        self.products: list[Numbers] = []
        self.probes: list[NDArray[np.float64]] = []
        self.outputs: list[NDArray[np.float64]] = []
        self.listener: AudioEstimator | None = None

    def ask(self, slope: NDArray[np.float64], seed: int, *, audio: bool, unit: bool) -> None:
        """Collect what has to be evaluated."""
        self.slope = slope
        box = self.evaluation.box
        for i in range(len(self.audio)):
            rng = np.random.default_rng([seed, i])
            if unit:
                self._ask_unit(i, rng)
            if audio and box.audio is not None:
                self.listener = self.listener or self.evaluation.pick()
                self._ask_audio(i, rng, self.listener)

    def _ask_unit(self, i: int, rng: np.random.Generator) -> None:
        p = self.unit[i].ravel().astype(np.float64)
        estimator = self.evaluation.box.estimator
        points = estimator.points(p, self.space, rng) if p.size else np.zeros((0, 0))
        products = np.full(len(points), np.nan)
        for k, point in enumerate(points):

            def take(sound: Sound, k: int = k) -> None:
                products[k] = np.vdot(self.slope[i], sound - self.sound[i])

            values = self.evaluation.to_plugin(point.reshape(self.unit.shape[1:]))
            self._add(i, self.audio[i], values, take)
        self.points.append(points)
        self.products.append(products)

    def _ask_audio(self, i: int, rng: np.random.Generator, listener: AudioEstimator) -> None:
        probes = listener.probes(self.audio[i].astype(np.float64), rng).astype(np.float32)
        outputs = np.full((len(probes), *self.sound.shape[1:]), np.nan)
        for k, probe in enumerate(probes):

            def take(sound: Sound, k: int = k) -> None:
                outputs[k] = sound

            self._add(i, probe, self.evaluation.values[i], take)
        self.probes.append(probes.astype(np.float64))
        self.outputs.append(outputs)

    def _add(self, i: int, audio: Sound, values: Numbers, take: Callable[[Sound], None]) -> None:
        evaluation = self.evaluation
        notes = evaluation.notes[i]
        self.jobs.append(
            evaluation.box.job(evaluation.sample_rate, audio, _constant(values), notes)
        )
        self.takers.append(take)

    def run(self) -> None:
        """Evaluate everything."""
        self.evaluation.box.beside(self.jobs, lambda index, sound: self.takers[index](sound))

    def of_unit(self) -> Numbers:
        """The gradient of the settings, (b, p, n)."""
        estimator = self.evaluation.box.estimator
        found = [
            estimator.gradient(p.ravel().astype(np.float64), points, products, 0.0, self.space)
            for p, points, products in zip(self.unit, self.points, self.products, strict=True)
        ]
        return np.stack(found).reshape(self.unit.shape)

    def of_audio(self) -> NDArray[np.float64]:
        """The gradient of the audio, (b, inputs, t)."""
        if self.listener is None:
            return np.zeros(self.audio.shape)
        found = [
            self.listener.gradient(audio.astype(np.float64), probes, outputs, slope)
            for audio, probes, outputs, slope in zip(
                self.audio, self.probes, self.outputs, self.slope, strict=True
            )
        ]
        return np.stack(found)
