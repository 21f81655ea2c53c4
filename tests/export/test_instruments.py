"""Instruments and side-chains: exported, played, and compared with Python."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from exported import distance_db, ducked, instrument
from hosted import played
from numpy.typing import NDArray

from dspcore.blackbox import probe
from dspcore.blackbox.isolate import Isolate
from dspcore.errors import UserError
from dspcore.export import export
from dspcore.export.library import Library
from dspcore.notes import Note

pytestmark = pytest.mark.slow

#: Chords, one key twice, a note that ends within its attack.
NOTES = (
    Note(0.0, 0.1, 57, 100), Note(0.01, 0.2, 61, 60), Note(0.01, 0.05, 64, 127),
    Note(0.05, 0.05, 57, 90), Note(0.12, 0.001, 45, 80),
)  # fmt: skip
CHANGED = {"subtractive": {"cutoff_hz": 2_500.0}, "fm": {"op2_level": 3.0}}


def wanted(name: str, rate: int, samples: int, change_at: int) -> NDArray[np.float64]:
    """Python's, in float64."""
    stream = instrument(name, rate).double().stream(NOTES)
    with torch.no_grad():
        parts = [stream(change_at), stream(samples - change_at, **CHANGED[name])]
    made: NDArray[np.float64] = torch.cat(parts, -1)[0].numpy()
    return made


@pytest.fixture(params=["subtractive", "fm"])
def library_of(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """An instrument's name and its library."""
    if request.param == "fm":
        return "fm", request.getfixturevalue("built_fm") / "libbell.so"
    return "subtractive", request.getfixturevalue("built_lead") / "libtest_lead.so"


def test_a_library_plays_notes_as_python_does(library_of: tuple[str, Path]) -> None:
    name, file = library_of
    for rate in (44_100, 96_000):
        for size in (64, 441):
            samples, change_at = 15_000 * rate // 48_000, 20 * size
            library = Library(file, rate)
            out = []
            events = [
                (round(note.start * rate) + late * max(1, round(note.seconds * rate)), -late, note)
                for note in NOTES
                for late in (0, 1)
            ]
            events.sort(key=lambda event: event[:2])
            stops = sorted({at for at, *_ in events} | set(range(0, samples, size)) | {samples})
            for begin, end in pairwise(stops):
                for when, late, note in events:
                    if when == begin and late:
                        library.note_off(note.pitch)
                    elif when == begin:
                        library.note_on(note.pitch, note.velocity)
                if begin == change_at:
                    library.set(**{f"{name}_{k}": v for k, v in CHANGED[name].items()})
                out.append(library.process(np.zeros((0, end - begin), np.float32)))
            got = np.concatenate(out, 1)
            assert got.shape == (2, samples)
            assert distance_db(got, wanted(name, rate, samples, change_at)) < -120, (rate, size)


def test_more_notes_than_voices_take_the_oldest_ones(tmp_path: Path) -> None:
    export(instrument("fm"), tmp_path, name="Two", formats=["c"], voices=2, channels=1)
    library = Library(tmp_path / "libtwo.so", 48_000)
    for pitch in (50, 55, 60, 65):
        library.note_on(pitch, 100)
        library.process(np.zeros((0, 500), np.float32))
    fresh = Library(tmp_path / "libtwo.so", 48_000)
    for pitch in (50, 55, 60, 65):
        library.note_off(pitch)
    tail = library.process(np.zeros((0, 48_000), np.float32))
    assert np.abs(tail[:, :100]).max() > 1e-3
    assert not tail[:, 24_000:].any()
    assert not fresh.process(np.zeros((0, 100), np.float32)).any()


@pytest.mark.parametrize(
    ("host", "file"),
    [
        ("lv2", "urn:dspcore:test_lead"),
        ("clap", "Test Lead.clap"),
        ("pedalboard", "Test Lead.vst3"),
        ("dawdreamer", "Test Lead.vst3"),
        ("dawdreamer", "test_lead-vst2.so"),
    ],
)
def test_an_instrument_sounds_in_hosts(
    built_lead: Path, host: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LV2_PATH", str(built_lead))
    identity = file if host == "lv2" else str(built_lead / file)
    name, own = "subtractive", instrument("subtractive")
    values = {f"{name}_{key}": value for key, value in own.values.items()}
    changed = {f"{name}_{key}": value for key, value in CHANGED[name].items()}
    with Isolate(probe.warm) as child:
        result = child.call(
            played, host, identity, values, changed, NOTES, 15_000, 441, 9, deadline=120.0
        ).unwrap()
    info, out = result
    assert info.notes
    assert distance_db(out, wanted(name, 48_000, 15_000, 441 * 9)) < -110


def noise(rows: int) -> NDArray[np.float32]:
    """Its third and fourth row fall silent for a while."""
    audio = 0.3 * np.random.default_rng(0).standard_normal((rows, 6_000)).astype(np.float32)
    audio[2:, 2_000:4_000] *= 0.01
    return audio


def test_a_side_chain_is_a_second_input(built_ducked: Path) -> None:
    audio = noise(4)
    x = torch.from_numpy(audio)[None].double()
    with torch.no_grad():
        truth = ducked()(x[:, :2], kick=x[:, 2:])[0].numpy()
    library = Library(built_ducked / "libtest_ducked.so", 48_000)
    assert distance_db(library.blocks(audio, 441), truth) < -135
    with pytest.raises(ValueError, match=r"\(4, t\)"):
        library.process(audio[:2])
    description = (built_ducked / "test_ducked.lv2" / "test_ducked.ttl").read_text()
    assert description.count("lv2:isSideChain") == 2


def test_an_instrument_is_no_ladspa_plug_in(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="LADSPA knows no notes"):
        export(instrument("fm"), tmp_path / "out", name="No", formats=["ladspa"])
    assert not (tmp_path / "out").exists()
