"""Graphic equalisers and long delay lines in exported chains."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Once, needs_tools
from exported import distance_db
from hosted import sound

from dspcore import Chain, effects
from dspcore.effects import GraphicEQ, GraphicEQ31
from dspcore.effects.whole import whole
from dspcore.export.library import Library

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def solver(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """What plug-ins solve with."""
    needs_tools()
    library = tmp_path_factory.mktemp("bells") / "bells.so"
    source = Path(__file__).parent / "bells.cpp"
    options = ["-std=c++20", "-O2", "-shared", "-fPIC", f"-I{ROOT / 'csrc'}"]
    subprocess.run(["g++", *options, str(source), "-o", str(library)], check=True)
    loaded = ctypes.CDLL(str(library))
    size = ctypes.c_int64
    loaded.solve.argtypes = [*[ctypes.c_void_p] * 3, size, size, ctypes.c_double]
    return loaded


class _Solver:
    """`Whole` for graphic equalisers alone, by the C++."""

    def __init__(self, solver: ctypes.CDLL) -> None:
        self.solver = solver

    def bells(self, wanted: torch.Tensor, off: torch.Tensor, share: float) -> torch.Tensor:
        wanted, off = wanted.contiguous(), off.contiguous()
        gains = torch.empty_like(wanted)
        memory = [each.data_ptr() for each in (gains, wanted, off)]
        self.solver.solve(*memory, wanted.shape[1], wanted.shape[2], share)
        return gains


@pytest.mark.parametrize("kind", [GraphicEQ, GraphicEQ31])
@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_the_bells_of_a_plugin_are_those_of_python(
    solver: ctypes.CDLL, kind: type[effects.Effect], rate: int
) -> None:
    eq = kind(rate)
    names = list(eq.params)
    start, end = 24 * torch.rand(2, len(names), 1, 1, dtype=torch.float64) - 12
    zigzag = 12.0 * (-1.0) ** torch.arange(len(names), dtype=torch.float64)[:, None, None]
    glide = start + torch.arange(64, dtype=torch.float64) / 960 * (end - start)
    leap = 24 * torch.rand(len(names), 1, 64, dtype=torch.float64) - 12
    for values in (glide, leap, zigzag):
        params = dict(zip(names, values, strict=True))
        exact = eq.sections(params)  # type: ignore[attr-defined]
        token = whole.set(_Solver(solver))  # type: ignore[arg-type]
        made = eq.sections(params)  # type: ignore[attr-defined]
        whole.reset(token)
        assert float((made - exact).abs().max()) < 1e-9


@pytest.mark.slow
def test_a_graphic_equaliser_and_four_echoes_equal_their_library(once: Once) -> None:
    def chain(rate: int = 48_000) -> Chain:
        return Chain([GraphicEQ(rate, band_500_db=6.0), effects.MultiTapDelay(rate, mix=0.5)])

    folder = once("Bands", chain, ["c"])
    changes = {"graphic_eq.band_1000_db": -12.0, "graphic_eq.band_125_db": 9.0,
               "multi_tap_delay.tap_1_time_ms": 40.0}  # fmt: skip
    audio = sound(9_000)
    x = torch.from_numpy(audio)[None].double()
    for rate, size in ((44_100, 64), (48_000, 441), (96_000, 4_096)):
        library, stream = Library(folder / "libbands.so", rate), chain(rate).stream()
        at = -(-3_000 // size) * size
        got = [library.blocks(audio[:, :at], size)]
        library.set(**{name.replace(".", "_"): value for name, value in changes.items()})
        got.append(library.blocks(audio[:, at:], size))
        with torch.no_grad():
            wanted = [stream(x[..., :at]), stream(x[..., at:], **changes)]
        assert distance_db(np.concatenate(got, 1), torch.cat(wanted, -1)[0].numpy()) < -120
