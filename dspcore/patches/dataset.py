"""A folder of patches and their sounds, as ``dspcore synth generate`` wrote it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dspcore.errors import UserError
from dspcore.files import explained, read_text, replacing
from dspcore.notes import Note
from dspcore.patches.frontend import LogMel
from dspcore.patches.params import Numbers
from dspcore.patches.shards import pyarrow, shard_facts, unpacked
from dspcore.patches.space import ParamSpace, Patch

MANIFEST = "manifest.json"


class Dataset:
    """Patches and sounds by number: ``dataset.encoded[i]``, ``dataset.audio(i)``.

    Args:
        folder: Where the shards and the manifest lie.
        space: What the patches must belong to; any when left out.

    Raises:
        UserError: There is no complete data set in the folder, a shard is damaged, or the patches
            belong to another space.
    """

    def __init__(self, folder: str | os.PathLike[str], space: ParamSpace | None = None) -> None:
        self.folder = Path(folder)
        path = self.folder / MANIFEST
        if not path.is_file():
            raise UserError(
                f"{folder}: has no {MANIFEST}; generate a data set with: dspcore synth generate, "
                "or finish one that was interrupted by the same command"
            )
        try:
            self.manifest: dict[str, Any] = json.loads(read_text(path))
            self._shards = [self.folder / each["file"] for each in self.manifest["shards"]]
            first = self._shards[0]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise UserError(f"{path}: is not the manifest of a data set ({error})") from error
        facts = shard_facts(first)
        self.space = ParamSpace.from_json(json.dumps(facts["space"]))
        if space is not None:
            space.check(self.space, str(folder))
        self.renderer: dict[str, Any] = facts["renderer"]
        self.sample_rate = int(self.renderer["sample_rate"])
        self.channels = int(facts["channels"])
        self.digest = str(self.manifest["digest"])
        self._files: dict[Path, Any] = {}
        self._group: tuple[tuple[int, int], Any] | None = None

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def encoded(self) -> Numbers:
        """The patches, (n, k) float64 in [0, 1]."""
        flat = self._column("encoded")
        return flat.reshape(len(self), -1)[:, : self.space.size]

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """The numbers of the rows in their split, (n,)."""
        return self._column("index")

    @cached_property
    def attempts(self) -> NDArray[np.int64]:
        """How often each row was drawn again, (n,)."""
        return self._column("attempt").astype(np.int64)

    @cached_property
    def lufs(self) -> Numbers:
        """Loudness of the sounds, (n,)."""
        return self._column("lufs")

    @cached_property
    def notes(self) -> list[Note]:
        """What was played, n of them."""
        columns = [
            self._column(name).tolist() for name in ("start", "seconds", "pitch", "velocity")
        ]
        return [Note(*row) for row in zip(*columns, strict=True)]

    def patch(self, index: int) -> Patch:
        """The semantic values of row `index`."""
        return dict(self.space.decode(self.encoded[index]))

    def audio(self, index: int) -> NDArray[np.float32]:
        """The sound of row `index`, (c, t) float32; rows side by side are read together."""
        index = range(len(self))[index]
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        file = self._file(shard)
        place, group = index - int(self._starts[shard]), 0
        while place >= file.metadata.row_group(group).num_rows:
            place -= file.metadata.row_group(group).num_rows
            group += 1
        if self._group is None or self._group[0] != (shard, group):
            read = file.read_row_group(group, columns=["audio", "codec"])
            self._group = (shard, group), read
        table = self._group[1]
        data, codec = table["audio"][place].as_py(), table["codec"][place].as_py()
        return unpacked(data, codec, self.channels)

    def sounds(self) -> Iterator[NDArray[np.float32]]:
        """Every sound in order."""
        for index in range(len(self)):
            yield self.audio(index)

    def features(
        self, frontend: LogMel | None = None, *, cache: str | os.PathLike[str] | None = None
    ) -> NDArray[np.float32]:
        """What `frontend` makes of every sound, (n, frames, bands) float32, mapped from a file.

        The file is made the first time, in the data set's folder; its name is a hash of the data,
        of the space and of the frontend's settings, so that another of them makes another file.
        Channels are averaged before.

        Args:
            frontend: The spectrogram; `LogMel` at the data's sample rate when left out.
            cache: A folder for the file.
        """
        heard = frontend or LogMel(self.sample_rate)
        if heard.sample_rate != self.sample_rate:
            raise UserError(
                f"{self.folder}: its sounds have {self.sample_rate} Hz, the frontend wants "
                f"{heard.sample_rate}"
            )
        key = "\n".join([self.digest, self.space.fingerprint, heard.fingerprint])
        folder = Path(cache) if cache is not None else self.folder / "features"
        path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
        if not path.is_file():
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise explained(error, folder) from error
            samples = self.audio(0).shape[1]
            shape = (len(self), heard.frames(samples), heard.bands)
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            with replacing(path) as file:
                np.lib.format.write_array_header_2_0(file, header)
                for sound in tqdm(self.sounds(), "features", len(self), disable=None):
                    file.write(heard(sound.mean(0, dtype=np.float64)).astype("<f4").tobytes())
        mapped: NDArray[np.float32] = np.load(path, mmap_mode="r")
        return mapped

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        counts = [int(each["rows"]) for each in self.manifest["shards"]]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def _file(self, shard: int) -> Any:
        path = self._shards[shard]
        if path not in self._files:
            pa = pyarrow()
            try:
                self._files[path] = pa.parquet.ParquetFile(path)
            except OSError as error:
                raise explained(error, path) from error
            except pa.ArrowInvalid as error:
                raise UserError(f"{path}: is damaged: {error}") from error
        return self._files[path]

    def _column(self, name: str) -> NDArray[Any]:
        parts = []
        for shard in range(len(self._shards)):
            column = self._file(shard).read(columns=[name])[name].combine_chunks()
            parts.append(np.asarray(column.flatten() if name == "encoded" else column))
        return np.concatenate(parts)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}, "_group": None}
