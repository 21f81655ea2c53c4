"""Exported plug-ins in other people's hands: LV2's validator, a scan of all, a newcomer."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from exported import distance_db

from dspcore import audio, load_preset, save_preset
from dspcore.cli import main
from dspcore.export.library import Library

ROOT = Path(__file__).parents[2]
#: Where each format is looked for, and what an export calls it.
FOLDERS = {"VST3_PATH": "*.vst3", "VST_PATH": "*-vst2.so", "LV2_PATH": "*.lv2",
           "CLAP_PATH": "*.clap", "LADSPA_PATH": "*-ladspa.so"}  # fmt: skip


@pytest.mark.parametrize(
    ("fixture", "bundle"),
    [
        ("built", "test_chain.lv2"),
        pytest.param("built_lead", "test_lead.lv2", marks=pytest.mark.slow),
        pytest.param("built_ducked", "test_ducked.lv2", marks=pytest.mark.slow),
        pytest.param("built_wired", "test_wired.lv2", marks=pytest.mark.slow),
    ],
)
def test_lv2_descriptions_are_valid(
    fixture: str, bundle: str, request: pytest.FixtureRequest
) -> None:
    if shutil.which("lv2_validate") is None:
        pytest.skip("needs lv2-dev and sordi")
    files = [str(path) for path in (request.getfixturevalue(fixture) / bundle).glob("*.ttl")]
    assert len(files) == 2
    done = subprocess.run(["lv2_validate", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_scan_of_every_format_finds_no_fault(
    built: Path,
    built_lead: Path,
    built_ducked: Path,
    built_wired: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, pattern in FOLDERS.items():
        folder = tmp_path / variable
        folder.mkdir()
        for place in (built, built_lead, built_ducked, built_wired):
            for plugin in place.glob(pattern):
                (folder / plugin.name).symlink_to(plugin)
        monkeypatch.setenv(variable, str(folder))
    result = CliRunner().invoke(main, ["plugins", "scan", "test", "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert {row["status"] for row in rows} == {"ok"}, rows
    counts = Counter((row["host"], row["format"]) for row in rows)
    assert sorted(counts.values()) == [1, 3, 3, 3, 4, 4], counts


@pytest.mark.slow
def test_a_fitted_chain_becomes_a_plugin_by_the_commands_of_the_readme(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    (match,) = (line.split()[3:] for line in lines if line.startswith("$ dspcore match "))
    (export,) = (line for line in lines if line.startswith("$ dspcore export result/"))
    sound, rate = audio.read(data_folder / "sonic_pi" / "loop_amen.flac")
    audio.write("dry.wav", sound[:, :rate], rate)

    def run(*words: str) -> None:
        result = CliRunner().invoke(main, list(words))
        assert result.exit_code == 0, result.output

    run("preset", "new", "eq", "compressor", "-o", "chain.toml")
    start = load_preset("chain.toml", rate)
    (low_cut,) = (name for name in start.param_names if name.endswith("low_cut_hz"))
    save_preset(start.with_values({low_cut: 300.0}), "hidden.toml")
    run("render", "hidden.toml", "dry.wav", "-o", "reference.wav")
    run("match", *match, "--limit", "4")
    assert '--name "My Chain" --out build/' in export
    run("export", "result/preset.toml", "--format", "clap", "c", "--name", "My Chain",
        "--out", "build/")  # fmt: skip
    assert Path("build", "My Chain.clap").is_file()
    library = Library(Path("build/libmy_chain.so"), rate)
    fitted = load_preset("result/preset.toml", rate)
    with torch.no_grad():
        wanted = fitted(sound[None, :, :rate].expand(1, 2, -1).double())[0].numpy()
    got = library.process(np.ascontiguousarray(sound[:, :rate].expand(2, -1).numpy()))
    assert distance_db(got, wanted) < -120
