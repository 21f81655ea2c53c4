"""A plug-in ready to be evaluated: settings in, sounds out, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.estimators import AudioEstimator, Estimator
from dspcore.blackbox.failure import PluginError
from dspcore.blackbox.job import Job, Mode, Plugin, Rendered
from dspcore.blackbox.plugin import PluginInfo
from dspcore.blackbox.pool import Pool
from dspcore.notes import Note

Failures = Literal["raise", "skip"]
Sound = NDArray[np.float32]
Numbers = NDArray[np.float64]


@dataclass(eq=False)
class Box:
    """How a plug-in is evaluated; one for each `load`, shared by copies of its effect.

    Args:
        source: What presets write.
        info: What its host says of it.
        pool: The workers.
        estimator: Of the parameters' gradient.
        audio: Estimator of the audio's gradient, "auto" until one was picked, or None for none.
        mode: What a state an evaluation starts from.
        block: Samples that the plug-in gets at a time.
        seed: Of the plug-in's own random numbers.
        failures: "skip": where the plug-in fails it is silent and has no gradient; "raise": an
            evaluation with the settings that were asked for raises, one beside them has no part in
            the estimate.
        cached: Whether evaluations without a gradient are looked up.
        picks: Whether `calibrate` may put another estimator there.
        steps: How far to step in [0, 1], by parameter; `default_step` for the others.
    """

    source: str
    info: PluginInfo
    pool: Pool
    estimator: Estimator
    audio: AudioEstimator | Literal["auto"] | None = "auto"
    mode: Mode = "fresh"
    block: int = 512
    seed: int = 0
    failures: Failures = "raise"
    cached: bool = True
    picks: bool = False
    default_step: float = 0.01
    steps: dict[str, float] = field(default_factory=dict)

    def plugin(self, sample_rate: int) -> Plugin:
        """What the workers open."""
        return Plugin(self.info.host, self.info.identity, sample_rate, self.block)

    def job(
        self,
        sample_rate: int,
        audio: Sound,
        values: Numbers,
        notes: Sequence[Note] = (),
        *,
        cached: bool = False,
    ) -> Job:
        """One evaluation: audio (inputs, t), values (p,) or (p, n)."""
        return Job(
            self.plugin(sample_rate),
            self.info,
            audio,
            values,
            tuple(notes),
            self.mode,
            self.seed,
            cached=cached and self.cached,
        )

    def sounds(self, jobs: Sequence[Job], pool: Pool | None = None) -> Sound:
        """What came of jobs with the settings that were asked for, (n, outputs, t)."""
        out = np.zeros((len(jobs), self.info.outputs, jobs[0].audio.shape[1]), dtype=np.float32)

        def keep(index: int, result: Rendered | PluginError) -> None:
            if isinstance(result, Rendered):
                out[index] = result.audio
            elif self.failures == "raise":
                raise result

        (pool or self.pool).run(jobs, keep)
        return out

    def tried(self, jobs: Sequence[Job]) -> tuple[Sound, NDArray[np.bool_]]:
        """As `sounds`, silent where the plug-in failed; and where it did not, (n,)."""
        out = np.zeros((len(jobs), self.info.outputs, jobs[0].audio.shape[1]), dtype=np.float32)
        good = np.zeros(len(jobs), dtype=bool)

        def take(index: int, sound: Sound) -> None:
            out[index], good[index] = sound, True

        self.beside(jobs, take)
        return out, good

    def beside(self, jobs: Sequence[Job], done: Callable[[int, Sound], None]) -> None:
        """Hand on what came of jobs near by; of those that failed nothing."""

        def keep(index: int, result: Rendered | PluginError) -> None:
            if isinstance(result, Rendered):
                done(index, result.audio)

        self.pool.run(jobs, keep)
