"""The untouched input."""

from __future__ import annotations

from torch import Tensor

from dspcore.style import Controller
from dspcore.style.controller import middle


class Nothing(Controller):
    """Leave the input as it is: what every other has to beat."""

    name = "nothing"

    def params(self, dry: Tensor, reference: Tensor, *, truth: Tensor | None = None) -> Tensor:
        """The middle of every range; `apply` does not use it."""
        return middle(self.effect, len(dry))

    def apply(
        self, dry: Tensor, reference: Tensor, *, truth: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The input, and no settings."""
        return dry, None
