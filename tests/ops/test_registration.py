"""Ops are told to torch.library when they are first traced, or all at once when asked to."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import torch, dspcore
from dspcore.ops import RECORDS, compiling
assert not any(hasattr(torch.ops.dspcore, name) for name in RECORDS)
compiling.define()
assert all(hasattr(torch.ops.dspcore, name) for name in RECORDS)
assert all(hasattr(torch.ops.dspcore, f"{name}_backward") for name in RECORDS)
"""


@pytest.mark.slow
def test_an_import_defines_nothing_and_define_all() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
