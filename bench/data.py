"""`python -m bench.data`: clips read from shards, LMDB, WebDataset and files.

The same 1,500 short sounds, made here: 16-bit mono at 44.1 kHz, 0.1 to 1.2 s. Each way is read by a
process of its own, in one random order (WebDataset in its own, as it is made for), three times over
after one that is not counted; CPU seconds, and the most memory above what the process had before.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import lmdb
import numpy as np
import soundfile
import webdataset
from numpy.typing import NDArray

from dspcore import data
from dspcore.bench.limits import peak_bytes

RATE, CLIPS, ROUNDS = 44_100, 1_500, 3
Reader = Callable[[Path, list[int]], Iterator[NDArray[np.float32]]]


def shards(folder: Path, order: list[int]) -> Iterator[NDArray[np.float32]]:
    clips = data.Shards(folder / "shards")
    for i in order:
        yield clips.audio(i).numpy()


def lmdb_int16(folder: Path, order: list[int]) -> Iterator[NDArray[np.float32]]:
    with lmdb.open(str(folder / "lmdb"), readonly=True, lock=False) as store, store.begin() as txn:
        for i in order:
            samples = np.frombuffer(txn.get(f"{i:08d}".encode(), b""), np.int16)
            yield samples.astype(np.float32)[None] / np.float32(32_768)


def wav_files(folder: Path, order: list[int]) -> Iterator[NDArray[np.float32]]:
    paths = sorted((folder / "files").glob("*.wav"))
    for i in order:
        yield soundfile.read(paths[i], dtype="float32", always_2d=True)[0].T


def webdataset_flac(folder: Path, order: list[int]) -> Iterator[NDArray[np.float32]]:
    for item in webdataset.WebDataset(str(folder / "shards.tar"), shardshuffle=False):
        yield soundfile.read(io.BytesIO(item["flac"]), dtype="float32", always_2d=True)[0].T


WAYS: dict[str, Reader] = {
    "dspcore shards": shards,
    "LMDB, int16": lmdb_int16,
    "WAV files": wav_files,
    "WebDataset, FLAC in a tar": webdataset_flac,
}


def prepare(folder: Path) -> None:
    """The same clips in every way."""
    draw = np.random.default_rng(0)
    (folder / "files").mkdir()
    with lmdb.open(str(folder / "lmdb"), map_size=1 << 30) as store, store.begin(write=True) as txn:
        for i in range(CLIPS):
            samples = draw.integers(-9_000, 9_000, draw.integers(RATE // 10, 12 * RATE // 10))
            samples = samples.astype(np.int16)
            soundfile.write(folder / "files" / f"{i:08d}.wav", samples, RATE, "PCM_16")
            txn.put(f"{i:08d}".encode(), samples.tobytes())
    rows = data.scan([folder / "files"], folder / "set.jsonl")
    data.pack(rows, folder / "set.jsonl", folder / "shards", data.Format(RATE))
    data.ship(data.Shards(folder / "shards"), folder / "shards.tar")


def read(way: str, folder: Path) -> dict[str, float]:
    """Reads all clips `ROUNDS` times, in a process that has done nothing else."""
    order = np.random.default_rng(1).permutation(CLIPS).tolist()
    heard: list[int] = []

    def once() -> None:
        heard.append(sum(clip.shape[1] for clip in WAYS[way](folder, order)))

    grown = peak_bytes(once) or 0
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        once()
        seconds.append(time.process_time() - start)
    return {"seconds": median(seconds), "mb": grown / 1e6, "samples": heard[0]}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        results = {}
        for way in WAYS:
            command = [sys.executable, "-m", "bench.data", way, name]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            results[way] = json.loads(said)
        assert len({result["samples"] for result in results.values()}) == 1
        sizes = {
            way: sum(path.stat().st_size for path in (folder / part).rglob("*") if path.is_file())
            if (folder / part).is_dir()
            else (folder / part).stat().st_size
            for way, part in zip(WAYS, ("shards", "lmdb", "files", "shards.tar"), strict=True)
        }
    ours = results["dspcore shards"]["seconds"]
    lines = [
        "# Reading short clips",
        "",
        f"{CLIPS:,} sounds of 0.1 to 1.2 s, 16-bit mono at 44.1 kHz, as float32 arrays; a process "
        f"each, random order (WebDataset in its own), median of {ROUNDS} rounds of CPU time after "
        "one that is not counted: files are in memory. Written by `python -m bench.data`.",
        "",
        "| way | clips a CPU second | time over ours | memory, MB | size on disk, MB |",
        "|---|---:|---:|---:|---:|",
    ]
    for way, result in results.items():
        lines.append(
            f"| {way} | {CLIPS / result['seconds']:,.0f} | {result['seconds'] / ours:.2f} | "
            f"{result['mb']:.0f} | {sizes[way] / 1e6:.0f} |"
        )
    lines += [
        "",
        "Memory is what the process grew by at its most; mapped pages of the file count for shards "
        "and LMDB, and the system takes them back when it needs them.",
        "",
    ]
    Path("bench/DATA.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(read(sys.argv[1], Path(sys.argv[2]))))
    else:
        main()
