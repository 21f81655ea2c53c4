"""Clips of one length for training: short sounds are padded and say how long they are."""

from __future__ import annotations

from typing import Literal, TypedDict

import torch
from torch import Tensor
from torch.utils.data import Dataset

from dspcore.data.shards import Shards


class Clip(TypedDict):
    """An item; the default collation of a `DataLoader` makes batches of it."""

    audio: Tensor  # (c, t), zeros after `length`
    length: int  # samples that are sound
    index: int  # of the clip in the shards


class Clips(Dataset[Clip]):
    """Every clip of some shards, `samples` long, none ever dropped.

    A shorter clip is padded with zeros at its end. A longer one is cut: from its onset, the sample
    where it first comes within 30 dB of its peak, or from a place drawn anew for each epoch.

    Args:
        shards: Where they come from.
        samples: Length of every item.
        start: "onset", "begin", or "random".
        seed: Of "random": the place depends on seed, epoch and index alone.
        indices: Clips to use, by number; all by default.
    """

    def __init__(
        self,
        shards: Shards,
        samples: int,
        *,
        start: Literal["onset", "begin", "random"] = "onset",
        seed: int = 0,
        indices: list[int] | None = None,
    ) -> None:
        if samples < 1:
            raise ValueError(f"clips: samples must be at least 1, got {samples}")
        if start not in ("onset", "begin", "random"):
            raise ValueError(f"clips: start must be onset, begin or random, got {start!r}")
        self.shards, self.samples, self.start, self.seed = shards, samples, start, seed
        self.indices = list(range(len(shards))) if indices is None else list(indices)
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, item: int) -> Clip:
        index = self.indices[item]
        sound = self.shards.audio(index)
        spare = sound.shape[1] - self.samples
        begin = 0
        if spare > 0 and self.start == "onset":
            begin = min(round(self.shards.row(index).onset_s * self.shards.sample_rate), spare)
        elif spare > 0 and self.start == "random":
            draw = torch.Generator().manual_seed(hash((self.seed, self.epoch, index)) & (2**63 - 1))
            begin = int(torch.randint(spare + 1, (), generator=draw))
        sound = sound[:, begin : begin + self.samples]
        length = sound.shape[1]
        if length < self.samples:
            sound = torch.nn.functional.pad(sound, (0, self.samples - length))
        return {"audio": sound, "length": length, "index": index}
