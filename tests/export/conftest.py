"""One chain, exported once for all tests of this folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from exported import NAME, chain

from dspcore.export import export
from dspcore.export.build import DPF


def needs_tools() -> None:
    """Skip, or fail where CI wants them, without g++ or DPF."""
    if shutil.which("g++") is None or not Path(os.environ.get("DPF", DPF)).is_dir():
        if os.environ.get("DSPCORE_REQUIRE_PLUGINS") == "1":
            pytest.fail("g++ or DPF is missing; run: apt-get install g++ dpf-source")
        pytest.skip("needs g++ and dpf-source")


def exported_to(folder: Path, formats: list[str]) -> Path:
    """`chain` in these formats."""
    needs_tools()
    export(chain(), folder, name=NAME, formats=formats)
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the plug-ins of `chain`."""
    return exported_to(tmp_path_factory.mktemp("built"), ["lv2", "clap", "ladspa", "c"])


@pytest.fixture(scope="session")
def built_vst(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as VST3 and VST2."""
    return exported_to(tmp_path_factory.mktemp("built_vst"), ["vst3", "vst2"])
