"""Labels first, then the sound itself."""

from __future__ import annotations

from dspcore.style.metrics import Level
from dspcore_plugins.controllers.learning import Heard
from dspcore_plugins.controllers.regress import taught_by_labels
from dspcore_plugins.controllers.spsa import Spsa, best_for_all


class RegressSpsa(Spsa):
    """Begin with `regress` or one setting for all, go on with `spsa`; keep what validates best.

    Args:
        pairing: As of `regress`.
        hidden: As of `regress`.
        lr: Learning rate of the second part.
        batch: Pairs in a step of it.
        draws: As of `spsa`.
        step: As of `spsa`.
        steps: Of the second part.
        level: As of `spsa`.
    """

    name = "regress+spsa"

    def __init__(
        self,
        pairing: str = "concat+diff",
        hidden: int = 128,
        lr: float = 3e-4,
        batch: int = 8,
        draws: int = 1,
        step: float = 0.03,
        steps: int = 60,
        level: Level = "rms",
    ) -> None:
        super().__init__(pairing, hidden, lr, batch, draws, step, steps, level)

    def learn(self, known: Heard, asked: Heard) -> None:
        """One after the other."""
        taught, fixed = taught_by_labels(self, known, asked), self.begin(known)
        fixed.start_at(best_for_all(self, known.source))
        # Where settings cannot be told, saying them wrong is worse than saying the same to all.
        heads = sorted((taught, fixed), key=lambda head: self.left(head.eval(), asked))
        self.head = heads[0]
        self.tune(self.head, known, asked)
