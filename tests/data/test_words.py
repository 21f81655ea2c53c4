"""Words: what aligners write is read, an aligner without weights finds them, and they are cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
import torch
from click.testing import CliRunner
from praatio import textgrid
from praatio.utilities.constants import Interval

from dspcore import audio, data
from dspcore.cli import main
from dspcore.data import words
from dspcore.data.words import Word
from dspcore.data.words.cut import Cut, Source
from dspcore.data.words.espeak import speak
from dspcore.errors import UserError

SAID = [Word("zéro", 0.1, 0.5), Word("seven", 0.5, 1.0), Word("o'clock", 1.25, 2.0)]
TEXTS = (
    "zero seven the quick brown fox jumps over the lazy dog",
    "one two three four five six seven eight nine ten",
    "birch canoe slid on smooth planks",
    "glue the sheet to dark blue background",
    "rice is often served in round bowls",
)


def grid(path: Path, form: str) -> Path:
    made = textgrid.Textgrid()
    entries = [Interval(w.start_s, w.end_s, w.text) for w in SAID]
    made.addTier(textgrid.IntervalTier("words", entries, 0, 2.5))
    made.addTier(textgrid.IntervalTier("phones", [Interval(0.1, 0.2, "z")], 0, 2.5))
    made.save(str(path), format=form, includeBlankSpaces=True)
    return path


FILES = {
    "qwen.json": [{"text": w.text, "start_time": w.start_s, "end_time": w.end_s} for w in SAID],
    "ctc.json": {
        "text": "...",
        "segments": [{"text": w.text, "start": w.start_s, "end": w.end_s} for w in SAID],
    },
    "whisperx.json": {
        "segments": [
            {"words": [{"word": w.text, "start": w.start_s, "end": w.end_s}]} for w in SAID
        ]
    },
    "aeneas.json": {
        "fragments": [
            {"begin": f"{w.start_s:.3f}", "end": f"{w.end_s:.3f}", "lines": [w.text]} for w in SAID
        ]
    },
    "mfa.json": {
        "start": 0,
        "end": 2.5,
        "tiers": {
            "speaker - words": {
                "type": "interval",
                "entries": [[0, 0.1, "<eps>"], *([w.start_s, w.end_s, w.text] for w in SAID)],
            },
            "speaker - phones": {"type": "interval", "entries": [[0.1, 0.2, "z"]]},
        },
    },
}


@pytest.mark.parametrize("form", ["long_textgrid", "short_textgrid", "json", "textgrid_json"])
def test_textgrids_of_every_form_are_read(form: str, tmp_path: Path) -> None:
    assert words.read_words(grid(tmp_path / "a.TextGrid", form)) == SAID


@pytest.mark.parametrize("name", FILES)
def test_json_of_aligners_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(json.dumps(FILES[name], ensure_ascii=False))
    assert words.read_words(tmp_path / name) == SAID


def test_csv_smil_and_our_own_are_read(tmp_path: Path) -> None:
    lines = [f"{w.start_s},{w.end_s},{w.text},words,s" for w in SAID]
    (tmp_path / "a.csv").write_text("\n".join(["Begin,End,Label,Type,Speaker", *lines, ""]))
    assert words.read_words(tmp_path / "a.csv") == SAID
    pairs = "".join(
        f'<par><text src="p.xhtml#f{i}"/><audio clipBegin="0:00:0{w.start_s}" '
        f'clipEnd="{w.end_s}s"/></par>'
        for i, w in enumerate(SAID)
    )
    (tmp_path / "a.smil").write_text(f'<smil xmlns="http://www.w3.org/ns/SMIL">{pairs}</smil>')
    found = words.read_words(tmp_path / "a.smil")
    assert [(w.start_s, w.end_s) for w in found] == [(w.start_s, w.end_s) for w in SAID]
    words.write_words(tmp_path / "ours.json", SAID)
    assert words.read_words(tmp_path / "ours.json") == SAID


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing known", "no alignment that is known"),
        ('{"some": "thing"}', "JSON, but no alignment"),
        ('{"tiers": {"a": {"entries": []}, "b": {"entries": []}}}', "which tier holds the words"),
        ('[{"text": "a", "start": 2, "end": 1}]', "'a' goes from 2.0 to 1.0 s"),
        ("<smil>", "is no SMIL"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><smil/>', "has a document type"),
    ],
)
def test_what_is_no_alignment_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError, match=said):
        words.read_words(tmp_path / "x.json")


def test_nineteen_of_twenty_onsets_are_found_within_20_ms() -> None:
    hits = total = 0
    for voice in ("en-us", "en-gb-scotland"):
        for text in TEXTS:
            truth = speak(text, voice, 140)
            noise = 1e-3 * torch.randn(
                truth.audio.shape, generator=torch.Generator().manual_seed(0)
            )
            found = words.align(truth.audio + noise, truth.sample_rate, text)
            assert [w.text for w in found] == text.split()
            made = words.score(found, truth.words)
            hits += round(made.starts[20] * made.matched)
            total += made.matched
    assert hits / total >= 0.95, (hits, total)


def test_a_coarse_grid_gets_better_when_refined() -> None:
    coarse, refined = [], []
    for text in TEXTS:
        truth = speak(text, "en-us", 140)
        grid_words = [
            Word(
                w.text,
                0.08 * (n := round(w.start_s / 0.08)),
                0.08 * max(round(w.end_s / 0.08), n + 1),
            )
            for w in truth.words
        ]
        coarse.append(words.score(grid_words, truth.words).mean_ms)
        better = words.refine(grid_words, truth.audio, truth.sample_rate, 0.04)
        refined.append(words.score(better, truth.words).mean_ms)
    assert sum(refined) < 0.85 * sum(coarse), (coarse, refined)


def test_words_are_cut_with_fades_and_the_rejected_are_counted(tmp_path: Path) -> None:
    truth = speak(TEXTS[1], "en-us", 140)
    audio.write(tmp_path / "take.wav", truth.audio, truth.sample_rate)
    doubled = [*truth.words, *truth.words]
    how = Cut(reject=frozenset({"Seven"}), per_word=1, most_s=0.45)
    rows, left_out = words.cut(
        [Source(tmp_path / "take.wav", "p1", doubled)],
        tmp_path / "words",
        tmp_path / "w.jsonl",
        how,
    )
    assert left_out["rejected"] == 2
    longer = sum(w.seconds > 0.45 for w in truth.words)
    assert left_out["too long"] == 2 * longer
    assert len(rows) == 9 - longer == left_out["enough of that word"]
    assert {row.group for row in rows} == {"p1"}
    for row in rows:
        sound, rate = soundfile.read(tmp_path / row.path)
        word = next(w for w in truth.words if w.text == row.text)
        assert abs(len(sound) / rate - word.seconds - 0.01) < 0.011
        assert abs(sound[0]) < 1e-3 > abs(sound[-1])
    late = [Word("late", 90.0, 91.0)]
    with pytest.raises(UserError, match="another file's"):
        words.cut([Source(tmp_path / "take.wav", "", late)], tmp_path, tmp_path / "w.jsonl")


def test_vctk_is_known_with_its_gaps(tmp_path: Path) -> None:
    for speaker, number, mics, text in (
        ("p225", "001", "12", "Please call Stella."),
        ("p280", "001", "1", "Ask her."),
        ("p315", "001", "12", ""),
    ):
        place = tmp_path / "wav48_silence_trimmed" / speaker
        place.mkdir(parents=True)
        for mic in mics:
            audio.write(place / f"{speaker}_{number}_mic{mic}.flac", torch.zeros(1, 10), 48_000)
        if text:
            (tmp_path / "txt" / speaker).mkdir(parents=True)
            (tmp_path / "txt" / speaker / f"{speaker}_{number}.txt").write_text(text + "\n")
    found, left_out = words.vctk(tmp_path, mic=2)
    assert [(u.speaker, u.number, u.text) for u in found] == [
        ("p225", "001", "Please call Stella.")
    ]
    assert left_out == {"p280": 1, "p315": 1}


def test_an_aligner_elsewhere_is_run_on_a_corpus(tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", torch.zeros(2, 16_000), 16_000)
    program = tmp_path / "aligner.py"
    program.write_text(
        "import json, pathlib, sys\n"
        "for lab in pathlib.Path(sys.argv[1]).glob('*.lab'):\n"
        "    assert lab.with_suffix('.wav').is_file()\n"
        "    said = lab.read_text().split()\n"
        "    made = [{'text': w, 'start': i, 'end': i + 1} for i, w in enumerate(said)]\n"
        "    pathlib.Path(sys.argv[2], lab.stem + '.json').write_text(json.dumps(made))\n"
    )
    (found,) = words.align_with(
        f"python3 {program} {{corpus}} {{out}}", [(tmp_path / "a.wav", "hello there")]
    )
    assert found == [Word("hello", 0, 1), Word("there", 1, 2)]
    with pytest.raises(UserError, match="ended with 3"):
        words.align_with("python3 -c 'exit(3)' {corpus} {out}", [(tmp_path / "a.wav", "x")])
    with pytest.raises(UserError, match="no program 'nowhere'"):
        words.align_with("nowhere {corpus} {out}", [(tmp_path / "a.wav", "x")])


def test_the_command_line_aligns_cuts_and_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    truth = speak(TEXTS[1], "en-us", 150)
    audio.write("take.wav", truth.audio, truth.sample_rate)
    words.write_words("truth.json", truth.words)
    runner = CliRunner()
    for line, said in (
        (["align", "take.wav", TEXTS[1], "-o", "found.json"], "10 words"),
        (["score", "found.json", "truth.json"], "10 words, 0 missing"),
        (["refine", "take.wav", "found.json", "-o", "refined.json"], "10 words"),
        (["read", "refined.json"], "eight"),
        (["cut", "take.wav", "found.json", "-o", "w", "--manifest", "w.jsonl"], "10 words"),
    ):
        result = runner.invoke(main, ["data", "words", *line])
        assert result.exit_code == 0, result.output
        assert said in result.output
    assert len(data.read("w.jsonl")) == 10
