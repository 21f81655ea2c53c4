"""The same cases for pytest-benchmark, to compare a working tree with what was saved before."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dspcore.bench.case import Case, Contender
from dspcore.bench.cases import CASES
from dspcore.bench.measure import Entry, Result, backward, forward

PAIRS = [
    pytest.param(case, contender, kind, id=f"{case.name}-{contender.name}-{kind}")
    for case in CASES
    for contender in case.contenders
    for kind in ("forward", "forward+backward")
    if not contender.slow and (kind == "forward" or (case.learned and contender.gradient))
]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("case", "contender", "kind"), PAIRS)
def test_speed(benchmark: Any, case: Case, contender: Contender, kind: str) -> None:
    torch.set_num_threads(1)
    try:
        entry = Entry.load(case, contender, Result(contender.name))
    except ImportError as error:
        pytest.skip(f"{contender.package} is not installed: {error}")
    benchmark.group = f"{case.name}, {kind}"
    if kind == "forward":
        benchmark(forward, entry.run, entry.inputs)
    else:
        benchmark(backward, entry)
