"""Data sets: the same whatever happens on the way, and nothing lost when something does."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_synths as synths

from dspcore.errors import UserError
from dspcore.notes import Note
from dspcore.patches import Dataset, Gates, LogMel, NoteRange, Recipe, Renderer, generate
from dspcore.patches.engines import Slurm, Task
from dspcore.patches.generating import LOG, begin, finish, make_shards
from dspcore.patches.recipe import read_recipe
from dspcore.patches.shards import digest_of
from dspcore.patches.webdataset import export_webdataset

Open = Callable[..., Renderer]
COUNT, ROWS = 20, 8


def made(renderer: Renderer, folder: Path, **told: Any) -> dict[str, Any]:
    return generate(renderer, folder, COUNT, seed=3, shard_rows=ROWS, **told)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def test_order_workers_and_interruptions_change_no_bit(opened: Open, tmp_path: Path) -> None:
    manifest = made(opened("plain"), tmp_path / "one")
    renderer = opened("plain", workers=3)
    recipe = Recipe.of(renderer, count=COUNT, seed=3, shard_rows=ROWS)
    assert begin(recipe, tmp_path / "two") == [0, 1, 2]
    make_shards(recipe, renderer, tmp_path / "two", [2])
    (tmp_path / "two" / ".shard-00001.parquet.abcd.part").write_bytes(b"half")
    (tmp_path / "two" / "shard-00000.parquet").write_bytes(b"PAR1 broken off")
    assert finish(recipe, tmp_path / "two") is None
    assert made(renderer, tmp_path / "two")["digest"] == manifest["digest"]
    assert files(tmp_path / "two") == files(tmp_path / "one")
    assert not list((tmp_path / "two").glob(".*.part"))


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_digest(opened: Open, tmp_path: Path) -> None:
    words = ["synth", "generate", f"function:{synths.HERE}:slow", "--out", str(tmp_path / "killed")]
    words += ["--count", "60", "--seed", "3", "--shard-rows", "10", "--isolation", "none"]
    words += ["--sample-rate", "8000", "--seconds", "0.5", "--workers", "1", "--hold", "0.4"]
    command = [sys.executable, "-m", "dspcore.cli", *words]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
        until = time.monotonic() + 60
        while not (tmp_path / "killed" / "shard-00001.parquet").exists():
            assert run.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
    assert not (tmp_path / "killed" / "manifest.json").exists()
    renderer = opened("slow", isolation="none")
    told = {"seed": 3, "shard_rows": 10}
    again = generate(renderer, tmp_path / "killed", 60, **told)
    whole = generate(renderer.with_setting(), tmp_path / "whole", 60, **told)
    assert again["digest"] == whole["digest"]
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_a_row_is_what_its_draw_and_the_synth_say(opened: Open, tmp_path: Path) -> None:
    renderer = opened("plain")
    made(renderer, tmp_path, notes=NoteRange(pitch=(48, 72), seconds=0.4))
    dataset = Dataset(tmp_path, renderer.space)
    assert len(dataset) == COUNT
    assert len({note.pitch for note in dataset.notes}) > 5
    for i in (0, 9, 19):
        sound = renderer.render(dataset.encoded[i], dataset.notes[i])
        assert abs(sound - dataset.audio(i)).max() < 2**-23  # 24 bits
        np.testing.assert_array_equal(sound, renderer.render(dataset.patch(i), dataset.notes[i]))
    features = dataset.features()
    heard = LogMel(8_000)
    np.testing.assert_array_equal(features[9], heard(dataset.audio(9)[0]))
    assert dataset.features() is not features
    assert len(list((tmp_path / "features").glob("*.npy"))) == 1
    dataset.features(LogMel(8_000, bands=8))
    assert len(list((tmp_path / "features").glob("*.npy"))) == 2


def test_refused_sounds_are_drawn_again_and_counted(opened: Open, tmp_path: Path) -> None:
    renderer = opened("plain", workers=2)
    manifest = made(renderer, tmp_path, gates=Gates(floor_lufs=-12.0))
    dataset = Dataset(tmp_path)
    assert (dataset.lufs >= -12).all()
    assert manifest["rows"] == COUNT
    again = int(dataset.attempts.sum())
    assert manifest["refused"] == {"silent": again}
    assert manifest["rejection_rate"] == pytest.approx(again / (COUNT + again), abs=1e-6)
    assert again > 0
    sampler = Recipe.of(renderer, seed=3).sampler()
    for i in range(COUNT):
        own, _ = sampler.draw(i, int(dataset.attempts[i]))
        np.testing.assert_array_equal(own, dataset.encoded[i])


def test_a_sound_that_is_cut_off_is_drawn_again_where_that_is_asked_for(
    opened: Open, tmp_path: Path
) -> None:
    renderer = opened("plain", note=Note(0.0, 1.0, 60))  # held beyond the end of the sound
    manifest = made(renderer, tmp_path / "cut", gates=Gates(None, None, tail_db=-6.0))
    sounds = list(Dataset(tmp_path / "cut").sounds())
    assert manifest["refused"]["unfinished"] == sum(Dataset(tmp_path / "cut").attempts) > 0
    assert max(float(np.sqrt(np.mean(s[:, -400:] ** 2))) for s in sounds) <= 10 ** (-6 / 20)
    over = made(opened("plain"), tmp_path / "over", gates=Gates(None, None, tail_db=-60.0))
    assert over["refused"] == {}
    recipe = read_recipe(tmp_path / "over")
    assert recipe.gates.tail_db == -60.0
    assert "tail_db" not in Recipe.of(renderer).to_dict()["gates"]


def test_a_crash_and_a_hang_cost_their_rows_and_are_logged(opened: Open, tmp_path: Path) -> None:
    renderer = opened("fragile", isolation="zygote", deadline_s=0.4, seconds=0.2, workers=2)
    gates = Gates(floor_lufs=None, ceiling_db=6.0)
    recipe = Recipe.of(renderer, count=60, gates=gates, seed=1)
    levels = recipe.sampler().patches(0, 60)[:, renderer.space.column("level")]
    crashes = np.flatnonzero(levels > synths.CRASHES).tolist()
    hangs = np.flatnonzero(levels < synths.HANGS).tolist()
    assert crashes
    assert hangs
    manifest = generate(renderer, tmp_path, 60, gates=gates, seed=1)
    first = {row["index"]: row["kind"] for row in manifest["lost"] if row["attempt"] == 0}
    assert first == dict.fromkeys(crashes, "crash") | dict.fromkeys(hangs, "hang")
    assert manifest["rows"] == 60 - len(manifest["lost"])
    nan = int(((levels > synths.NAN[0]) & (levels < synths.NAN[1])).sum())
    loud = int(((levels > synths.LOUD[0]) & (levels < synths.LOUD[1])).sum())
    assert manifest["refused"]["not finite"] >= nan > 0
    assert manifest["refused"]["loud"] >= loud > 0
    log = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert {line["index"] for line in log} == {row["index"] for row in manifest["lost"]}
    assert any("SIGSEGV" in line["text"] for line in log)


def test_a_sound_above_full_scale_is_kept_as_it_is(opened: Open, tmp_path: Path) -> None:
    renderer = opened("fragile", fixed={"level": 0.72})
    generate(renderer, tmp_path, 2, gates=Gates(None, None))
    dataset = Dataset(tmp_path)
    np.testing.assert_array_equal(dataset.audio(1), renderer.render(dataset.encoded[1]))
    assert abs(dataset.audio(1)).max() > 1


def test_a_full_disk_is_said_and_loses_nothing(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer = opened("plain")
    whole = made(renderer, tmp_path / "whole")
    real, calls = os.fsync, []

    def full(number: int) -> None:
        calls.append(number)
        if len(calls) > 2:  # the recipe and the first shard
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number)

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="the disk is full"):
        made(renderer, tmp_path / "full")
    monkeypatch.undo()
    assert set(files(tmp_path / "full")) == {"shard-00000.parquet"}
    assert made(renderer, tmp_path / "full")["digest"] == whole["digest"]


def test_a_folder_of_another_data_set_is_left_alone(opened: Open, tmp_path: Path) -> None:
    made(opened("plain"), tmp_path)
    with pytest.raises(UserError, match="its seed is 3, wanted 0; take another folder"):
        generate(opened("plain"), tmp_path, COUNT, shard_rows=ROWS)
    with pytest.raises(UserError, match=r"level: .* there"):
        made(opened("plain", fixed={"level": 0.5}), tmp_path)


def test_a_space_that_does_not_fit_the_data_is_refused(opened: Open, tmp_path: Path) -> None:
    renderer = opened("plain")
    made(renderer, tmp_path)
    with pytest.raises(UserError, match="belongs to another parameter space"):
        Dataset(tmp_path, renderer.space.fixed({"level": 0.5}))


def test_another_version_of_the_synth_is_refused(opened: Open, tmp_path: Path) -> None:
    source = tmp_path / "own.py"
    text = synths.HERE.read_text()
    source.write_text(text)
    told = {"sample_rate": 8_000, "workers": 1, "isolation": "none"}
    from dspcore.patches import open_renderer

    with open_renderer(f"function:{source}:plain", **told) as renderer:
        recipe = Recipe.of(renderer, count=4)
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())), "test")
    assert again.fingerprint == recipe.fingerprint
    source.write_text(text.replace('"Level", 0.0, 1.0', '"Level", 0.0, 2.0'))
    from dspcore.blackbox.loading import described

    described.cache_clear()
    with pytest.raises(UserError, match="has other parameters than when this data set was begun"):
        again.renderer()


def test_a_data_set_is_read_where_its_synth_is_not_installed(opened: Open, tmp_path: Path) -> None:
    made(opened("plain"), tmp_path)
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['dawdreamer', 'vita', 'pedalboard', 'cffi']))\n"
        "from dspcore.patches import Dataset\n"
        f"found = Dataset({str(tmp_path)!r})\n"
        "found.features()\n"
        f"sys.exit(len(found) != {COUNT} or found.space.size != 3)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_webdataset_holds_the_same_rows(opened: Open, tmp_path: Path) -> None:
    made(opened("plain"), tmp_path / "set")
    dataset = Dataset(tmp_path / "set")
    tars = export_webdataset(dataset, tmp_path / "tars", rows=15)
    assert [path.name for path in tars] == ["patches-00000.tar", "patches-00001.tar"]
    with tarfile.open(tars[1]) as tar:
        assert tar.getnames()[:2] == ["000000015.flac", "000000015.json"]
        member = tar.extractfile("000000015.json")
        assert member is not None
        words = json.loads(member.read())
    assert words["encoded"] == dataset.encoded[15].tolist()
    assert words["patch"] == dataset.patch(15)


def test_slurm_script_and_the_same_jobs_here(opened: Open, tmp_path: Path) -> None:
    renderer = opened("plain", isolation="none")
    whole = made(renderer, tmp_path / "whole")
    recipe = Recipe.of(renderer, count=COUNT, seed=3, shard_rows=ROWS)
    home = tmp_path / "jobs"
    numbers = begin(recipe, home)
    slurm = Slurm(tasks=2, cpus=2, minutes=30, partition="cpu", at_once=1)
    tasks = slurm.shared_out(home, numbers)
    assert [task.shards for task in tasks] == [(0, 2), (1,)]
    script = slurm.script(home, tasks)
    for line in ("--array=0-1%1", "--cpus-per-task=2", "--time=30", "--partition=cpu"):
        assert f"#SBATCH {line}\n" in script
    assert "#SBATCH --signal=USR2@120" in script
    assert f"submitit.core._submit {home.resolve()}/slurm" in script
    assert tasks[0].checkpoint().function.shards == (0, 2)  # a requeued job goes on
    for task in tasks[::-1]:
        Task(task.folder, task.shards, 1)()
    manifest = json.loads((home / "manifest.json").read_text())
    assert manifest["digest"] == whole["digest"]


@pytest.mark.slow
def test_submitit_runs_the_tasks_in_processes_of_its_own(opened: Open, tmp_path: Path) -> None:
    recipe = Recipe.of(opened("plain", isolation="none"), count=COUNT, seed=3, shard_rows=ROWS)
    slurm = Slurm(tasks=2, cpus=1, cluster="local")
    tasks = slurm.shared_out(tmp_path, begin(recipe, tmp_path))
    done = [job.result() for job in slurm.submit(tmp_path, tasks)]
    assert done == [2, 1]
    assert len(Dataset(tmp_path)) == COUNT


def test_digests_tell_sounds_apart() -> None:
    one = np.zeros((1, 4), np.float32)
    other = one.copy()
    other[0, 2] = np.float32(2**-30)
    assert digest_of(one) != digest_of(other)
