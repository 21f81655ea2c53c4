"""Training loops on another device than the CPU: device_cases.py, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize("device", ["second", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_black_boxes_work_in_a_loop_on(device: str) -> None:
    """ "second" is registered for good in the process that has it: see second_device.py."""
    cases = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "device_cases.py"]
    done = subprocess.run(
        [*cases, "--rootdir", str(HERE.parents[1]), "-c", str(HERE.parents[1] / "pyproject.toml")],
        env={**os.environ, "DSPCORE_TEST_DEVICE": device},
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
