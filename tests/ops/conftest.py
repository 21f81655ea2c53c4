"""Fixtures of the op tests."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest
import torch


@pytest.fixture(scope="session")
def emulated() -> Any:
    try:
        module = importlib.import_module("dspcore._emulated")
    except ImportError as error:
        why = f"{error}; build with -C cmake.define.DSPCORE_EMULATE_CUDA=ON (make setup does)"
        if os.environ.get("DSPCORE_REQUIRE_NATIVE") == "1":
            pytest.fail(why)
        pytest.skip(why)
    module.use_exchange_api(torch.Tensor.__dlpack_c_exchange_api__)
    return module
