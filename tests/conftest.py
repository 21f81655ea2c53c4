"""What the tests share: recordings, the native modules, seeds, and a small stateful effect."""

from __future__ import annotations

import math
import os
import signal
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from dspcore import _native, effects
from dspcore.effects import Effect, Param

ROOT = Path(__file__).resolve().parents[1]

# Workers side by side must not write each other's compiled files.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(tempfile.gettempdir(), f"inductor-{worker}"))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """Python's own SIGINT handler: a shell starts background jobs with the signal ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Real recordings: DSPCORE_DATA, or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("DSPCORE_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "sonic_pi").is_dir():
        _missing("DATA", f"no recordings in {folder}; set DSPCORE_DATA")
    return folder


@pytest.fixture(scope="session")
def native() -> None:
    """The CPU kernels."""
    if not _native.info()["cpu"]["built"]:
        _missing("NATIVE", "dspcore._cpu is not built")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        _missing("GPU", "needs a GPU: torch finds no CUDA device")


def _missing(what: str, why: str) -> None:
    """Skip, or fail where DSPCORE_REQUIRE_<what>=1 says that it has to be there."""
    if os.environ.get(f"DSPCORE_REQUIRE_{what}") == "1":
        pytest.fail(why)
    pytest.skip(why)


class Echo(Effect):
    """Every sample again after 100 samples, ``y[t] = x[t] + feedback y[t-100]``; for tests only."""

    aliases = ("repeat",)
    length: ClassVar[int] = 100

    feedback = Param(0.0, 0.9, default=0.5, doc="Level of an echo against the one before.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        feedback = params["feedback"][:, None].to(audio.dtype).expand(*audio.shape)
        past = audio.new_zeros(*audio.shape[:2], self.length) if state is None else state
        out = []
        for start in range(0, audio.shape[-1], self.length):
            now = slice(start, start + self.length)
            x = audio[..., now]
            out.append(x + feedback[..., now] * past[..., : x.shape[-1]])
            past = torch.cat([past[..., x.shape[-1] :], out[-1]], dim=-1)
        return torch.cat(out, dim=-1), past

    def tail_seconds(self) -> float:
        if self.feedback == 0:
            return 0.0
        return self.length * math.log(1e-3) / math.log(self.feedback) / self.sample_rate


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> type[Effect]:
    """`Echo`, known to presets and the command line while the test runs."""
    monkeypatch.setattr(effects, "Echo", Echo, raising=False)
    monkeypatch.setattr(effects, "__all__", [*effects.__all__, "Echo"])
    return Echo
