"""Exported convolutions, voices and graphs keep the rules of real time, as a LADSPA chain does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what plays a library, and what watches it."""
    folder = tmp_path_factory.mktemp("checker")
    for words in (
        ["-shared", "-fPIC", str(HERE / "realtime.c"), "-o", "realtime.so", "-ldl"],
        [str(HERE / "watched_library.c"), f"-I{ROOT / 'bindings'}", "-o", "watched", "-ldl", "-lm"],
    ):
        subprocess.run(["gcc", "-O1", "-fno-builtin", *words], cwd=folder, check=True)
    return folder


def watched(checker: Path, library: Path, *more: str) -> str:
    done = subprocess.run(
        ["./watched", str(library), *more],
        cwd=checker,
        env={"LD_PRELOAD": str(checker / "realtime.so")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("fixture", "file"),
    [
        ("built_rooms", "librooms.so"),
        ("built_fm", "libbell.so"),
        ("built_lead", "libtest_lead.so"),
        ("built_ducked", "libtest_ducked.so"),
        ("built_wired", "libtest_wired.so"),
    ],
)
def test_the_audio_thread_takes_no_memory_and_no_lock(
    checker: Path, fixture: str, file: str, request: pytest.FixtureRequest
) -> None:
    library = request.getfixturevalue(fixture) / file
    assert watched(checker, library) == "no sins\n"
    assert watched(checker, library, "sin") == "2 sins, the first a malloc\n"
