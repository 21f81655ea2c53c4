"""Brightness and depth beside the public models.

``python -m bench.timbre --models timbral_models-0.4.0 --site FOLDER``: timbral_models 0.4.0 does
not install any more, so its source is unpacked, and what it imports (librosa 0.11.0, pyloudnorm,
six) stands in a folder. Its calls of librosa are mended here.
"""

from __future__ import annotations

import argparse
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dspcore import audio, style

SECONDS = 2.7


def public(models: Path, site: Path) -> tuple[Any, Any]:
    """Their brightness and depth."""
    sys.path.append(str(site))
    import librosa
    import librosa.onset

    detect, strength, resample = (
        librosa.onset.onset_detect, librosa.onset.onset_strength, librosa.resample
    )  # fmt: skip
    librosa.onset.onset_detect = lambda y, sr=22050, **rest: detect(y=y, sr=sr, **rest)
    librosa.onset.onset_strength = lambda y, sr=22050, **rest: strength(y=y, sr=sr, **rest)
    librosa.core.resample = lambda y, a, b: resample(y, orig_sr=a, target_sr=b)
    package = types.ModuleType("timbral_models")  # its own __init__ imports what fails
    package.__path__ = [str(models / "timbral_models")]
    sys.modules["timbral_models"] = package
    from timbral_models.Timbral_Brightness import timbral_brightness
    from timbral_models.Timbral_Depth import timbral_depth

    return timbral_brightness, timbral_depth


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.timbre")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--every", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    brightness, depth = public(asked.models, asked.site)
    sounds: dict[int, dict[str, NDArray[np.float32]]] = {44_100: {}, 8000: {}}
    for path in sorted((asked.data / "sonic_pi").glob("*.flac"))[:: asked.every]:
        sound, rate = audio.read(path)
        if rate == 44_100:
            sounds[rate][path.stem] = sound.mean(0)[: int(SECONDS * rate)].numpy()
    spoken = style.read_clips(asked.data / "fsdd", 8000, SECONDS, group="_[a-z]+_", limit=18)
    sounds[8000] = {f"speech {i}": clip[0].numpy() for i, clip in enumerate(spoken.audio)}
    depth(next(iter(sounds[44_100].values())).astype(float), 44_100)  # compiles
    theirs: list[list[float]] = []
    ours: list[list[float]] = []
    spent: list[float] = []
    for rate, some in sounds.items():
        for name, each in some.items():
            given = each.astype(float)
            begin = time.process_time()
            try:
                found = [brightness(given, rate), depth(given, rate)]
            except (ValueError, IndexError) as error:
                print(f"{name}: the public models fail: {error}", file=sys.stderr)
                continue
            if rate == 44_100 and len(each) == int(SECONDS * rate):
                spent.append(time.process_time() - begin)
            theirs.append(found)
            ours.append(style.timbre(torch.from_numpy(each)[None, None], rate)[0].tolist())
    whole = [s for s in sounds[44_100].values() if len(s) == int(SECONDS * 44_100)][:32]
    batch = torch.from_numpy(np.stack(whole))[:, None]
    style.timbre(batch[:2], 44_100)
    taken = []
    for _ in range(5):
        begin = time.process_time()
        style.timbre(batch, 44_100)
        taken.append((time.process_time() - begin) / len(batch))
    slow, fast = np.median(spent), np.median(taken)
    a, b = np.array(theirs), np.array(ours)
    print("| | brightness | depth |\n|---|---:|---:|")
    for word, row in (
        ("r", [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in (0, 1)]),
        ("median of the difference", np.median(np.abs(a - b), 0)),
        ("95 %", np.quantile(np.abs(a - b), 0.95, axis=0)),
        ("largest", np.abs(a - b).max(0)),
    ):
        print(f"| {word} | {row[0]:.4f} | {row[1]:.4f} |")
    print(
        f"\n{len(a)} sounds. CPU ms for {SECONDS} s at 44.1 kHz, both: theirs {1e3 * slow:.1f}, "
        f"dspcore {1e3 * fast:.2f} ({len(batch)} at once), ratio {slow / fast:.0f}"
    )


if __name__ == "__main__":
    main()
