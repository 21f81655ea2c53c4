"""`dspcore bench`: what it measures, writes and refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from dspcore import _native
from dspcore.bench import limits
from dspcore.bench.cases import CASES
from dspcore.bench.measure import Entry, backward, forward, inputs_of
from dspcore.bench.measure import Result as Found
from dspcore.bench.oscillators import bank
from dspcore.cli import main


def run(*words: str) -> Result:
    threads = torch.get_num_threads()
    try:
        return CliRunner().invoke(main, ["bench", *words])
    finally:
        torch.set_num_threads(threads)


@pytest.mark.usefixtures("native")
def test_a_case_is_measured_and_written(tmp_path: Path) -> None:
    said = run("--quick", "--case", "a block of 2 x 512", "--out", str(tmp_path / "out"))
    assert said.exit_code == 0, said.output
    assert "x the machine's limit" in said.output
    (case,) = json.loads((tmp_path / "out" / "results.json").read_text())["cases"]
    (ours,) = case["results"]  # peers only when asked for
    assert ours["seconds"]["forward"] > ours["limit_seconds"]["forward"] > 0
    assert "machine's limit" in (tmp_path / "out" / "RESULTS.md").read_text()
    assert (tmp_path / "out" / "speed.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("native")
def test_a_peer_is_compared_before_it_is_timed(tmp_path: Path) -> None:
    said = run("--peers", "--quick", "--case", "a block of 2 x 512", "--out", str(tmp_path))
    assert said.exit_code == 0, said.output
    (case,) = json.loads((tmp_path / "results.json").read_text())["cases"]
    scipy = next(r for r in case["results"] if r["name"].startswith("scipy"))
    assert scipy["difference_db"] < -60
    assert scipy["seconds"]["forward"] > 0


@pytest.mark.usefixtures("native")
def test_cases_measured_one_by_one_make_one_page(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    first, second = (
        case for case in CASES if "a block of 2 x 512" in case.name or case.op == "sine_layer"
    )
    for case in (second, first):
        said = run("--quick", "--case", case.name, "--out", str(tmp_path))
        assert said.exit_code == 0, said.output
    before, last = json.loads(kept.read_text())["cases"]  # in the order of the list
    assert [before["shape"], last["shape"]] == [first.shape, second.shape]
    assert all(c["when"].endswith("UTC") and c["machine"]["processor"] for c in (before, last))
    page = (tmp_path / "RESULTS.md").read_text()
    assert page.index(f"## {first.name}") < page.index(f"## {second.name}")
    assert f"commit {last['commit'] or 'unknown'}" in page

    said = run("--quick", "--case", second.name, "--out", str(tmp_path))
    again = json.loads(kept.read_text())["cases"]
    assert again[0] == before
    assert again[1]["results"] != last["results"]

    (tmp_path / "RESULTS.md").unlink()
    text = kept.read_text()
    assert run("--redraw", "--out", str(tmp_path)).exit_code == 0
    assert kept.read_text() == text
    assert f"## {second.name}" in (tmp_path / "RESULTS.md").read_text()


def test_a_foreign_file_of_results_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"cases": [{"op": "x", "shape": "y", "results": []}]}')
    said = run("--redraw", "--out", str(tmp_path))
    assert said.exit_code == 1
    assert "results.json: not the results.json of this version" in said.output
    assert '"shape": "y"' in (tmp_path / "results.json").read_text()


def test_an_unknown_case_is_refused() -> None:
    said = run("--case", "bassoon")
    assert said.exit_code == 1
    assert "no case has 'bassoon' in its name; --list names them all" in said.output


def test_every_case_has_a_name_of_its_own_and_inputs() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    for case in CASES:
        if "882,000" not in case.name:
            given = inputs_of(case)
            assert set(case.learned) <= set(given)


def test_memory_is_counted() -> None:
    if limits.peak_bytes(lambda: None) is None:
        pytest.xfail("only Linux tells")
    assert limits.peak_bytes(lambda: torch.ones(8_000_000)) > 25e6


@pytest.mark.slow
@pytest.mark.usefixtures("native")
def test_a_bank_is_ten_times_as_fast_as_eager_forward_and_backward() -> None:
    """Check 23 of the sine networks: CPU times in turns, so that a neighbour hits both.

    With AVX-512, as CI builds it where there is one; twice as fast with less.
    """
    least = 10 if _native.info()["cpu"]["instruction_set"] == "avx512" else 2
    case = bank(1, 100, 16_000, 64)
    entries = [Entry.load(case, peer, Found(peer.name)) for peer in case.contenders[:2]]

    def seconds(run: Callable[[Entry], object], entry: Entry) -> float:
        begun = time.process_time()
        run(entry)
        return time.process_time() - begun

    for run in (lambda entry: forward(entry.run, entry.inputs), backward):
        times = [[seconds(run, entry) for entry in entries] for _ in range(5)]
        ours, eager = (min(column) for column in zip(*times, strict=True))
        assert eager > least * ours
