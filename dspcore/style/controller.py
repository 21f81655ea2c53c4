"""What a controller is: something that sees two sounds and says how to set an effect."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from dspcore import registry
from dspcore.errors import UserError, nearest
from dspcore.style.encoders import Encoder
from dspcore.style.pairs import PairSource
from dspcore.style.rendering import AnyEffect, render

#: The kind in `dspcore.registry`, and the entry-point group "dspcore.controllers".
KIND = "controllers"


@dataclass(frozen=True)
class Budget:
    """How much work a controller may make.

    Attributes:
        steps: Of gradient descent, while it is prepared.
        renders: Of the effect for one pair of sounds, while it is asked.
        patience: Validations without a better value before preparing ends; 0 never ends it.
        seed: Of all that is drawn.
        folder: Of the training run, which a run that was killed goes on from; None writes nothing.
        progress: Show a progress bar.
    """

    steps: int = 1500
    renders: int = 300
    patience: int = 12
    seed: int = 0
    folder: str | os.PathLike[str] | None = None
    progress: bool = False


class Controller:
    """Base of all: a subclass writes `params`, and `prepare` where it learns.

    The first line of its docstring is what listings show. Its constructor takes options by name.
    """

    #: As the registry has it.
    name: ClassVar[str] = "controller"
    #: Whether it learns from pairs before it can be asked.
    learns: ClassVar[bool] = False
    #: Whether it hears through an encoder.
    listens: ClassVar[bool] = False

    effect: AnyEffect
    encoder: Encoder | None = None
    budget: Budget = Budget()
    #: How long the sounds were that it learnt from, in seconds.
    seconds: float = 1.35

    # What a subclass writes.

    def prepare(
        self,
        effect: AnyEffect,
        training: PairSource | None = None,
        validation: PairSource | None = None,
        *,
        encoder: Encoder | None = None,
        budget: Budget | None = None,
    ) -> Self:
        """Get to know the effect; learn from pairs.

        Args:
            effect: What it is to set.
            training: Pairs to learn from, where it `learns`.
            validation: Pairs that say when to stop.
            encoder: What it hears through, frozen, where it `listens`.
            budget: How much it may work.
        """
        self.effect, self.encoder, self.budget = effect, encoder, budget or Budget()
        if encoder is not None and encoder.sample_rate != effect.sample_rate:
            raise UserError(
                f"style: the encoder hears {encoder.sample_rate} Hz, the effect runs at "
                f"{effect.sample_rate} Hz; make both with one sample rate"
            )
        if training is not None:
            self.seconds = training.clips.audio.shape[-1] // 2 / effect.sample_rate
        return self

    def params(self, dry: Tensor, reference: Tensor, *, truth: Tensor | None = None) -> Tensor:
        """Settings in [0, 1], (b, num_params), for which `dry` sounds like `reference`.

        Args:
            dry: (b, c, t).
            reference: (b, c, t'), of another performance perhaps.
            truth: The settings of the reference, where they are known; for yardsticks only.
        """
        raise NotImplementedError(f"{self.name}: a controller must define params()")

    def module(self) -> nn.Module | None:
        """What it has learnt, to be kept on the disk; None where it learns nothing."""
        return None

    def restore(self, effect: AnyEffect, encoder: Encoder | None, facts: dict[str, Any]) -> None:
        """Make `module` as it was before its weights are loaded; `facts` are those of `kept`."""

    def kept(self) -> dict[str, Any]:
        """What `restore` needs beside the weights, as JSON has it."""
        return {}

    # What everyone uses.

    def apply(
        self, dry: Tensor, reference: Tensor, *, truth: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The sound (b, c, t), and the settings it was made with, if any."""
        p = self.params(dry, reference, truth=truth)
        return render(self.effect, dry, p)[0], p

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]


def make_controller(name: str, **options: Any) -> Controller:
    """A controller by the name it is registered under, with options of its own.

    Raises:
        UserError: There is none of that name, it cannot be imported, or has no such option.
    """
    kind = registry.get(KIND, name)
    known = [p for p in inspect.signature(kind).parameters if p not in ("args", "kwargs")]
    for option in options:
        if option not in known:
            raise UserError(
                f"style: the controller {name!r} has no option {option!r}; {nearest(option, known)}"
            )
    made: Controller = kind(**options)
    return made


def heard(encoder: Encoder | None, *sounds: Tensor) -> list[Tensor]:
    """What a controller's encoder gives for each of several batches of sounds.

    Raises:
        UserError: There is no encoder, or a sound is silent.
    """
    if encoder is None:
        raise UserError("style: this controller hears through an encoder; give one to prepare()")
    for sound in sounds:
        if not bool(sound.flatten(1).any(1).all()):
            raise UserError("style: a sound is silent, so there is no style to hear in it")
    return [encoder.embed(sound) for sound in sounds]


def middle(effect: AnyEffect, count: int) -> Tensor:
    """The middle of every range, (count, num_params)."""
    return torch.full((count, effect.num_params), 0.5, dtype=torch.float64)
