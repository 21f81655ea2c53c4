"""Exported chains beside the Python chain: ``python -m bench.export [EFFECT ...]``.

Writes bench/EXPORT.md. Every effect is built as a C library, with settings drawn at random, and
plays a real recording at three sample rates in blocks of 1, 64, 441 and 4096 samples; all
parameters change on the way. What is counted is the greatest difference to the Python chain in
float64, over the peak. Beside effects may be named ``load``, that of a chain of four, and what is
played in every format and host: chains of all effects (``Pack1`` and so on, bench/export_packs.py)
and those that `dspcore.match` fits (bench/export_fitted.py).
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from bench import export_fitted, export_packs
from bench.export_everywhere import BLOCKS, RATES, distance_db
from bench.export_loads import loads, recording
from dspcore import Chain, effects
from dspcore.bench.ledger import machine
from dspcore.errors import UserError
from dspcore.export import export
from dspcore.export.library import Library

HERE = Path(__file__).parent
PAGE = HERE / "EXPORT.md"
SAMPLES, CHANGE = 16_000, 8_000
Rows = dict[str, list[str]]

#: The tables of the page: what they are called there, their heads, and what is said of them.
TABLES = {
    "effects": (
        ["effect", "plug-in, dB", "Python float32, dB", "load", "in silence", "of denormals"],
        """Every effect as a C library of `dspcore export`, settings drawn from the middle half of
their ranges, all changed on the way, on the start of `loop_amen.flac` at 44.1, 48 and
96 kHz in blocks of 1, 64, 441 and 4096 samples. Distance: the greatest difference to the
Python chain in float64 over the peak, the worst of the twelve; beside it that of the
Python chain in float32. Load: CPU time at 48 kHz stereo in blocks of 64, as a share of
one core, of sound, of silence after it, and of noise at 1e-40, below what is normal in float32.
Where a row has a dash it was measured once, while other work ran: its loads are upper bounds.""",
    ),
    "load": (
        ["chain", "load", "in silence", "of denormals"],
        """The load of a chain of four, the same way: parametric EQ, compressor with a look-ahead,
ping-pong delay, reverb. Loads are medians of seven rounds in turn.""",
    ),
    "packs": (export_packs.HEAD, export_packs.SAID),
    "fitted": (export_fitted.HEAD, export_fitted.SAID),
}


def distances(chain: Chain, after: dict[str, float], library: Path) -> list[str]:
    """Of the library and of float32 in Python, in dB."""
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
    return [f"{worst:.0f}", f"{python:.0f}"]


def row(name: str) -> list[str]:
    """One effect."""
    cls = effects.by_name(name)
    chain = Chain([cls(48_000, **export_packs.drawn(cls, 1))])
    after = dict(zip(chain.params, export_packs.drawn(cls, 2).values(), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        try:
            (built,) = export(chain, folder, name=name, formats=["c"])
        except UserError as error:
            return [f"refused: {error}", "", "", "", ""]
        return [*distances(chain, after, built.path), *loads(built.path)]


def four() -> list[str]:
    """The load of a chain of four effects."""
    chain = Chain(
        [
            effects.ParametricEQ(48_000, low_cut_hz=60.0, peak_2_gain_db=5.0),
            effects.Compressor(48_000, threshold_db=-30.0, lookahead="1_ms"),
            effects.Delay(48_000, time_ms=370.0, mode="ping_pong"),
            effects.Reverb(48_000, decay_mid_s=0.7),
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        (built,) = export(chain, folder, name="four", formats=["c"])
        return loads(built.path)


def read_page() -> dict[str, Rows]:
    """The rows that the page has."""
    found: dict[str, Rows] = {name: {} for name in TABLES}
    if not PAGE.is_file():
        return found
    now = None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        heads = [name for name, (head, _) in TABLES.items() if cells == head]
        if heads:
            now = heads[0]
        elif now and line.startswith("|") and not re.fullmatch(r"[|-]+", line):
            found[now][cells[0]] = cells[1:]
        elif not line.startswith("|"):
            now = None
    return found


def page(found: dict[str, Rows]) -> str:
    """The tables."""
    lines = ["# Exported chains beside the Python chain", ""]
    lines += [f"Written by `python -m bench.export` on {machine()['processor']}; rows that a run"]
    lines += ["leaves out keep what an earlier run found."]
    for name, (head, said) in TABLES.items():
        lines += ["", said, ""]
        if not found[name]:
            lines += ["Not measured yet."]
            continue
        lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        lines += [f"| {' | '.join([key, *cells])} |" for key, cells in sorted(found[name].items())]
    return "\n".join(lines) + "\n"


def main(names: list[str]) -> None:
    """Measure what is named, all when nothing is, and write the page."""
    fitted, packs = export_fitted.chains(), export_packs.PACKS
    every = [name for pack in packs.values() for name in pack]
    for name in names or [*every, "load", *packs, *fitted]:
        if name in fitted:
            table, key, cells = "fitted", name, export_fitted.row(name)
        elif name in packs:
            table, key, cells = "packs", name, export_packs.row(name)
        elif name == "load":
            table, key, cells = "load", "four effects", four()
        else:
            table, key, cells = "effects", name, row(name)
        print(key, cells, flush=True)
        found = read_page()  # as another run may have left it meanwhile
        found[table][key] = cells
        PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
