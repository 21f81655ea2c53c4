"""Exported chains, convolutions, voices and graphs keep the rules of real time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dspcore.export.build import DPF

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what plays a library or a LADSPA plug-in, and what watches it."""
    folder = tmp_path_factory.mktemp("checker")
    for words in (
        ["-shared", "-fPIC", str(HERE / "realtime.c"), "-o", "realtime.so", "-ldl"],
        [str(HERE / "watched_library.c"), f"-I{ROOT / 'bindings'}", "-o", "c", "-ldl", "-lm"],
        [str(HERE / "watched.c"), f"-I{DPF}/distrho/src/ladspa", "-o", "ladspa", "-ldl", "-lm"],
    ):
        subprocess.run(["gcc", "-O1", "-fno-builtin", *words], cwd=folder, check=True)
    return folder


def watched(checker: Path, player: str, library: Path, *more: str) -> str:
    done = subprocess.run(
        [f"./{player}", str(library), *more],
        cwd=checker,
        env={"LD_PRELOAD": str(checker / "realtime.so")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("fixture", "player", "file"),
    [
        ("built", "ladspa", "test_chain-ladspa.so"),
        ("built", "c", "libtest_chain.so"),
        pytest.param("built_rooms", "c", "librooms.so", marks=pytest.mark.slow),
        pytest.param("built_fm", "c", "libbell.so", marks=pytest.mark.slow),
        pytest.param("built_lead", "c", "libtest_lead.so", marks=pytest.mark.slow),
        pytest.param("built_ducked", "c", "libtest_ducked.so", marks=pytest.mark.slow),
        pytest.param("built_wired", "c", "libtest_wired.so", marks=pytest.mark.slow),
    ],
)
def test_the_audio_thread_takes_no_memory_and_no_lock(
    checker: Path, fixture: str, player: str, file: str, request: pytest.FixtureRequest
) -> None:
    library = request.getfixturevalue(fixture) / file
    assert watched(checker, player, library) == "no sins\n"
    assert watched(checker, player, library, "sin") == "2 sins, the first a malloc\n"
