"""Racks exported once for all tests of this folder, and for all workers of a run."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from exported import NAME, chain, ducked, instrument, rooms, wired, write_room

from dspcore.export import FORMATS, export
from dspcore.export.build import DPF
from dspcore.rack import Rack
from dspcore.synth import VoiceSynth

#: Makes a folder with a rack's plug-ins, or gives the one that was made: as `_once`.
Once = Callable[..., Path]


def needs_tools() -> None:
    """Skip, or fail where CI wants them, without g++ or DPF."""
    if shutil.which("g++") is None or not Path(os.environ.get("DPF", DPF)).is_dir():
        if os.environ.get("DSPCORE_REQUIRE_PLUGINS") == "1":
            pytest.fail("g++ or DPF is missing; run: apt-get install g++ dpf-source")
        pytest.skip("needs g++ and dpf-source")


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """What builds a rack's plug-ins in a folder that the workers of a run share."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "exported"
    return partial(_once, root)


def _once(
    root: Path,
    name: str,
    rack: Callable[[], Rack | VoiceSynth],
    formats: Sequence[str],
    channels: int = 2,
    flags: str = "-O1",
) -> Path:
    """The first that comes builds, the others wait; `flags` save the compiler's time."""
    needs_tools()
    folder = root / "-".join([name, *formats]).replace(" ", "_")
    root.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            fresh = folder.with_suffix(".part")
            shutil.rmtree(fresh, ignore_errors=True)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("CXXFLAGS", flags)
                export(rack(), fresh, name=name, formats=formats, channels=channels)
            fresh.rename(folder)
    return folder


@pytest.fixture(scope="session")
def built(once: Once) -> Path:
    """The folder with the plug-ins of `chain` in every format, optimised as a user has them."""
    return once(NAME, chain, list(FORMATS), flags="")


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording that `rooms` convolves with."""
    return write_room(tmp_path_factory.mktemp("recorded") / "room.wav")


@pytest.fixture(scope="session")
def built_rooms(once: Once, recorded: Path) -> Path:
    """`rooms` as a library."""
    return once("Rooms", partial(rooms, recorded), ["c"])


@pytest.fixture(scope="session")
def built_lead(once: Once) -> Path:
    """The subtractive instrument in every format that knows notes."""
    return once(
        "Test Lead", partial(instrument, "subtractive"), ["lv2", "clap", "vst3", "vst2", "c"]
    )


@pytest.fixture(scope="session")
def built_fm(once: Once) -> Path:
    """The FM instrument as a library."""
    return once("Bell", partial(instrument, "fm"), ["c"])


@pytest.fixture(scope="session")
def built_ducked(once: Once) -> Path:
    """`ducked`, which has a side-chain, in every format that has a word for it, and VST2."""
    return once("Test Ducked", ducked, ["lv2", "clap", "vst3", "vst2", "c"])


@pytest.fixture(scope="session")
def built_wired(once: Once) -> Path:
    """`wired` in mono."""
    return once("Test Wired", wired, ["clap", "lv2", "c"], channels=1)
