"""The results as Markdown for a reader and as JSON for a program."""

from __future__ import annotations

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from bench.case import Case
from bench.measure import Result

Measured = list[tuple[Case, list[Result]]]


def machine() -> dict[str, Any]:
    """What the numbers were taken on."""
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


def _db(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _time(result: Result, ours: Result, kind: str) -> tuple[str, str]:
    """Milliseconds, and how many times as long as ours."""
    if kind not in result.seconds:
        return "", ""
    seconds = result.seconds[kind]
    mark = "" if result.rounds[kind] > 2 else "*"
    ratio = "" if result is ours else f"{seconds / ours.seconds[kind]:.1f}x{mark}"
    return f"{1e3 * seconds:.3g}", ratio


def _row(result: Result, ours: Result) -> str:
    cells = [f"{result.name} {result.version}".strip()]
    cells += [*_time(result, ours, "forward"), *_time(result, ours, "forward+backward")]
    cells += [_db(result.difference_db) if result is not ours else ""]
    cells += [_db(result.gradient_difference_db) if result is not ours else ""]
    cells += [_db(result.error_db), result.problem]
    return "| " + " | ".join(cells) + " |"


def markdown(measured: Measured, command: str) -> str:
    """The whole page."""
    about = machine()
    lines = [
        "# Speed beside other libraries",
        "",
        f"{about['processor']}, one thread, torch {about['torch']}, Python {about['python']}.",
        f"Written by `{command}`; README.md says how to read it. Nothing here ran on a GPU.",
    ]
    for case, results in measured:
        lines += [
            "",
            f"## {case.name}",
            "",
            "| | forward, ms | x ours | forward+backward, ms | x ours | output from ours, dB "
            "| gradient from ours, dB | error, dB | |",
            "|---|---|---|---|---|---|---|---|---|",
            *(_row(result, results[0]) for result in results),
        ]
    return "\n".join(lines) + "\n"


def record(measured: Measured, command: str) -> dict[str, Any]:
    """The same for a program."""
    cases = [
        {"op": case.op, "shape": case.shape, "results": [asdict(result) for result in results]}
        for case, results in measured
    ]
    return {"command": command, "machine": machine(), "cases": cases}
