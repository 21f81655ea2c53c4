"""The truth."""

from __future__ import annotations

from torch import Tensor

from dspcore.errors import UserError
from dspcore.style import Controller


class Oracle(Controller):
    """Know the settings of the reference: what can be achieved at all."""

    name = "oracle"

    def params(self, dry: Tensor, reference: Tensor, *, truth: Tensor | None = None) -> Tensor:
        """The truth."""
        if truth is None:
            raise UserError(
                "oracle: the settings of the reference are not known; it is a yardstick"
            )
        return truth.double()
