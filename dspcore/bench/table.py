"""The results as Markdown for a reader."""

from __future__ import annotations

from collections.abc import Sequence

from dspcore.bench.ledger import Measured
from dspcore.bench.measure import Result


def ratio(result: Result, ours: Result, kind: str) -> float | None:
    """How many times as long as ours; None where one of the two has no time."""
    if kind not in result.seconds or kind not in ours.seconds:
        return None
    return result.seconds[kind] / ours.seconds[kind]


def summary(results: list[Result]) -> list[str]:
    """A line for each contender, for a terminal."""
    ours, lines = results[0], []
    for result in results:
        said = []
        for kind, seconds in result.seconds.items():
            times = ratio(result, ours, kind)
            if result is ours:
                far = seconds / ours.limit_seconds[kind]
                said.append(f"{kind} {1e3 * seconds:.3g} ms, {far:.1f}x the machine's limit")
            else:
                said.append(f"{kind} {times:.1f}x ours")
        lines.append(f"{result.name}: {'; '.join(said) or result.problem}")
    return lines


_HEAD = (
    "",
    "forward, ms",
    "x ours",
    "peak, MB",
    "forward+backward, ms",
    "x ours",
    "peak, MB",
    "output from ours, dB",
    "gradient from ours, dB",
    "error, dB",
    "",
)


def _db(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _pass(result: Result, ours: Result, kind: str) -> list[str]:
    """Milliseconds, how many times as long as ours, and megabytes held at most."""
    if kind not in result.seconds:
        return ["", "", ""]
    mark = "" if result.rounds[kind] > 2 else "*"
    times = "" if result is ours else f"{ratio(result, ours, kind):.1f}x{mark}"
    peak = result.peak_bytes.get(kind)
    held = "" if peak is None else f"{peak / 1e6:.3g}"
    return [f"{1e3 * result.seconds[kind]:.3g}", times, held]


def _row(result: Result, ours: Result) -> str:
    cells = [f"{result.name} {result.version}".strip()]
    cells += [*_pass(result, ours, "forward"), *_pass(result, ours, "forward+backward")]
    cells += [_db(result.difference_db) if result is not ours else ""]
    cells += [_db(result.gradient_difference_db) if result is not ours else ""]
    cells += [_db(result.error_db), result.problem]
    return "| " + " | ".join(cells) + " |"


def _limit(ours: Result) -> str:
    """The machine's limit, as a row."""
    cells = ["machine's limit"]
    for kind in ("forward", "forward+backward"):
        if kind in ours.seconds:
            limit = ours.limit_seconds[kind]
            cells += [f"{1e3 * limit:.3g}", f"{limit / ours.seconds[kind]:.2f}x", ""]
        else:
            cells += ["", "", ""]
    return "| " + " | ".join([*cells, "", "", "", ""]) + " |"


def markdown(measured: Sequence[Measured]) -> str:
    """The whole page."""
    lines = [
        "# Speed beside other libraries",
        "",
        "Written by `dspcore bench`; README.md says how to read it. Nothing here ran on a GPU.",
        "Every case says when, where and on which commit it was measured.",
    ]
    for case in measured:
        about = case.machine
        lines += [
            "",
            f"## {case.name}",
            "",
            f"{case.when}, commit {case.commit or 'unknown'}, {about['processor']}, "
            f"{about['cpu_capability']}, one thread, torch {about['torch']}, "
            f"Python {about['python']}: `{case.command}`",
            "",
            "| " + " | ".join(_HEAD) + " |",
            "|---" * len(_HEAD) + "|",
            *(_row(result, case.results[0]) for result in case.results),
            _limit(case.results[0]),
        ]
    return "\n".join(lines) + "\n"
