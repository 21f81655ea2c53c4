"""Which way to the audio's gradient suits a plug-in, by what it predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dspcore.blackbox.estimators import AudioEstimator, LinearAudio, LocalAudio
from dspcore.blackbox.estimators.space import Array

if TYPE_CHECKING:
    from dspcore.blackbox.effect import BlackBox

_SECONDS = 0.25
_DIRECTIONS = 8
_STEP = 2e-3


@dataclass(frozen=True)
class Picked:
    """The estimator, and the relative error of each one's gradient, as far as it shows."""

    estimator: AudioEstimator
    errors: dict[str, float]


def candidates() -> dict[str, AudioEstimator]:
    """What is tried, the cheapest first."""
    return {
        "linear": LinearAudio(),
        "local filter": LocalAudio(levels=1, length=512),
        "local": LocalAudio(),
    }


def pick_audio(effect: BlackBox) -> Picked:
    """Try the estimators on noise that swells, at the effect's own settings and two others.

    (A distortion whose drive is at zero is linear there, and only there.) Their gradients of
    ``<s, y>``, for a random s, are compared with differences along directions that they have not
    seen: over white directions, the mean square error of the predicted products, over that of the
    products, is the squared relative error of the gradient.
    """
    generator = torch.Generator().manual_seed(1)
    others = 0.1 + 0.8 * effect.random(2, generator).double()
    settings = torch.cat([effect.normalize().reshape(1, -1), others])
    rng = np.random.default_rng(0)
    tried = candidates()
    squares: dict[str, list[float]] = {name: [] for name in tried}
    for p in settings:
        for name, error in _errors(effect, p, tried, rng).items():
            squares[name].append(min(error, 4.0) ** 2)
    errors = {name: float(np.sqrt(np.mean(each))) for name, each in squares.items()}
    least = min(errors.values())
    name = next(n for n in tried if errors[n] <= 1.1 * least + 0.01)
    return Picked(tried[name], errors)


def _errors(
    effect: BlackBox, p: Tensor, tried: dict[str, AudioEstimator], rng: np.random.Generator
) -> dict[str, float]:
    """The relative error of each estimator at one setting (p,)."""
    box, rate = effect.box, effect.sample_rate
    swell = 0.3 * np.abs(np.sin(np.linspace(0, 3 * np.pi, int(_SECONDS * rate))))
    audio = swell * rng.standard_normal((box.info.inputs, len(swell)))
    slope = rng.standard_normal((box.info.outputs, audio.shape[1]))
    values = effect.plugin_values(p)

    def rendered(sounds: Array) -> Array:
        jobs = [box.job(rate, sound.astype(np.float32), values) for sound in sounds]
        made, good = box.tried(jobs)
        return np.where(good[:, None, None], made, np.nan)

    signs = rng.choice([-1.0, 1.0], (_DIRECTIONS, *audio.shape))
    heard = rendered(np.concatenate([audio + _STEP * signs, audio - _STEP * signs]))
    rises = np.einsum("moc,oc->m", heard[:_DIRECTIONS] - heard[_DIRECTIONS:], slope) / (2 * _STEP)
    good = np.isfinite(rises)
    power = np.square(rises[good]).sum() + 1e-30
    errors = {}
    for name, estimator in tried.items():
        probes = estimator.probes(audio, rng).astype(np.float32).astype(np.float64)
        gradient = estimator.gradient(audio, probes, rendered(probes), slope)
        said = np.einsum("mct,ct->m", signs, gradient)
        errors[name] = float(np.sqrt(np.square((said - rises)[good]).sum() / power))
    return errors
