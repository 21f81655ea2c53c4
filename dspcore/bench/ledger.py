"""``results.json``: every case as it was last measured, each with its time, machine and commit."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from dspcore.bench.case import Case
from dspcore.bench.measure import Result
from dspcore.errors import UserError


@dataclass(frozen=True)
class Measured:
    """A case as it was measured.

    Args:
        op: Name of the op.
        shape: What was computed.
        when: Date and minute, UTC.
        commit: Of the sources, with `+` where they were changed since; "" outside a checkout.
        command: What was said to measure it.
        machine: What it was measured on.
        results: Ours first, then the peers.
    """

    op: str
    shape: str
    when: str
    commit: str
    command: str
    machine: dict[str, Any]
    results: list[Result]

    @property
    def name(self) -> str:
        """`op, shape`, as `Case.name`."""
        return f"{self.op}, {self.shape}"


def measured_now(case: Case, results: list[Result], command: str) -> Measured:
    """A case with the place and time of this run."""
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Measured(case.op, case.shape, when, commit(), command, machine(), results)


def machine() -> dict[str, Any]:
    """What the numbers are taken on."""
    processor = platform.processor() or platform.machine()
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        models = [
            line for line in listing.read_text().splitlines() if line.startswith("model name")
        ]
        processor = models[0].split(":", 1)[1].strip() if models else processor
    return {
        "processor": processor,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def commit() -> str:
    """The commit that dspcore's sources are at."""
    folder = Path(__file__).parents[2]

    def git(*words: str) -> str:
        said = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True)
        return said.stdout.strip() if said.returncode == 0 else ""

    found = git("rev-parse", "--short", "HEAD")
    return found + ("+" if git("status", "--porcelain", "csrc", "bindings", "dspcore") else "")


def read(path: Path) -> list[Measured]:
    """The cases of a `results.json`; none where there is no file.

    Raises:
        UserError: the file is not one that `dspcore bench` wrote.
    """
    if not path.exists():
        return []
    try:
        cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
        return [
            Measured(**{**case, "results": [Result(**result) for result in case["results"]]})
            for case in cases
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not the results.json of this version ({error}); "
            "move it away, or give --out another folder"
        ) from error


def together(
    before: Iterable[Measured], now: Iterable[Measured], cases: Sequence[Case]
) -> list[Measured]:
    """Cases measured `now` instead of `before`, in the order of `cases`; others are dropped."""
    latest = {case.name: case for case in (*before, *now)}
    return [latest[case.name] for case in cases if case.name in latest]


def write(path: Path, measured: Sequence[Measured]) -> str:
    """Writes `results.json`, and returns its text."""
    text = json.dumps({"cases": [asdict(case) for case in measured]}, indent=1) + "\n"
    path.write_text(text, encoding="utf-8")
    return text
