"""Hidden settings found on real recordings: ``python -m bench.matching`` writes bench/MATCHING.md.

Each recording goes through an equaliser, a compressor and a delay with random settings; `match`
sees the dry sound, the result and the kinds of effects, and has to find the settings.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

import dspcore
from dspcore import effects
from dspcore.match import Match, match

RECORDINGS = (
    "sonic_pi/loop_amen.flac",
    "sonic_pi/loop_tabla.flac",
    "sonic_pi/guit_e_fifths.flac",
    "fsdd/3_jackson_4.wav",
)
HERE = Path(__file__).parent


def hide(dry: Tensor, sample_rate: int, seed: int) -> tuple[dspcore.Chain, Tensor]:
    """A chain with settings drawn around its defaults, and what it makes of `dry`, (c, t).

    Frequencies move by up to 15 % of their range (half a decade and more), all else by up to 30 %.
    """
    chain = dspcore.Chain(
        [
            effects.ParametricEQ(sample_rate),
            effects.Compressor(sample_rate),
            effects.Delay(sample_rate),
        ]
    )
    generator = torch.Generator().manual_seed(seed)
    reach = torch.tensor([0.15 if n.endswith("_hz") else 0.3 for n in chain.param_names])
    moved = chain.normalize()[0] + reach * (2 * torch.rand(len(reach), generator=generator) - 1)
    values = chain.denormalize(moved.clamp(0.03, 0.97)[None])
    hidden = chain.with_values({name: float(v) for name, v in values.items()})
    with torch.no_grad():
        return hidden, hidden(dry[None])[0]


def recover(
    path: Path, seed: int = 1, seconds: float = 2.0, **options: int
) -> tuple[dspcore.Chain, Match]:
    """The hidden chain, and what `match` found of it on the first seconds of a recording."""
    sound, rate = dspcore.audio.read(path)
    dry = sound.mean(0, keepdim=True)[:, : int(seconds * rate)]
    dry = torch.nn.functional.pad(dry, (0, max(0, rate - dry.shape[1])))  # room for an echo
    hidden, reference = hide(dry, rate, seed)
    plain = dspcore.Chain([type(effect)(rate) for effect in hidden])
    return hidden, match(dry, reference, plain, **options)  # type: ignore[arg-type]


def table(name: str, hidden: dspcore.Chain, found: Match, took: float) -> list[str]:
    """One recording's rows."""
    true = hidden.canonical().values
    return [
        f"## {name}",
        "",
        f"Residual against the reference: dry {found.before_db:.1f} dB, matched "
        f"{found.after_db:.1f} dB; {took:.0f} s of CPU time.",
        "",
        "| parameter | hidden | found |",
        "|---|---:|---:|",
        *(f"| {n} | {v:.5g} | {found.values[n]:.5g} |" for n, v in true.items()),
        "",
    ]


def main() -> None:
    """Runs all recordings and writes the page."""
    data = Path(os.environ.get("DSPCORE_DATA") or HERE.parents[1] / "shared" / "data")
    if not data.is_dir():
        sys.exit(f"no recordings in {data}; set DSPCORE_DATA")
    lines = ["# Hidden settings found on real recordings", "", __doc__ or "", ""]
    for name in RECORDINGS:
        begin = time.process_time()
        hidden, found = recover(data / name, seconds=1.5, refinements=4)
        lines += table(name, hidden, found, time.process_time() - begin)
        print(f"{name}: {found.before_db:.1f} dB to {found.after_db:.1f} dB", flush=True)
        (HERE / "MATCHING.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
