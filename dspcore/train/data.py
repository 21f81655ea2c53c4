"""Batches by number, so that a run goes on exactly where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch.utils.data import Dataset, default_collate

from dspcore.errors import UserError
from dspcore.train.checkpoint import random_state, set_random_state

#: Batch number n of a run; the same n gives the same batch. Or anything to loop over, again and
#: again, which is then replayed up to its place when a run is resumed.
Data = Callable[[int], Any] | Iterable[Any]


class Shuffled:
    """Batches of a dataset with a length, in a new order every epoch; `Data` for `fit`.

    Args:
        dataset: Items by index.
        batch_size: Items in a batch; of an epoch, those that make no whole batch are left out.
        seed: Of the orders.
        collate: Makes a batch of a list of items; torch's own when left out.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int,
        *,
        seed: int = 0,
        collate: Callable[[list[Any]], Any] = default_collate,
    ) -> None:
        """Counts."""
        self.dataset, self.batch_size, self.seed, self.collate = dataset, batch_size, seed, collate
        self.batches = len(dataset) // batch_size  # type: ignore[arg-type]
        if not self.batches:
            raise UserError(
                f"train: {len(dataset)} items make no batch of {batch_size}; "  # type: ignore[arg-type]
                "give more, or a smaller batch_size"
            )
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def __call__(self, step: int) -> Any:
        """Batch number `step`, counted through the epochs."""
        epoch, place = divmod(step, self.batches)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            count = self.batches * self.batch_size
            order = torch.randperm(len(self.dataset), generator=generator)  # type: ignore[arg-type]
            self._epoch, self._order = epoch, order[:count]
        picks = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        return self.collate([self.dataset[i] for i in picks.tolist()])


class Replayed:
    """Anything to loop over as batches by number; a jump ahead draws and drops what lies between.

    What it draws from torch's random numbers (a `DataLoader` that shuffles) comes again on a
    resume, as the state at the start of the epoch is put back first.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        """Starts before the first."""
        self.items = items
        self.start = random_state()
        self.drawn = 0
        self._left: Iterator[Any] = iter(())

    def __call__(self) -> Any:
        """The next batch; after the last comes the first of a new round."""
        for _ in range(2):
            for item in self._left:
                self.drawn += 1
                return item
            self._begin()
        raise UserError("train: the data has no batches")

    def _begin(self) -> None:
        self.start, self.drawn = random_state(), 0
        self._left = iter(self.items)

    def resume(self, start: tuple[Any, Any], drawn: int) -> None:
        """Go to the place after `drawn` batches of a round that began with that random state."""
        if not drawn:
            return
        now = random_state()
        set_random_state(*start)
        self._begin()
        for _ in range(drawn):
            self()
        set_random_state(*now)
