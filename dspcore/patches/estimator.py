"""What an estimator is: something that hears a sound and says how a synth may have made it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from dspcore import registry
from dspcore.errors import UserError, nearest
from dspcore.patches.frontend import LogMel
from dspcore.patches.hearing import log_mel
from dspcore.patches.posterior import Layout, Posterior

#: The kind in `dspcore.registry`, and the entry-point group "dspcore.estimators".
KIND = "estimators"


@dataclass(frozen=True)
class Examples:
    """Patches and what they sound like.

    Attributes:
        u: Encoded settings, (n, p), float32 in [0, 1].
        mel: What the frontend makes of the renders, (n, bands, frames), in dB; float16 will do.
        layout: Of the parameters.
        frontend: That made `mel`.
        active: Where each parameter's gate is open, (n, p) bool; None when there are no gates.
    """

    u: Tensor
    mel: Tensor
    layout: Layout
    frontend: LogMel
    active: Tensor | None = None

    def __len__(self) -> int:
        """How many."""
        return len(self.u)

    def rows(self, which: Tensor | slice) -> Examples:
        """Some of them."""
        active = None if self.active is None else self.active[which]
        return Examples(self.u[which], self.mel[which], self.layout, self.frontend, active)


@dataclass(frozen=True)
class Budget:
    """How much an estimator may work while it learns.

    Attributes:
        steps: Of gradient descent.
        minutes: Stop earlier than that after so long; the schedule of rates is cut off then.
        seed: Of all that is drawn.
        folder: Of the training run, which goes on from there when it was killed; None writes none.
        progress: Show a progress bar.
        threads: Of torch, while learning.
    """

    steps: int = 1200
    minutes: float | None = None
    seed: int = 0
    folder: str | Path | None = None
    progress: bool = False
    threads: int = 1


class Estimator:
    """Base: a subclass writes `believe`, and `learn` and `module` where it learns by gradient.

    The first line of its docstring is what listings show. Its constructor takes options by name,
    and keeps each as an attribute of that name: a checkpoint says them.
    """

    name: ClassVar[str] = "estimator"

    layout: Layout
    frontend: LogMel
    shape: tuple[int, int]
    budget: Budget = Budget()
    #: What the collapse alarm said after training, if anything.
    warnings: tuple[str, ...] = ()

    # What a subclass writes.

    def build(self) -> None:
        """Make what has weights, for `layout` and the (bands, frames) of `shape`."""

    def learn(self, training: Examples, validation: Examples) -> None:
        """Get to know the training set; after `build`."""

    def believe(self, mel: Tensor) -> Posterior:
        """Posterior of spectra (b, bands, frames)."""
        raise NotImplementedError(f"{self.name}: an estimator must define believe()")

    def foresee(self, u: Tensor) -> Tensor | None:
        """What it thinks that settings (n, p) sound like, (n, bands, frames); None if it cannot."""
        return None

    def remembered(self, mel: Tensor, count: int) -> Tensor | None:
        """Settings (count, p) of known clips near one spectrum; None if it keeps no clips."""
        return None

    def module(self) -> nn.Module | None:
        """What it has learnt, to be kept on the disk."""
        return None

    def kept(self) -> dict[str, Any]:
        """Facts that `build` needs beside the options, as JSON has them; attributes by name."""
        return {}

    # What everyone uses.

    def fit(self, training: Examples, validation: Examples, budget: Budget | None = None) -> Self:
        """Learn from examples.

        Args:
            training: To learn from.
            validation: Held out: for the choice of weights, widths, and the collapse alarm.
            budget: How much it may work.
        """
        if not len(training) or not len(validation):
            raise UserError(
                f"{self.name}: wanted examples to learn from and others to validate, got "
                f"{len(training)} and {len(validation)}"
            )
        self.budget = budget or Budget()
        self.layout, self.frontend = training.layout, training.frontend
        self.shape = (training.mel.shape[1], training.mel.shape[2])
        torch.manual_seed(self.budget.seed)
        before = torch.get_num_threads()
        torch.set_num_threads(self.budget.threads)
        try:
            self.learn(training, validation)
        finally:
            torch.set_num_threads(before)
        return self

    def posterior(self, audio: Tensor) -> Posterior:
        """What it believes of sounds (b, 1, t) at the frontend's sample rate.

        Raises:
            UserError: A sound is silent or not finite, or it has not learnt yet.
        """
        self.check_fitted()
        for i, sound in enumerate(audio):
            check_target(sound, f"{self.name}: sound {i}" if len(audio) > 1 else self.name)
        with torch.no_grad():
            return self.believe(self.hear(audio))

    def hear(self, audio: Tensor) -> Tensor:
        """Spectra (b, bands, frames) of sounds (b, 1, t), at the length that was learnt from."""
        wanted = (self.shape[1] - 1) * self.frontend.hop + self.frontend.size
        sound = audio.mean(1)[:, :wanted]
        sound = nn.functional.pad(sound, (0, wanted - sound.shape[1]))
        return log_mel(self.frontend, sound.float())

    def check_fitted(self) -> None:
        """Raise unless it has learnt."""
        if not hasattr(self, "layout"):
            raise UserError(f"{self.name}: has not learnt yet; fit() it, or load a checkpoint")

    def options(self) -> dict[str, Any]:
        """The constructor's options as they are."""
        return {o: getattr(self, o) for o in inspect.signature(type(self)).parameters}

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]


def check_target(sound: Tensor, who: str) -> list[str]:
    """What is odd about a target (c, t), as sentences.

    Raises:
        UserError: It is silent, empty or not finite.
    """
    if not sound.numel() or not bool(sound.isfinite().all()):
        what = "NaN or infinite samples" if sound.numel() else "no samples"
        raise UserError(f"{who}: the target has {what}; give another recording")
    peak = float(sound.abs().max())
    if peak < 1e-5:
        raise UserError(f"{who}: the target is silent (peak {peak:.1e}), there is nothing to match")
    top = (sound.abs() >= 0.999 * peak) & (sound.abs() > 0.5)
    runs = (top[:, 2:] & top[:, 1:-1] & top[:, :-2]).float().sum()
    if peak >= 0.5 and float(runs) >= 8:
        return [
            f"the target is clipped ({int(runs)} runs of equal samples at its peak): the match "
            "will have drive or harmonics that the source has not"
        ]
    return []


def make_estimator(name: str, **options: Any) -> Estimator:
    """An estimator by the name it is registered under, with options of its own.

    Raises:
        UserError: There is none of that name, it cannot be imported, or has no such option.
    """
    kind: Callable[..., Estimator] = registry.get(KIND, name)
    known = list(inspect.signature(kind).parameters)
    for option in options:
        if option not in known:
            raise UserError(
                f"the estimator {name!r} has no option {option!r}; {nearest(option, known)}"
            )
    return kind(**options)
