"""A plug-in that is heard block after block: a worker of its own holds it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from dspcore.blackbox.box import Box, Numbers, Sound
from dspcore.blackbox.pool import Pool


@dataclass(frozen=True, eq=False)
class Heard:
    """The state after a first block: what was heard. Only who goes on needs an instance for it."""

    sound: Tensor
    params: dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Place:
    """The state after a later block."""

    session: Session
    blocks: int


class Session:
    """Instances, one for each item of a batch, that have heard what came before.

    Args:
        box: The plug-in.
        sample_rate: In Hz.
        batch: Number of items.
    """

    def __init__(self, box: Box, sample_rate: int, batch: int) -> None:
        self.box, self.sample_rate, self.batch = box, sample_rate, batch
        shared = box.pool
        # An instance that dies takes what it has heard with it: trying again is no use.
        self.pool = Pool(1, deadline_s=shared.deadline_s, load_s=shared.load_s, retries=0)
        self.blocks = 0

    def begin(self, sound: Sound, values: Numbers) -> Place:
        """Hear the first block once more."""
        return self.go_on(Place(self, 0), sound, values)[1]

    def go_on(self, place: Place, sound: Sound, values: Numbers) -> tuple[Sound, Place]:
        """The next block, (b, inputs, t) with values (b, all, n), to (b, outputs, t)."""
        if place.blocks != self.blocks:
            raise RuntimeError(
                f"{self.box.source}: a plug-in cannot go back to an earlier state of its stream"
            )
        jobs = [
            replace(
                self.box.job(self.sample_rate, part, v[:, 0] if v.shape[1] == 1 else v),
                mode="persistent",
                slot=slot,
            )
            for slot, (part, v) in enumerate(zip(sound, values, strict=True))
        ]
        made = self.box.sounds(jobs, self.pool)
        self.blocks += 1
        return made, Place(self, self.blocks)
