"""What the tests of black boxes share: plug-ins compiled from a few lines of C, small pools."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dspcore import blackbox
from dspcore.blackbox import Pool
from dspcore.blackbox.effect import BlackBox
from dspcore.blackbox.job import Job, Plugin
from dspcore.blackbox.loading import described

HOST = "ladspa_host:Ladspa"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """plugins.c, compiled."""
    compiler = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        pytest.fail("needs a C compiler (apt-get install gcc)")
    target = tmp_path_factory.mktemp("plugins") / "plugins.so"
    source = Path(__file__).parent / "plugins.c"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(target), str(source), "-lm"]
    subprocess.run(command, check=True, timeout=120)
    return str(target)


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two workers with short deadlines."""
    made = Pool(2, deadline_s=0.4, memory_gb=0.25)
    yield made
    made.close()


@pytest.fixture(scope="session")
def calm() -> Iterator[Pool]:
    """A pool that lives for all tests, for plug-ins that behave."""
    made = Pool(2)
    yield made
    made.close()


class Bench:
    """Makes jobs and effects of a plug-in of plugins.c."""

    def __init__(self, library: str) -> None:
        self.library = library

    def job(self, kind: str, *values: float, samples: int = 4800, **options: object) -> Job:
        identity = f"{self.library}:{kind}"
        info, _ = described(HOST, identity, 48_000, 512)
        audio = sound(1, 1, samples)[0].numpy()
        plugin = Plugin(HOST, identity, 48_000)
        return Job(plugin, info, audio, np.array(values or (0.5, 0.5, 0.0)), **options)  # type: ignore[arg-type]

    def load(self, kind: str, **options: object) -> BlackBox:
        return blackbox.load(f"{self.library}:{kind}", host=HOST, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def bench(library: str) -> Bench:
    return Bench(library)


def sound(b: int, c: int, t: int, seed: int = 0) -> Tensor:
    return 0.3 * torch.randn(b, c, t, generator=torch.Generator().manual_seed(seed))


def tanh_gain(audio: Tensor, gain: Tensor | float, drive: Tensor | float) -> Tensor:
    """What "good" computes, (b, c, t); parameters as numbers, () or (b,)."""
    gain, drive = (
        v[:, None, None] if isinstance(v, Tensor) and v.ndim else v for v in (gain, drive)
    )
    return gain * torch.tanh((1 + 9 * drive) * audio)
