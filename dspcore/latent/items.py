"""The sounds of a run: a manifest, shards, or a folder; padded clips with their lengths."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dspcore import data
from dspcore.errors import UserError
from dspcore.latent.augment import AugmentConfig, augmented
from dspcore.train import Shuffled


@dataclass
class DataConfig:
    """What a run learns from.

    Attributes:
        source: A manifest (.jsonl), a folder of shards, or a folder of recordings.
        split: A split that ``dspcore data split`` wrote; one is dealt by group when left out.
        valid: Share of the files that validate, where no split is given.
        seconds: Length of a clip; shorter sounds are padded, longer ones cut.
        start: Where a longer sound is cut: onset, begin, random.
        batch_size: Clips of a step.
        most_valid: Clips that validate, at most.
        seed: Of the order, the split, the cuts and what is done to clips.
        augment: What is done to clips that are learnt from.
    """

    source: str = ""
    split: str | None = None
    valid: float = 0.1
    seconds: float = 1.0
    start: str = "onset"
    batch_size: int = 8
    most_valid: int = 64
    seed: int = 0
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass
class LatentData:
    """Clips on both sides.

    Attributes:
        shards: Where they come from; ``shards.row(index)`` says what a clip is.
        training: Clips to learn from.
        validation: Clips that validate, from their onset or beginning.
        left_out: Files that could not be used, and why.
    """

    shards: data.Shards
    training: data.Clips
    validation: data.Clips
    left_out: dict[str, str]

    def name(self, index: int) -> str:
        """The path of a clip by its number in the shards."""
        return self.shards.row(index).path


class Batches:
    """Batch number n of a run, with cuts and changes drawn for it; `Data` for `fit`."""

    def __init__(
        self,
        clips: data.Clips,
        batch_size: int,
        seed: int = 0,
        augment: AugmentConfig | None = None,
    ) -> None:
        self.clips, self.seed, self.augment = clips, seed, augment or AugmentConfig()
        self.shuffled = Shuffled(clips, min(batch_size, len(clips)), seed=seed)

    def __call__(self, step: int) -> dict[str, Tensor]:
        """Audio (b, c, t), length (b,) and index (b,)."""
        self.clips.epoch = step // self.shuffled.batches
        batch: dict[str, Tensor] = self.shuffled(step)
        return augmented(batch, self.augment, self.seed * 1_000_003 + step)


def open_data(
    config: DataConfig, sample_rate: int, channels: int, hop: int, folder: str | Path
) -> LatentData:
    """The clips of a run; a manifest or a folder is packed into shards in the run's folder first.

    Args:
        config: What and how.
        sample_rate: In Hz.
        channels: 1 or 2.
        hop: Samples of a latent frame; clips are whole frames long.
        folder: Of the run.

    Raises:
        UserError: There is nothing to use, or shards have another rate or other channels.
    """
    if not config.source:
        raise UserError("latent: say what to learn from (--data.source)")
    source, left_out = Path(config.source), {}
    if any(source.glob("shard-*.json")):
        shards = data.Shards(source)
    else:
        manifest = source
        if source.is_dir():
            manifest = Path(folder) / "manifest.jsonl"
            manifest.parent.mkdir(parents=True, exist_ok=True)
            rows = data.scan([source], manifest)
        else:
            rows = data.read(source)
        form = data.Format(sample_rate, channels)
        left_out = data.pack(rows, manifest, Path(folder) / "shards", form).left_out
        shards = data.Shards(Path(folder) / "shards")
    _check(shards, config, sample_rate, channels)
    rows = [shards.row(index) for index in range(len(shards))]
    if config.split is not None:
        side = data.read_split(config.split).side_of()
    else:
        shares = {"train": 1 - config.valid, "valid": config.valid}
        side = data.split(rows, shares, seed=config.seed).side_of()
    sides: dict[str, list[int]] = {"train": [], "valid": []}
    for index, row in enumerate(rows):
        if side.get(row.path) in sides:
            sides[side[row.path]].append(index)
    for name, indices in sides.items():
        if not indices:
            raise UserError(f"{config.source}: the split leaves no clip on the side {name!r}")
    samples = max(1, round(config.seconds * sample_rate / hop)) * hop
    start: Any = config.start
    held = sides["valid"]
    if len(held) > config.most_valid:
        draw = torch.Generator().manual_seed(config.seed)
        picks = torch.randperm(len(held), generator=draw)[: config.most_valid]
        held = sorted(held[i] for i in picks.tolist())
    fixed: Any = "onset" if start == "random" else start
    return LatentData(
        shards,
        data.Clips(shards, samples, start=start, seed=config.seed, indices=sides["train"]),
        data.Clips(shards, samples, start=fixed, seed=config.seed, indices=held),
        left_out,
    )


def _check(shards: data.Shards, config: DataConfig, sample_rate: int, channels: int) -> None:
    if shards.sample_rate != sample_rate:
        raise UserError(
            f"{config.source}: shards at {shards.sample_rate} Hz, and a model at {sample_rate} Hz; "
            f"set --sample_rate {shards.sample_rate}, or pack again"
        )
    some = range(0, len(shards), max(1, len(shards) // 256))
    found = {shards.audio(index).shape[0] for index in some}
    if found != {channels}:
        raise UserError(
            f"{config.source}: clips of {sorted(found)} channels, and a model of {channels}; "
            "pack again with dspcore data shard --channels"
        )
