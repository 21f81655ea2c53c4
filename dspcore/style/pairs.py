"""Pairs to learn from: a clip's halves, both through the same settings, rendered when asked for."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dspcore.errors import UserError
from dspcore.files import replacing
from dspcore.style.clips import SILENT, Clips
from dspcore.style.encoders import Encoder
from dspcore.style.rendering import AnyEffect, fingerprint, render

#: Settings that are drawn for one item before it is given up.
_TRIES = 8


@dataclass(frozen=True)
class Pairs:
    """Items side by side.

    Attributes:
        dry: The first half of a clip, as a user has it, (n, c, t).
        reference: The second half through the effect, the style to reach, (n, c, t).
        target: The first half through the effect at the same settings: the answer, (n, c, t).
        p: Those settings, (n, num_params) in [0, 1].
    """

    dry: Tensor
    reference: Tensor
    target: Tensor
    p: Tensor

    def __len__(self) -> int:
        return len(self.p)

    def __getitem__(self, rows: slice | Tensor) -> Pairs:
        return Pairs(self.dry[rows], self.reference[rows], self.target[rows], self.p[rows])


class RenderCache:
    """Renders by all that they depend on: the audio, the effect, the settings.

    Args:
        megabytes: Held in memory; the least used go first.
        folder: Where they are kept on the disk as well; nothing there is ever removed.
    """

    def __init__(
        self, megabytes: float = 512.0, folder: str | os.PathLike[str] | None = None
    ) -> None:
        self.limit, self.size = int(megabytes * 2**20), 0
        self.folder = None if folder is None else Path(folder)
        self.found = self.made = 0
        self._held: OrderedDict[str, Tensor] = OrderedDict()

    def get(self, key: str) -> Tensor | None:
        """What was put there, or None."""
        if key in self._held:
            self._held.move_to_end(key)
            self.found += 1
            return self._held[key]
        if self.folder is not None and (self.folder / f"{key}.npy").exists():
            sound = torch.from_numpy(np.load(self.folder / f"{key}.npy", allow_pickle=False))
            self._hold(key, sound)
            self.found += 1
            return sound
        return None

    def put(self, key: str, sound: Tensor) -> None:
        """Remember (c, t)."""
        self.made += 1
        self._hold(key, sound)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(self.folder / f"{key}.npy") as file:
                np.save(file, sound.numpy())

    def _hold(self, key: str, sound: Tensor) -> None:
        self._held[key] = sound.clone()
        self.size += sound.nbytes
        while self.size > self.limit and len(self._held) > 1:
            self.size -= self._held.popitem(last=False)[1].nbytes


class PairSource:
    """Pairs of one effect by number; the same number gives the same pair, whatever came before.

    Item i is clip ``i % len(clips)``, with settings drawn evenly from [0, 1]. A render that is
    silent or not finite, or a plug-in that fails, is drawn again and counted in `rejected`.

    Args:
        effect: Any.
        clips: Twice as long as the sounds of a pair.
        seed: Of the settings.
        count: How many pairs there are; one for each clip by default.
        cache: Shared between sources, or one of its own.
    """

    def __init__(
        self,
        effect: AnyEffect,
        clips: Clips,
        *,
        seed: int = 0,
        count: int | None = None,
        cache: RenderCache | None = None,
    ) -> None:
        if clips.sample_rate != effect.sample_rate:
            raise UserError(
                f"style: the clips have {clips.sample_rate} Hz, the effect {effect.sample_rate} Hz"
            )
        if effect.num_params == 0:
            raise UserError("style: the effect has no continuous parameter to control")
        self.effect, self.clips, self.seed = effect, clips, seed
        self.count = len(clips) if count is None else count
        self.cache = cache or RenderCache()
        self.rejected: Counter[str] = Counter()
        self._identity = fingerprint(effect)
        self._tries: dict[int, int] = {}
        self._heard: dict[str, tuple[Tensor, Tensor]] = {}

    def __len__(self) -> int:
        return self.count

    def all(self) -> Pairs:
        """Every pair."""
        return self.take(range(self.count))

    def heard(self, encoder: Encoder) -> tuple[Tensor, Tensor]:
        """What a frozen encoder gives for every input and reference, (n, d) each; heard once."""
        key = encoder.digest()
        if key not in self._heard:
            pairs = self.all()
            self._heard[key] = (encoder.embed(pairs.dry), encoder.embed(pairs.reference))
        return self._heard[key]

    def take(self, items: Iterable[int]) -> Pairs:
        """Some pairs, by number."""
        wanted = list(items)
        while True:
            p = torch.stack([self._setting(i) for i in wanted])
            halves = self.clips.audio[[i % len(self.clips) for i in wanted]].chunk(2, dim=2)
            dry, style = halves[0], halves[1][..., : halves[0].shape[2]]
            target, ok_target = self._rendered(dry, p)
            reference, ok_reference = self._rendered(style, p)
            bad = ~(ok_target & ok_reference)
            if not bool(bad.any()):
                break
            for i in (item for item, is_bad in zip(wanted, bad.tolist(), strict=True) if is_bad):
                self.rejected["silent or failed"] += 1
                self._tries[i] = self._tries.get(i, 0) + 1
                if self._tries[i] >= _TRIES:
                    raise UserError(
                        f"style: {_TRIES} settings in a row gave silence or failed on clip "
                        f"{i % len(self.clips)}; the effect may not be one that is heard on it"
                    )
        channels = target.shape[1]
        return Pairs(dry.expand(-1, channels, -1), reference, target, p)

    def _setting(self, item: int) -> Tensor:
        rng = np.random.default_rng([self.seed, item, self._tries.get(item, 0)])
        return torch.from_numpy(rng.random(self.effect.num_params))

    def _rendered(self, audio: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        keys = [self._key(sound, row) for sound, row in zip(audio, p, strict=True)]
        found = [self.cache.get(key) for key in keys]
        missing = [i for i, sound in enumerate(found) if sound is None]
        good = torch.ones(len(p), dtype=torch.bool)
        if missing:
            made, well = render(self.effect, audio[missing], p[missing])
            for i, sound, ok in zip(missing, made, well.tolist(), strict=True):
                found[i] = sound
                if ok:
                    self.cache.put(keys[i], sound)
                good[i] = ok
        out = torch.stack([sound for sound in found if sound is not None])
        return out, good & (out.square().mean((1, 2)).sqrt() > 0.1 * SILENT)

    def _key(self, sound: Tensor, row: Tensor) -> str:
        digest = hashlib.blake2b(self._identity.encode(), digest_size=16)
        digest.update(repr(tuple(sound.shape)).encode())
        digest.update(sound.contiguous().numpy().tobytes())
        digest.update(row.numpy().tobytes())
        return digest.hexdigest()


def batches(count: int, size: int, seed: int) -> Sequence[Sequence[int]]:
    """The numbers below `count` in a drawn order, in parts of `size`."""
    order = np.random.default_rng(seed).permutation(count).tolist()
    return [order[i : i + size] for i in range(0, count, size)]
