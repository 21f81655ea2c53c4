"""Notes from files, presets of instruments, and the command line that plays them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mido
import pytest
import torch
from click.testing import CliRunner

from dspcore import audio
from dspcore.cli import main
from dspcore.errors import UserError
from dspcore.notes import Note, pitch_of, read_notes
from dspcore.preset import load_synth, parse_synth, save_synth
from dspcore.synth import FM, Subtractive

pytestmark = pytest.mark.usefixtures("native")


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def midi(path: str, *messages: mido.Message) -> None:
    """120 beats a minute, 480 ticks a beat; twice as slow after a beat."""
    file, track = mido.MidiFile(ticks_per_beat=480), mido.MidiTrack()
    track.extend(messages)
    file.tracks.append(track)
    file.save(path)


def message(kind: str, time: int, **values: int) -> mido.Message:
    return mido.Message(kind, time=time, **values)


def test_midi_tempo_pedal_and_channels() -> None:
    midi(
        "a.mid",
        message("note_on", 0, note=60, velocity=90),
        message("note_on", 0, note=40, velocity=90, channel=9),
        message("note_off", 480, note=60),
        mido.MetaMessage("set_tempo", tempo=1_000_000, time=0),
        message("control_change", 0, control=64, value=127),
        message("note_on", 0, note=64, velocity=50),
        message("note_on", 240, note=64, velocity=0),  # ends with the pedal
        message("note_on", 0, note=67, velocity=70, channel=1),
        message("control_change", 240, control=64, value=0),
        message("note_off", 240, note=67, channel=1),
        message("note_on", 0, note=72, velocity=1),  # never ends: with the file
        mido.MetaMessage("text", text="", time=240),
    )
    assert read_notes("a.mid") == [
        Note(0.0, 0.5, 60, 90),
        Note(0.5, 1.0, 64, 50),
        Note(1.0, 1.0, 67, 70),
        Note(2.0, 0.5, 72, 1),
    ]
    assert read_notes("a.mid", channel=2) == [Note(1.0, 1.0, 67, 70)]
    assert read_notes("a.mid", channel=10)[0].pitch == 40


def test_toml_notes_have_names_or_numbers() -> None:
    Path("n.toml").write_text(
        '[[note]]\nstart = 1\nseconds = 0.5\npitch = "Bb-1"\n[[note]]\nstart = 0\nseconds = 2.0\n'
    )
    assert read_notes("n.toml") == [Note(0, 2.0), Note(1, 0.5, 10)]
    assert [pitch_of(name) for name in ("C4", "a4", "F#3", "C-1")] == [60, 69, 54, 0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[note]]\nstart = 0", "note 1: seconds is missing"),
        ("[[note]]\nstart = 0\nseconds = 1\nvelo = 3", "unknown key 'velo'; did you mean 'vel"),
        ("[[note]]\nstart = 0\nseconds = 1\npitch = 200", "note 1: pitch must be 0 to 127"),
        ("[[note]]\nstart = 0\nseconds = 1\npitch = 'H2'", "note 1: pitch must be 0 to 127, or a"),
        ("[[note]]\nstart = -1\nseconds = 1", "note 1: must start at 0 s"),
        ("[[note]]\nstart = '0'\nseconds = 1", "start must be a number of seconds, got '0'"),
        ("[note]\nstart = 0", "with two brackets"),
        ("notes = []", "unknown key 'notes'"),
        ("[[note", "is not valid TOML"),
    ],
)
def test_mistakes_in_notes_are_placed(text: str, says: str) -> None:
    Path("n.toml").write_text(text)
    with pytest.raises(UserError, match=f"n.toml: .*{says}|n.toml: {says}"):
        read_notes("n.toml")


def test_what_is_no_midi_file_is_said() -> None:
    Path("a.mid").write_bytes(b"RIFF....")
    with pytest.raises(UserError, match=r"a\.mid: is not a MIDI file"):
        read_notes("a.mid")
    with pytest.raises(UserError, match=r"b\.mid: no such file"):
        read_notes("b.mid")


def test_a_preset_brings_an_instrument_back() -> None:
    made = FM(16_000, algorithm="organ", op3_ratio=3.25, release_ms=80.0)
    save_synth(made, "fm.toml", "An organ.")
    back = load_synth("fm.toml")
    assert type(back) is FM
    assert (back.values, back.options, back.sample_rate) == (made.values, made.options, 16_000)
    assert torch.equal(back([Note(0, 0.1)], 0.2), made([Note(0, 0.1)], 0.2))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('dspcore = 1\n[synth]\ntype = "subtactive"', "synth: .*did you mean 'subtractive'"),
        ('dspcore = 1\n[synth]\ntype = "fm"\nratio = 1', "unknown key 'ratio'"),
        ('dspcore = 1\n[synth]\ntype = "fm"\nfeedback = 9', "feedback must be 0 to 1.5, got 9"),
        ('dspcore = 1\n[[effect]]\ntype = "gain"', "unknown key 'effect'"),
        ("dspcore = 1", "is not an instrument's preset"),
    ],
)
def test_mistakes_in_presets_are_named(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        parse_synth(text)


# --- the command line ----------------------------------------------------------------------------


def run(*words: str) -> Any:
    return CliRunner().invoke(main, ["synth", *words])


def test_render_plays_a_midi_file() -> None:
    midi("a.mid", message("note_on", 0, note=60), message("note_off", 480, note=60))
    done = run("render", "a.mid", "--synth", "subtractive", "-o", "out.wav")
    assert done.exit_code == 0, done.output
    assert "out.wav: 1 notes, 0.70 s, 48000 Hz, peak" in done.output
    sound, rate = audio.read("out.wav")
    truth = Subtractive()(read_notes("a.mid"), 0.7)[0]
    assert (sound - truth).abs().max() < 1e-6
    assert rate == 48_000
    assert "exists already" in run("render", "a.mid", "--synth", "fm", "-o", "out.wav").output


def test_render_takes_presets_settings_and_turns_down_what_clips() -> None:
    Path("n.toml").write_text("[[note]]\nstart = 0\nseconds = 0.1\nvelocity = 127\n")
    assert run("new", "subtractive", "--random", "3", "-o", "lead.toml").exit_code == 0
    loud = ("--set", "gain_db=12", "--set", "resonance=0", "--set", "cutoff_hz=20000")
    done = run("render", "n.toml", "--synth", "lead.toml", *loud, "-o", "out.flac")
    assert done.exit_code == 0, done.output
    assert "turned down by" in done.output
    sound, _ = audio.read("out.flac")
    assert abs(float(sound.abs().max()) - 0.99) < 1e-3
    words = ("--synth", "lead.toml", "-o", "b.wav")
    assert "did you mean 'gain_db'" in run("render", "n.toml", *words, "--set", "gain=1").output
    assert "wanted NAME=VALUE" in run("render", "n.toml", *words, "--set", "gain").output
    assert not Path("b.wav").exists()


def test_a_file_without_notes_is_an_error() -> None:
    Path("n.toml").write_text("")
    said = run("render", "n.toml", "--synth", "fm", "-o", "out.wav")
    assert said.exit_code == 1
    assert "n.toml: has no notes" in said.output


def test_listings() -> None:
    assert "subtractive  analog" in run("list").output
    known = json.loads(run("list", "--json").output)
    assert {item["name"] for item in known} == {"subtractive", "fm"}
    assert "cutoff_hz" in run("show", "analog").output
    for name in ("list", "show", "new", "render"):
        assert f"dspcore synth {name}" in run(name, "--help").output
