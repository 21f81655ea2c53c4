"""A plug-in that plays notes."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dspcore.blackbox.effect import BlackBox
from dspcore.notes import Note, Notes, rows_of
from dspcore.synth.synth import Synth


class Instrument(Synth, BlackBox):
    """A plug-in that plays notes: ``sound = synth(notes, seconds, cutoff=0.3)``, (b, c, t).

    Parameters are given, normalised, moved and trained as an effect's are. The sound has the type
    and the device of the module, as of any instrument; the plug-in itself makes float32.
    """

    def play(self, rows: list[tuple[Note, ...]], samples: int, params: dict[str, Tensor]) -> Tensor:
        """Fresh instances of the plug-in, one for each item."""
        ready = {name: value.cpu() for name, value in params.items()}
        return self._rendered(self._silence(len(rows), samples), ready, rows).to(self._like)

    def attempt_notes(
        self, notes: Notes, seconds: float, p: Tensor
    ) -> tuple[Tensor, NDArray[np.bool_]]:
        """As an effect's `attempt`, for notes."""
        samples, rows = self._sized(rows_of(notes, self.name), seconds, {len(p)})
        columns = {name: value[:, None] for name, value in self.denormalize(p.cpu()).items()}
        silence = self._silence(len(rows), samples)
        parts = zip(silence.numpy(), self._stacked(columns, len(rows)), rows, strict=True)
        jobs = [self.box.job(self.sample_rate, s, v[:, 0], played) for s, v, played in parts]
        made, good = self.box.tried(jobs)
        return torch.from_numpy(made).to(self._like), good

    def stream(self, *arguments: object, **options: object) -> NoReturn:
        """Not for a plug-in: it is played from the beginning."""
        raise TypeError(f"{self.name}: is a plug-in that is played from the beginning: call it")

    def _silence(self, batch: int, samples: int) -> Tensor:
        """The audio that is no input, (b, 0, t): it says the length."""
        return torch.zeros(batch, self.box.info.inputs, samples)
