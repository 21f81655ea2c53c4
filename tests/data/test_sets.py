"""Manifests, audits, splits, shards and clips: of sets made here, with faults planted in them."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from click.testing import CliRunner

from dspcore import data
from dspcore.cli import main
from dspcore.data.facts import measured

RATE = 22_050


def hit(seed: int, seconds: float = 0.2, rate: int = RATE) -> np.ndarray:
    """A short burst of noise that dies away."""
    draw = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    sound = (0.5 * draw.standard_normal(len(t)) * np.exp(-t / 0.05)).clip(-0.8, 0.8)
    return sound - sound.mean()


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """Six packs of four hits each."""
    for pack in range(6):
        for i in range(4):
            path = tmp_path / "packs" / f"pack{pack}" / f"hit_{i}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, hit(10 * pack + i, 0.1 + 0.05 * i), RATE, "PCM_16")
    return tmp_path / "packs"


def kinds(findings: list[data.Finding]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for finding in findings:
        found.setdefault(finding.kind, set()).update(Path(p).name for p in finding.paths)
    return found


def test_every_planted_fault_is_named_and_a_healthy_set_is_clean(packs: Path) -> None:
    manifest = packs.parent / "set.jsonl"
    assert data.audit(data.scan([packs], manifest), manifest) == []
    bad = packs / "bad"
    bad.mkdir()
    plain = hit(99, 0.4)
    shaped = soxr.resample(hit(98, 0.8, 8_000), 8_000, RATE)
    faults = {
        "silent": 1e-4 * plain,
        "clipped": (4 * plain).clip(-1, 1),
        "dc": plain / 2 + 0.1,
        "late onset": np.concatenate([np.zeros(RATE // 5), hit(97)]),
        "too short": hit(96, 0.01),
    }
    for kind, sound in faults.items():
        soundfile.write(bad / f"{kind}.wav", sound, RATE, "PCM_24")
    soundfile.write(bad / "wrong rate.wav", shaped, RATE, "PCM_24")
    soundfile.write(bad / "odd rate.wav", hit(95, 0.2, 48_000), 48_000, "PCM_24")
    twin = packs / "pack0" / "hit_0.wav"
    (bad / "duplicate.wav").write_bytes(twin.read_bytes())
    soundfile.write(
        bad / "near duplicate.flac", 0.3 * soundfile.read(packs / "pack1/hit_3.wav")[0], RATE
    )
    (bad / "unreadable.wav").write_bytes(b"RIFF and no more")
    soundfile.write(bad / "nan.wav", np.array([0.1, np.nan]), RATE, "FLOAT")
    rows = data.scan([packs], manifest)
    found = kinds(data.audit(rows, manifest))
    assert found.pop("unreadable") == {"unreadable.wav", "nan.wav"}
    assert found.pop("duplicate") == {"duplicate.wav", "hit_0.wav"}
    assert found.pop("near duplicate") == {"near duplicate.flac", "hit_3.wav"}
    assert found == {k: {f"{k}.wav"} for k in [*faults, "wrong rate", "odd rate"]}
    page = data.audit_page(rows, data.audit(rows, manifest), manifest)
    assert all(kind in page for kind in data.audit.__globals__["KINDS"])
    assert page.count("<audio") >= 8


def test_facts_do_not_depend_on_the_blocks_that_a_file_is_read_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = (9 * hit(1, 1.0)).clip(-1, 1)
    soundfile.write(tmp_path / "x.wav", np.stack([sound, sound[::-1]], 1), RATE, "FLOAT")
    whole = measured(tmp_path / "x.wav")
    monkeypatch.setattr("dspcore.data.facts.BLOCK", 1000)
    parts = measured(tmp_path / "x.wav")
    assert (parts.clipped, parts.onset_s, parts.samples) == (whole.clipped, whole.onset_s, RATE)
    assert math.isclose(parts.rms, whole.rms, rel_tol=1e-9)
    assert whole.clipped > 10


def test_a_manifest_does_not_depend_on_the_order_of_files_and_folders(packs: Path) -> None:
    folders = sorted(packs.iterdir())
    texts = []
    for order in (folders, folders[::-1]):
        data.scan(order, packs.parent / "m.jsonl", data.Rules(tags=(("first", "hit_0*"),)))
        texts.append((packs.parent / "m.jsonl").read_text())
    assert texts[0] == texts[1]
    rows = data.read(packs.parent / "m.jsonl")
    assert sum("first" in row.tags for row in rows) == 6


@pytest.mark.parametrize("by", ["files", "seconds"])
def test_a_split_keeps_groups_and_copies_together_and_comes_within_a_point(by: str) -> None:
    draw = random.Random(1)
    rows = [
        data.Row(f"{g}/{i}.wav", f"{g}-{i}", 1000, 1, draw.randint(100, 900), 1.0, group=f"g{g}")
        for g in range(30)
        for i in range(draw.randint(5, 60))
    ]
    rows.append(data.Row("copy.wav", "3-0", 1000, 1, 500, 1.0, group="g4"))
    made = data.split(rows, seed=3, by=by)
    groups = {
        side: {row.group for row in rows if row.path in set(paths)}
        for side, paths in made.sides.items()
    }
    assert not groups["train"] & groups["valid"]
    assert made.joined == [["g3", "g4"]]
    assert sum(map(len, made.sides.values())) == len(rows)
    assert abs(made.shares["valid"] - 0.1) < 0.01
    draw.shuffle(rows)
    assert data.split(rows, seed=3, by=by) == made
    assert data.split(rows, seed=4, by=by).sides != made.sides


def test_a_split_by_speaker_says_which_words_are_on_both_sides(tmp_path: Path) -> None:
    said = {"ann": "one two three", "bob": "One four", "cyd": "two five six seven eight nine ten"}
    rows = [
        data.Row(f"{who}/{word}.wav", who + word, 8_000, 1, 10, 1.0, group=who, text=word)
        for who, words in said.items()
        for word in words.split()
    ]
    sides = {side: [r.path for r in rows if (r.group == "bob") == (side == "valid")]
             for side in ("train", "valid")}  # fmt: skip
    made = data.Split(sides, {}, {}, 0, [])
    assert data.word_overlap(rows, made) == {"train": (9, 1), "valid": (2, 1)}
    assert data.word_overlap([replace(row, text="") for row in rows], made) == {}
    data.write(tmp_path / "w.jsonl", rows)
    words = ["data", "split", str(tmp_path / "w.jsonl"), "-o", str(tmp_path / "s.json")]
    result = CliRunner().invoke(main, words)
    assert "different words" in result.output


def test_a_manifest_is_made_without_torch(packs: Path) -> None:
    # `import dspcore` brings torch; what measures files is loaded without it here.
    code = (
        "import importlib.machinery, pathlib, sys, types\n"
        "sys.modules['torch'] = None\n"
        "for name, path in zip(('dspcore', 'dspcore.data'), sys.argv[1:3]):\n"
        "    sys.modules[name] = types.ModuleType(name)\n"
        "    sys.modules[name].__path__ = [path]\n"
        "from dspcore.data.manifest import scan\n"
        "print(len(scan([sys.argv[3]], sys.argv[4])))\n"
    )
    home = Path(data.__file__).parent
    words = [str(home.parent), str(home), str(packs), str(packs.parent / "m.jsonl")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("24", 0), done.stderr
    assert (packs.parent / "m.jsonl").read_text().count("\n") == 24


def test_fifteen_hundred_hits_become_fifteen_hundred_items(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for i in range(1500):
        path = tmp_path / "hits" / f"p{i % 30}" / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, draw.uniform(-0.5, 0.5, draw.integers(800, 4000)), 8_000, "PCM_16")
    rows = data.scan([tmp_path / "hits"], tmp_path / "m.jsonl")
    form = data.Format(sample_rate=8_000, shard_megabytes=2)
    done = data.pack(rows, tmp_path / "m.jsonl", tmp_path / "shards", form)
    shards = data.Shards(tmp_path / "shards")
    assert (done.written, len(shards), done.left_out) == (1500, 1500, {})
    for i in (0, 731, 1499):
        sound, row = shards[i]
        there, _ = soundfile.read(tmp_path / row.path, dtype="float32")
        assert np.array_equal(sound[0].numpy(), there)  # 16 bits stay the bits they were
    clips = data.Clips(shards, 2000)
    batch = torch.utils.data.default_collate([clips[i] for i in range(64)])
    assert batch["audio"].shape == (64, 1, 2000)
    for sound, length in zip(batch["audio"], batch["length"], strict=True):
        assert length == 2000 or (sound[:, length:] == 0).all()
    kept = data.pack(rows, tmp_path / "m.jsonl", tmp_path / "shards", form)
    assert (kept.written, kept.kept) == (0, 1500)
    again = pickle.loads(pickle.dumps(shards))
    assert torch.equal(again[17][0], shards[17][0])


def test_random_starts_depend_on_seed_epoch_and_index_alone(packs: Path, tmp_path: Path) -> None:
    data.pack(data.scan([packs], tmp_path / "m.jsonl"), tmp_path / "m.jsonl", tmp_path / "s")
    one = data.Clips(data.Shards(tmp_path / "s"), 1000, start="random", seed=1)
    two = data.Clips(data.Shards(tmp_path / "s"), 1000, start="random", seed=1, indices=[5])
    assert torch.equal(one[5]["audio"], two[0]["audio"])
    before = one[5]["audio"]
    one.epoch = 1
    assert not torch.equal(one[5]["audio"], before)


def test_a_corrupt_file_in_the_middle_is_reported_and_the_others_are_kept(packs: Path) -> None:
    manifest, out = packs.parent / "m.jsonl", packs.parent / "s"
    data.scan([packs], manifest)
    (packs / "pack2" / "hit_1.wav").write_bytes(b"broken after the manifest was made")
    result = CliRunner().invoke(main, ["data", "shard", str(manifest), "-o", str(out), "--ship"])
    assert result.exit_code == 1
    assert "pack2/hit_1.wav" in result.output
    assert "1 of 24 files left out" in result.output
    assert len(data.Shards(out)) == 23
    with tarfile.open(packs.parent / "s.tar") as tar:
        assert len(tar.getnames()) == 46


def _pack(packs: Path) -> None:
    rows = data.read(packs.parent / "m.jsonl")
    data.pack(rows * 40, packs.parent / "m.jsonl", packs.parent / "s", data.Format(RATE, 1, 1))


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(packs: Path) -> None:
    data.scan([packs], packs.parent / "m.jsonl")
    other = multiprocessing.get_context("fork").Process(target=_pack, args=(packs,))
    other.start()
    while other.is_alive() and not list((packs.parent / "s").glob("shard-00001.json")):
        time.sleep(0.002)
    os.kill(other.pid or 0, signal.SIGKILL)
    other.join()
    _pack(packs)
    shards = sorted((packs.parent / "s").glob("shard-*"))
    mended = [path.read_bytes() for path in shards]
    for path in shards:
        path.unlink()
    _pack(packs)
    assert [path.read_bytes() for path in shards] == mended
    assert len(mended) >= 4


def test_other_rates_are_resampled_and_stereo_becomes_what_was_asked(tmp_path: Path) -> None:
    t = np.arange(48_000) / 48_000
    tone = 0.5 * np.sin(2 * np.pi * 440 * t)
    soundfile.write(tmp_path / "x.wav", np.stack([tone, -tone / 2], 1), 48_000, "PCM_24")
    rows = data.scan([tmp_path], tmp_path / "m.jsonl")
    data.pack(rows, tmp_path / "m.jsonl", tmp_path / "s", data.Format(16_000, 1))
    sound, _ = data.Shards(tmp_path / "s")[0]
    wanted = 0.125 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(sound[0].numpy() - wanted)[200:-200].max() < 1e-4


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["data", "manifest", "nowhere", "-o", "m.jsonl"], "no such folder"),
        (["data", "manifest", ".", "-o", "m.jsonl", "--group", "("], "no regular expression"),
        (["data", "audit", "lines.jsonl"], "lines.jsonl:1: no row of a manifest"),
        (["data", "split", "one.jsonl", "-o", "s.json"], "1 group(s) for 2 sides"),
        (["data", "split", "one.jsonl", "-o", "s.json", "--share", "a=b"], "a share is a number"),
        (["data", "shard", "one.jsonl", "-o", "s", "--split", "lines.jsonl"], "no split"),
    ],
)
def test_bad_input_ends_in_one_message(
    wrong: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.jsonl").write_text("no row\n")
    data.write("one.jsonl", [data.Row("a.wav", "1", 8_000, 1, 10, 1.0, group="g")])
    result = CliRunner().invoke(main, wrong)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output


def test_the_command_line_goes_from_folders_to_shards(packs: Path) -> None:
    home = packs.parent
    runner = CliRunner()
    for words in (
        f"manifest {packs} -o {home}/m.jsonl",
        f"audit {home}/m.jsonl -o {home}/a.html",
        f"split {home}/m.jsonl -o {home}/s.json --share train=0.8 --share test=0.2",
        f"shard {home}/m.jsonl --split {home}/s.json -o {home}/shards --channels mono",
    ):
        result = runner.invoke(main, ["data", *words.split()])
        assert result.exit_code == 0, result.output
    sides = json.loads((home / "s.json").read_text())["sides"]
    assert {side: len(data.Shards(home / "shards" / side)) for side in sides} == {
        side: len(paths) for side, paths in sides.items()
    }


def test_real_recordings_are_measured_whole(data_folder: Path, tmp_path: Path) -> None:
    rows = data.scan(
        [data_folder / "sonic_pi"], tmp_path / "m.jsonl", data.Rules(include=("sn_*",))
    )
    assert len(rows) >= 3
    for row in rows[:3]:
        sound, rate = soundfile.read(tmp_path / row.path, always_2d=True)
        assert (row.sample_rate, row.samples, row.channels) == (rate, *sound.shape)
        assert math.isclose(row.peak, np.abs(sound).max(), rel_tol=1e-6)
    assert replace(rows[0]) == data.read(tmp_path / "m.jsonl")[0]
