"""``python -m bench.plugins scan.json``: write PLUGINS.md, the scan by Debian package and format.

scan.json is what ``dspcore plugins scan --json`` printed on this machine.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import Any

from dspcore.blackbox import find, hosts

HERE = Path(__file__).parent
BEGIN, END = "<!-- begin: python -m bench.plugins -->", "<!-- end -->"


def main(scan: str) -> None:
    """Fill the tables of PLUGINS.md."""
    rows = json.loads(Path(scan).read_text(encoding="utf-8"))
    page = HERE / "PLUGINS.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    text = "\n".join([*by_host(rows), "", *by_package(rows), "", *others(rows)])
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
    print(f"{page}: written")


def by_host(rows: list[dict[str, Any]]) -> list[str]:
    """Counts by host and format."""
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        groups[f"{row['host']} | {row['format']}"][row["status"]] += 1
    lines = ["| host | format | plug-ins | ok | other |", "| --- | --- | --- | --- | --- |"]
    return [*lines, *(_line(name, counts) for name, counts in sorted(groups.items()))]


def by_package(rows: list[dict[str, Any]]) -> list[str]:
    """Counts by Debian package, format and host."""
    packages = _packages(
        [row.get("file") or _files()[row["host"], row["identity"]] for row in rows]
    )
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        file = row.get("file") or _files()[row["host"], row["identity"]]
        package = packages.get(file, "no package") if file else "pedalboard (PyPI)"
        groups[f"{package} | {row['format']} | {row['host']}"][row["status"]] += 1
    lines = ["| package | format | host | plug-ins | ok | other |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    return [*lines, *(_line(name, counts) for name, counts in sorted(groups.items()))]


def others(rows: list[dict[str, Any]]) -> list[str]:
    """The plug-ins with sound out that gave none, or no instance, by name."""
    groups: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row["status"] not in ("ok", "no audio"):
            groups[row["status"]].append(f"{row['host']} {row['plugin']}")
    return [f"- {status}: {', '.join(sorted(names))}" for status, names in sorted(groups.items())]


def _line(name: str, counts: Counter[str]) -> str:
    rest = ", ".join(f"{n} {status}" for status, n in counts.most_common() if status != "ok")
    return f"| {name} | {sum(counts.values())} | {counts['ok']} | {rest} |"


@cache
def _files() -> dict[tuple[str, str], str]:
    entries = (each for host in hosts.names() for each in find.index(host))
    return {(each.host, each.identity): each.file for each in entries}


def _packages(files: list[str]) -> dict[str, str]:
    """The Debian package of each file."""
    wanted = {file: os.path.realpath(file) for file in set(files) if file}
    command = ["dpkg", "-S", *sorted(set(wanted.values()))]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    owner = dict(
        (match[2], match[1])
        for line in said.splitlines()
        if (match := re.match(r"([^:,]+)(?::\w+)?: (.+)$", line))
    )
    return {file: owner[real] for file, real in wanted.items() if real in owner}


if __name__ == "__main__":
    main(sys.argv[1])
