"""The command line as a person uses it: results, messages, exit codes, files on the disk."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner, Result

from dspcore import audio
from dspcore.cli import COMMANDS, main
from dspcore.effects import Effect, Gain


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def sound(path: str, rate: int = 44_100, samples: int = 2_000) -> torch.Tensor:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    data = 0.25 * torch.rand(2, samples)
    audio.write(path, data, rate)
    return data


@pytest.fixture
def chain() -> str:
    Path("chain.toml").write_text('dspcore = 1\n[[effect]]\ntype = "gain"\ngain_db = -6\n')
    return "chain.toml"


def tree() -> list[str]:
    return sorted(str(p) for p in Path().rglob("*") if p.is_file() and p.name != "chain.toml")


def test_help_lists_every_command_and_each_has_an_example() -> None:
    listing = run("--help").output
    for name in COMMANDS:
        assert f"  {name} " in listing
        text = run(name, "--help").output
        assert "Example" in text
        assert f"dspcore {name}" in text
    for name in ("new", "show"):
        assert "Example" in run("preset", name, "--help").output
        assert "--debug" in run("preset", name, "--help").output


def test_an_unknown_command_or_option_is_a_usage_error() -> None:
    for arguments in (("rendr",), ("render", "--nope"), ("render",)):
        assert run(*arguments).exit_code == 2


def test_render_a_file(chain: str) -> None:
    data = sound("in.wav")
    done = run("render", chain, "in.wav", "-o", "out.flac")
    assert done.exit_code == 0
    assert done.output.startswith("out.flac: 0.05 s, stereo, 44100 Hz, PCM_24, peak ")
    out, rate = audio.read("out.flac")
    assert rate == 44_100
    torch.testing.assert_close(out, data * 10 ** (-6 / 20), atol=1e-6, rtol=0)


def test_render_options(echo: type[Effect]) -> None:
    sound("in.wav")
    text = 'dspcore = 1\n[[effect]]\ntype = "echo"\nfeedback = 0.5\n'
    Path("echo.toml").write_text(text)
    assert run("render", "echo.toml", "in.wav", "-o", "auto.wav").exit_code == 0
    assert audio.read("auto.wav")[0].shape[1] == 2_997  # 100 samples a halving, -60 dB
    options = ("--tail", "0", "--normalize", "-3dBFS", "--subtype", "PCM_16", "--block", "7")
    assert run("render", "echo.toml", "in.wav", "-o", "out.wav", *options).exit_code == 0
    assert soundfile.info("out.wav").subtype == "PCM_16"
    out = audio.read("out.wav")[0]
    assert out.shape[1] == 2_000
    assert float(out.abs().max()) == pytest.approx(10 ** (-3 / 20), abs=1e-4)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_folder_keeps_its_structure_and_a_bad_file_stops_no_other(chain: str, jobs: str) -> None:
    sound("in/a.wav")
    sound("in/deep/b.flac")
    Path("in/notes.txt").write_text("not audio")
    Path("in/broken.wav").write_text("not audio")
    Path("loud").mkdir()
    soundfile.write("loud/c.wav", np.full(100, 4.0), 8_000, "FLOAT")
    done = run("render", chain, "in", "loud/c.wav", "missing.wav", "-o", "out", "--jobs", jobs)
    assert done.exit_code == 1
    assert "out: 2 of 5 files rendered" in done.output
    assert "left alone: in/notes.txt" in done.output
    assert "3 failed:" in done.output
    for message in (
        "in/broken.wav: no audio that can be read",
        "out/c.wav: a peak of +6.04 dBFS would clip",
        "missing.wav: no such file",
    ):
        assert done.output.count(message) == 1
    assert [path for path in tree() if path.startswith("out")] == ["out/a.wav", "out/deep/b.flac"]


def test_processes_give_the_same_files(chain: str) -> None:
    for i in range(3):
        sound(f"in/{i}.wav", samples=50_000)
    for jobs in ("1", "2"):
        assert run("render", chain, "in", "-o", f"out{jobs}", "--jobs", jobs).exit_code == 0
    for i in range(3):
        assert Path(f"out1/{i}.wav").read_bytes() == Path(f"out2/{i}.wav").read_bytes()


def test_patterns_and_formats(chain: str) -> None:
    sound("in/a.wav")
    sound("in/deep/b.wav")
    sound("in/c.flac")
    done = run("render", chain, "in/**/*.wav", "-o", "out/", "--format", "flac")
    assert done.exit_code == 0
    assert [p for p in tree() if p.startswith("out")] == ["out/a.flac", "out/deep/b.flac"]
    assert soundfile.info("out/a.flac").format == "FLAC"
    again = run("render", chain, "in", "-o", "in/out")
    assert again.exit_code == 0
    assert run("render", chain, "in", "-o", "in/out", "--overwrite").exit_code == 0
    assert not Path("in/out/out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav", "-o", "old.wav"], "old.wav: exists already; replace with --overwrite"),
        (["a.wav", "a.flac", "-o", "x/", "--format", "ogg"], "both a.wav and a.flac"),
        (["a.wav", "a.flac", "-o", "x.wav"], "several inputs need a folder.*x.wav/"),
        (["a.wav", "-o", "x.wavv"], r"no audio format ends with '.wavv'; did you mean '.wav'"),
        (["a.wav", "-o", "x.wav", "--format", "flac"], "ends otherwise than the format"),
        (["a.wav", "-o", "x/", "--format", "flca"], "unknown 'flca'; did you mean 'flac'"),
        (["*.aiff", "-o", "x/"], r"\*.aiff: no file matches"),
        (["none", "-o", "x/"], "none: holds no audio files"),
        (["missing.wav", "-o", "x.wav"], "missing.wav: no such file"),
        (["bad.toml", "-o", "x.wav"], "bad.toml: no audio that can be read"),
        (["a.wav", "-o", "x.wav", "--normalize", "-14"], "like -14LUFS or -1dBFS"),
        (["a.wav", "-o", "x.wav", "--subtype", "PCM"], "no subtype 'PCM'; did you mean 'PCM_"),
        (["a.wav", "-o", "x.wav", "--tail", "-1"], "wanted seconds or 'auto'"),
        (["a.wav", "-o", "x.wav", "--block", "0"], "block"),
    ],
)
def test_a_mistake_is_one_message_and_no_file(
    chain: str, arguments: list[str], message: str
) -> None:
    sound("a.wav")
    sound("a.flac")
    Path("old.wav").write_bytes(b"old")
    Path("bad.toml").write_text("x")
    Path("none").mkdir()
    before = tree()
    done = run("render", chain, *arguments)
    assert done.exit_code != 0
    assert "Traceback" not in done.output
    assert done.output.count("Error: ") == 1
    assert [line for line in done.output.splitlines() if re.search(message, line)]
    assert tree() == before
    assert Path("old.wav").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dspcore = 1\n[[effect]]\ntype = 'gian'", "did you mean 'gain'"),
        ("dspcore = 1\n[[effect]]\ntype = 'gain'\ngain_db = 99", "gain_db must be -60 to 36 dB"),
        ("dspcore = 1\n[[effect]\n", "not valid TOML"),
    ],
)
def test_a_wrong_chain_is_one_message_before_any_work(text: str, message: str) -> None:
    sound("a.wav")
    Path("c.toml").write_text(text)
    done = run("render", "c.toml", "a.wav", "missing.wav", "-o", "out/")
    assert done.exit_code == 1
    assert message in done.output
    assert not Path("out").exists()


def test_overwrite_replaces(chain: str) -> None:
    sound("a.wav")
    Path("out.wav").write_bytes(b"old")
    assert run("render", chain, "a.wav", "-o", "out.wav", "--overwrite").exit_code == 0
    assert audio.read("out.wav")[0].shape == (2, 2_000)


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_no_file(
    chain: str, monkeypatch: pytest.MonkeyPatch, stop: signal.Signals, code: int
) -> None:
    process = Gain.process

    def interrupted(self: Gain, *arguments: Any) -> Any:
        os.kill(os.getpid(), stop)
        return process(self, *arguments)

    monkeypatch.setattr(Gain, "process", interrupted)
    sound("a.wav")
    done = run("render", chain, "a.wav", "-o", "out.wav")
    assert done.exit_code == code
    assert "interrupted: half-written files were removed" in done.output
    assert tree() == ["a.wav"]


def test_debug_shows_the_traceback(chain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sound("a.wav")

    def broken(*_: Any) -> Any:
        raise KeyError("surprise")

    monkeypatch.setattr(Gain, "process", broken)
    quiet = run("render", chain, "a.wav", "-o", "out.wav")
    assert (quiet.exit_code, "Traceback" in quiet.output) == (1, False)
    assert "a.wav: KeyError: 'surprise'" in quiet.output
    loud = run("render", chain, "a.wav", "-o", "out.wav", "--debug")
    assert (loud.exit_code, "Traceback" in loud.output) == (1, True)
    error = run("effects", "nope", "--debug").exception
    assert "unknown effect" in str(error)


def test_effects_lists_and_describes() -> None:
    listing = run("effects").output
    assert "gain " in listing
    assert "widener" in listing
    assert (
        "gain_db    -60   36  0        dB    linear  Change of level."
        in run("effects", "gain").output
    )
    facts = json.loads(run("effects", "--json").output)
    assert {"gain", "panner", "widener"} <= {effect["name"] for effect in facts}
    gain = json.loads(run("effects", "gain", "--json").output)
    assert gain["params"][0]["unit"] == "dB"
    wrong = run("effects", "gian")
    assert (wrong.exit_code, "did you mean 'gain'" in wrong.output) == (1, True)


def test_a_new_preset_renders(tmp_path: Path) -> None:
    sound("in.wav", rate=8_000)
    names = [effect["name"] for effect in json.loads(run("effects", "--json").output)]
    printed = run("preset", "new", *names)
    assert printed.exit_code == 0
    assert run("preset", "new", *names, "-o", "new.toml").exit_code == 0
    assert Path("new.toml").read_text() == printed.output
    again = run("preset", "new", "gain", "-o", "new.toml")
    assert (again.exit_code, "exists already" in again.output) == (1, True)
    assert run("preset", "new", "gain", "-o", "new.toml", "--overwrite").exit_code == 0
    Path("all.toml").write_text(printed.output)
    done = run("render", "all.toml", "in.wav", "-o", "o.wav", "--tail", "0", "--subtype", "FLOAT")
    assert done.exit_code == 0, done.output
    assert torch.isfinite(audio.read("o.wav")[0]).all()


def test_preset_show(chain: str) -> None:
    assert "gain.gain_db  -6     dB    -60 to 36 dB" in run("preset", "show", chain).output
    facts = json.loads(run("preset", "show", chain, "--json").output)
    assert facts["effect"] == [{"type": "gain", "gain_db": -6.0}]
    assert run("preset", "show", "missing.toml").exit_code == 1


def test_info_says_what_is_there() -> None:
    facts = json.loads(run("info", "--json").output)
    assert facts["torch"] == torch.__version__
    assert set(facts["native"]) == {"cpu", "cuda"}
    assert isinstance(facts["hosts"], list)
    assert f"torch: {torch.__version__}" in run("info").output
