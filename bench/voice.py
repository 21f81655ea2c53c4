"""``python -m bench.voice``: the subtractive voice beside torchsynth's, 16 notes of 4 s.

The two do not compute the same, so this is no row of RESULTS.md: torchsynth's `Voice` has a sine, a
wave between square and saw (with aliases), noise, six envelopes and two LFOs at 441 Hz, and no
filter; ours has two waves without aliases, noise, a ladder whose corner moves at every sample, two
envelopes and an LFO at audio rate. Needs torchsynth, of whose dependencies torch alone is used:
``pip install --no-deps --target FOLDER torchsynth==1.0.2``, with FOLDER on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from types import ModuleType

import torch
from torch import Tensor, nn

from dspcore.bench.limits import peak_bytes
from dspcore.bench.measure import take_turns
from dspcore.notes import Note
from dspcore.synth import Subtractive

ROWS, SECONDS, RATE = 16, 4.0, 44_100


def stand_ins() -> None:
    """What torchsynth imports of packages that no longer have it."""

    class LightningModule(nn.Module):
        device = torch.device("cpu")

    def resource_string(package: str, name: str) -> bytes:
        return (Path(str(sys.modules[package].__file__)).parent / name).read_bytes()

    lightning = ["pytorch_lightning", "pytorch_lightning.core", "pytorch_lightning.core.lightning"]
    modules = {name: ModuleType(name) for name in (*lightning, "pkg_resources")}
    vars(modules[lightning[-1]])["LightningModule"] = LightningModule
    vars(modules["pkg_resources"])["resource_string"] = resource_string
    sys.modules |= modules


def their_voice() -> tuple[Callable[[], Tensor], list[Tensor]]:
    """A call, and what it can be differentiated by."""
    stand_ins()
    from torchsynth.config import SynthConfig
    from torchsynth.synth import Voice

    config = SynthConfig(ROWS, RATE, SECONDS, reproducible=False)
    voice = Voice(config)
    voice.randomize()
    # It refuses gradients when it is made ("not explicitly tested"), yet its parameters ask.
    config.no_grad = False
    return lambda: voice()[0], [p for p in voice.parameters() if p.requires_grad]


def our_voice() -> tuple[Callable[[], Tensor], list[Tensor]]:
    """The same: every continuous setting, one for each note."""
    synth = Subtractive(sample_rate=RATE)
    generator = torch.Generator().manual_seed(0)
    settings = torch.rand(ROWS, synth.num_params, generator=generator).requires_grad_()
    rows = [(Note(0.0, SECONDS, pitch=40 + i),) for i in range(ROWS)]
    return lambda: synth.normalized(rows, SECONDS, settings), [settings]


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.voice", description=__doc__)
    options.add_argument("--rounds", type=int, default=9)
    given = options.parse_args()
    voices = {"dspcore": our_voice(), "torchsynth": their_voice()}
    calls: dict[str, Callable[[], object]]

    def forward(name: str) -> Tensor:
        with torch.no_grad():
            return voices[name][0]()

    def backward(name: str) -> tuple[Tensor, ...]:
        call, learned = voices[name]
        return torch.autograd.grad(call().square().mean(), learned, allow_unused=True)

    torch.set_num_threads(1)
    for way, run in (("forward", forward), ("forward+backward", backward)):
        calls = {name: partial(run, name) for name in voices}
        peaks = {name: (peak_bytes(call) or 0) / 1e6 for name, call in calls.items()}
        times = take_turns(calls, rounds=given.rounds, budget=60.0)
        took = {name: 1000 * median(samples) for name, samples in times.items()}
        said = ", ".join(f"{name} {took[name]:.0f} ms, {peaks[name]:.0f} MB" for name in voices)
        print(f"{way}: {said}; torchsynth {took['torchsynth'] / took['dspcore']:.2f}x of ours")


if __name__ == "__main__":
    main()
