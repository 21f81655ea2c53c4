"""Exported chains beside the Python chain: ``python -m bench.export [EFFECT ...]``.

Writes bench/EXPORT.md. Every effect is built as a C library, with settings drawn at random, and
plays a real recording at three sample rates in blocks of 1, 64, 441 and 4096 samples; all
parameters change on the way. What is counted is the greatest difference to the Python chain in
float64, over the peak.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import dspcore
from dspcore import Chain, effects
from dspcore.bench.ledger import machine
from dspcore.effects import Effect
from dspcore.errors import UserError
from dspcore.export import export
from dspcore.export.library import Library

HERE = Path(__file__).parent
KEPT = HERE.parent / "build" / "export.json"
RECORDING = HERE.parent.parent / "shared" / "data" / "sonic_pi" / "loop_amen.flac"
RATES, BLOCKS = (44_100, 48_000, 96_000), (1, 64, 441, 4_096)
SAMPLES, CHANGE = 16_000, 8_000


def recording(samples: int) -> NDArray[np.float32]:
    """The start of a drum loop, stereo."""
    audio, _ = dspcore.audio.read(RECORDING)
    audio = audio.expand(2, -1) if audio.shape[0] == 1 else audio[:2]
    repeats = -(-samples // audio.shape[1])
    return audio.repeat(1, repeats)[:, :samples].contiguous().numpy()


def distance_db(got: NDArray[Any], wanted: NDArray[Any]) -> float:
    """The greatest difference over the peak."""
    return float(20 * np.log10(np.abs(got - wanted).max() / np.abs(wanted).max() + 1e-30))


def drawn(cls: type[Effect], seed: int) -> dict[str, float]:
    """Settings from the middle half of every range."""
    effect = cls(48_000)
    p = 0.25 + 0.5 * effect.random(1, torch.Generator().manual_seed(seed))
    return {name: float(value) for name, value in effect.denormalize(p).items()}


def measure(chain: Chain, after: dict[str, float], library: Path) -> dict[str, Any]:
    """Distances, and the CPU time of sound and of the silence after it."""
    audio = recording(SAMPLES)
    worst, python = -400.0, -400.0
    names = [name.replace(".", "_") for name in chain.params]
    changed = dict(zip(names, after.values(), strict=True))
    for rate in RATES:
        here = chain.at_rate(rate)
        own = {k: min(v, here.params[k].range(rate)[1]) for k, v in after.items()}
        for size in BLOCKS:
            at = -(-CHANGE // size) * size
            made = Library(library, rate)
            got = [made.blocks(audio[:, :at], size)]
            made.set(**changed)
            got.append(made.blocks(audio[:, at:], size))
            x = torch.from_numpy(audio)[None]
            exact, single = here.stream(), here.stream()
            with torch.no_grad():
                wanted = torch.cat(
                    [exact(x[..., :at].double()), exact(x[..., at:].double(), **own)], -1
                )
                plain = torch.cat([single(x[..., :at]), single(x[..., at:], **own)], -1)
            truth = wanted[0].numpy()
            worst = max(worst, distance_db(np.concatenate(got, 1), truth))
            if size == BLOCKS[-1]:
                python = max(python, distance_db(plain[0].numpy(), truth))
    return {"distance_db": worst, "python_db": python, **load(library)}


def load(library: Path) -> dict[str, float]:
    """Shares of one core at 48 kHz in blocks of 64: sound, and silence after it."""
    audio = recording(4 * 48_000)
    made = Library(library, 48_000)
    made.blocks(audio[:, :9_600], 64)
    shares = []
    for heard in (audio, np.zeros_like(audio)):
        heard = np.ascontiguousarray(heard)
        begin = time.process_time()
        made.loop(heard, 64)
        shares.append((time.process_time() - begin) / (heard.shape[1] / 48_000))
    return {"load": shares[0], "silent": shares[1]}


def row(name: str) -> dict[str, Any]:
    """One effect."""
    cls = effects.by_name(name)
    chain = Chain([cls(48_000, **drawn(cls, 1))])
    after = dict(zip(chain.params, drawn(cls, 2).values(), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        try:
            (built,) = export(chain, folder, name=name, formats=["c"])
        except UserError as error:
            return {"refused": str(error)}
        return {**measure(chain, after, built.path), "seconds": time.process_time() - begin}


def page(rows: dict[str, dict[str, Any]], others: str) -> str:
    """The tables."""
    lines = [
        "# Exported chains beside the Python chain",
        "",
        "Every effect as a C library of `dspcore export`, settings drawn from the middle half of",
        "their ranges, all changed on the way, on the start of `loop_amen.flac` at 44.1, 48 and",
        "96 kHz in blocks of 1, 64, 441 and 4096 samples. Distance: the greatest difference to the",
        "Python chain in float64 over the peak, the worst of the twelve; beside it that of the",
        "Python chain in float32. Load: CPU time at 48 kHz stereo in blocks of 64, as a share of",
        "one core, and of silence after it.",
        f"Written by `python -m bench.export` on {machine()['processor']}.",
        "",
        "| effect | plug-in, dB | Python float32, dB | load | in silence |",
        "|---|---|---|---|---|",
    ]
    for name, found in sorted(rows.items()):
        if "refused" not in found:
            lines.append(
                f"| {name} | {found['distance_db']:.0f} | {found['python_db']:.0f} | "
                f"{100 * found['load']:.2f} % | {100 * found['silent']:.2f} % |"
            )
    refused = {name: found["refused"] for name, found in rows.items() if "refused" in found}
    if refused:
        lines += ["", "Refused, by name and before anything is built:", ""]
        lines += [f"- {reason}" for _, reason in sorted(refused.items())]
    return "\n".join(lines) + "\n" + others


def main(names: list[str]) -> None:
    """Measure the effects named, all when none is, and write the page."""
    rows = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    every = [cls.name for cls in vars(effects).values() if _is_effect(cls)]
    for name in names or every:
        rows[name] = row(name)
        print(name, rows[name], flush=True)
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(rows))
    beside = HERE / "EXPORT_HOSTS.md"
    (HERE / "EXPORT.md").write_text(page(rows, beside.read_text() if beside.is_file() else ""))


def _is_effect(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, Effect) and thing is not Effect


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
