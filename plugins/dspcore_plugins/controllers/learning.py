"""What controllers with a head share: features heard once, one run of `dspcore.train`, the best."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from dspcore import train
from dspcore.errors import UserError
from dspcore.style import Budget, Controller, Encoder, Head, PairSource, heard
from dspcore.style.pairs import Pairs, batches
from dspcore.style.rendering import AnyEffect

#: Of a batch (rows of the training pairs): the loss of each item, (b,).
Loss = Callable[[Head, "Heard", Tensor, int], Tensor]


class Heard:
    """Pairs with what the encoder gives for them.

    Args:
        controller: With its encoder.
        source: Of the pairs.
    """

    def __init__(self, controller: Controller, source: PairSource) -> None:
        if controller.encoder is None:
            raise UserError(f"{controller.name}: hears through an encoder; give one to prepare()")
        self.source = source
        self.pairs: Pairs = source.all()
        self.dry, self.reference = source.heard(controller.encoder)

    def settings(self, head: Head, rows: Tensor | slice = slice(None)) -> Tensor:
        """What a head says of some of them, (b, num_params), float64."""
        return head(self.dry[rows], self.reference[rows]).double()


class HeadController(Controller):
    """Base of controllers with a `Head`.

    Args:
        pairing: How the two sounds' features meet: concat, diff, concat+diff, film, vae.
        hidden: Width of the first layer; the second has half of it.
        lr: Learning rate at first.
        batch: Pairs in a step.
    """

    learns = True
    listens = True

    def __init__(
        self,
        pairing: str = "concat+diff",
        hidden: int = 128,
        lr: float = 2e-3,
        batch: int = 32,
    ) -> None:
        self.pairing, self.hidden, self.lr, self.batch = pairing, hidden, lr, batch
        self.head: Head | None = None

    def prepare(
        self,
        effect: AnyEffect,
        training: PairSource | None = None,
        validation: PairSource | None = None,
        *,
        encoder: Encoder | None = None,
        budget: Budget | None = None,
    ) -> Self:
        """Learn from pairs; without any, wait for a head that was kept."""
        super().prepare(effect, training, validation, encoder=encoder, budget=budget)
        self.accept(effect)
        if training is None and validation is None:
            return self
        if training is None or validation is None:
            raise UserError(f"{self.name}: learns from pairs; give training and validation ones")
        self.learn(Heard(self, training), Heard(self, validation))
        return self

    def accept(self, effect: AnyEffect) -> None:
        """Raise where the controller cannot work with the effect."""

    @abstractmethod
    def learn(self, known: Heard, asked: Heard) -> None:
        """Set `head` from training pairs, judged by validation pairs."""

    def params(self, dry: Tensor, reference: Tensor, *, truth: Tensor | None = None) -> Tensor:
        """What the head says."""
        if self.head is None:
            raise UserError(f"{self.name}: has not learnt yet; prepare() it with training pairs")
        features = heard(self.encoder, dry, reference)
        self.head.eval()
        with torch.no_grad():
            return self.head(*features).double()

    def module(self) -> nn.Module | None:
        """The head."""
        return self.head

    def kept(self) -> dict[str, Any]:
        """How the head was built."""
        assert self.head is not None
        return {"dims": self.head.dims, "pairing": self.pairing, "hidden": self.hidden}

    def restore(self, effect: AnyEffect, encoder: Encoder | None, facts: dict[str, Any]) -> None:
        """A head of that build."""
        self.pairing, self.hidden = facts["pairing"], facts["hidden"]
        sizes = (self.hidden, self.hidden // 2)
        latent = None if encoder is None else encoder.pair_encoder
        self.head = Head(facts["dims"], effect.num_params, self.pairing, sizes, pair_encoder=latent)

    def begin(self, training: Heard) -> Head:
        """A new head that knows the spread of the training features."""
        torch.manual_seed(self.budget.seed)
        facts = {"dims": training.dry.shape[1], "pairing": self.pairing, "hidden": self.hidden}
        self.restore(self.effect, self.encoder, facts)
        assert self.head is not None
        self.head.standardise(training.dry, training.reference)
        return self.head

    def descend(
        self,
        head: Head,
        training: Heard,
        loss: Loss,
        validate: Callable[[Head], float],
        *,
        steps: int,
        lr: float,
        batch: int,
        part: str,
    ) -> None:
        """A run of `dspcore.train`; the weights that validate best are kept.

        Args:
            head: Moved.
            training: Pairs.
            loss: Of a batch.
            validate: Less is better.
            steps: At most.
            lr: At first; it falls to a hundredth along a cosine.
            batch: Pairs in a step.
            part: Folder of the run within the budget's, when there is one.
        """
        count, budget = len(training.pairs), self.budget
        size = min(batch, count)
        whole = max(1, count // size)

        def rows(step: int) -> Tensor:
            order = batches(count, size, budget.seed + step // whole)
            return torch.tensor(order[step % whole])

        keep = nullcontext(str(Path(budget.folder) / part)) if budget.folder else _temporary()
        with keep as folder:
            config = train.FitConfig(
                folder=folder,
                resume=True,
                steps=steps,
                seed=budget.seed,
                optimizer=train.OptimizerConfig(
                    "adamw",
                    lr,
                    options={"weight_decay": 1e-2},
                    schedule=train.Schedule([(0, 1.0), (steps, 0.01)], "cosine"),
                    clip_norm=5.0,
                ),
                log_every=max(1, steps // 20),
                validate_every=max(1, steps // 20),
                patience=budget.patience,
                trackers=[],
                progress=budget.progress,
                accelerator="cpu",
            )
            train.fit(
                head,
                lambda module, chosen, step: loss(module, training, chosen, step).mean(),
                rows,
                config,
                validate=lambda module, step: validate(module),
            )
            train.load_weights(head, folder)
        head.eval()


def _temporary() -> Any:
    return tempfile.TemporaryDirectory(prefix="dspcore-style-")
